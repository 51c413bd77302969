"""Messages: from bytes on a server to something a person can read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from triage.domain.text import NOTHING, Protected
from triage.domain.words import Channel, Mark, Undelivered

#: What the epoch of everything imported begins with.
IMPORTED = "import:"
#: What the epoch of a message begins with that a person gave a case of its own; its uid is then
#: the id of the raw message it is a copy of.
OWN_CASE = "own case:"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a message lies on its server: the identity that landing is keyed by."""

    inbox: str
    mailbox: str
    #: UIDVALIDITY for IMAP; a constant for sources whose ids never restart.
    epoch: str
    uid: str

    @property
    def imported(self) -> bool:
        """Whether it is old mail that somebody brought in, not news of an inbox."""
        return self.epoch.removeprefix(OWN_CASE).startswith(IMPORTED)

    @property
    def own_case(self) -> bool:
        """Whether it lies on no server: a person gave a message that had joined a case its own."""
        return self.epoch.startswith(OWN_CASE)

    def copied(self, raw_id: str) -> "Position":
        """Return where a copy of the raw message that lies here is landed: once, and nowhere else.

        Whatever is believed of the inbox, and that it was imported, holds for the copy as well.
        """
        epoch = self.epoch if self.own_case else OWN_CASE + self.epoch
        return Position(self.inbox, self.mailbox, epoch, raw_id)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a connector hands over: the server's own bytes and where they lay."""

    position: Position
    channel: Channel
    #: `message/rfc822`, `application/fhir+json`, or `application/json` from a web form.
    media_type: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one mailbox has been landed; `uid` is opaque to everybody but its connector."""

    mailbox: str
    epoch: str
    uid: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch of arrivals and the cursor to store once, and only once, they are landed."""

    arrivals: tuple[Arrival, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server says lies in one mailbox, up to and including what the cursor has passed."""

    mailbox: str
    epoch: str
    uids: frozenset[str] = field(repr=False)
    #: False where the server was not asked for all: what is not listed may be there all the same.
    whole: bool = True


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A landed message: committed and synced before anything reads it."""

    id: str
    clinic: str
    position: Position
    channel: Channel
    media_type: str
    #: When we landed it (UTC). The Date header is a claim, not a fact.
    received_at: datetime
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; listed and stored, never opened by us."""

    name: Protected
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a delivery report says: mails that will not arrive. Anybody could have written it."""

    why: Undelivered
    #: Message-IDs of the mails it gives back.
    about: tuple[Protected, ...]
    #: The report's own code (RFC 3463), such as 5.1.1, or nothing.
    status: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A raw message as far as it could be read."""

    raw_id: str
    channel: Channel
    #: Address or portal reference the message claims to come from; a claim until a contact matches.
    sender: Protected
    sender_name: Protected
    subject: Protected
    #: The newest part: what the writer says now.
    body: Protected
    quoted: Protected = NOTHING
    signature: Protected = NOTHING
    html: Protected = NOTHING
    #: Every way the bytes may be read: each text part, each HTML part as text.
    readings: tuple[Protected, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    message_id: Protected = NOTHING
    references: tuple[Protected, ...] = ()
    #: The portal's own conversation id, where there is one.
    portal_thread: Protected = NOTHING
    #: The portal reference of whom it is about, where the portal says so; often not the sender.
    about: Protected = NOTHING
    #: The topic the patient picked in the portal, where there is one.
    topic: str = ""
    #: Automatic reply, delivery report or list mail: never answered.
    automatic: bool = False
    #: Set on a delivery report about a failure; a delay or a success is none.
    returned: Returned | None = None
    #: The sender could be read in more than one way, or failed the server's own checks.
    sender_doubtful: bool = False
    marks: frozenset[Mark] = frozenset()

    def related(self, other: "Message") -> bool:
        """Whether both may belong to one conversation: they name each other or a third message."""
        mine = {self.message_id, *self.references} - {NOTHING}
        theirs = {other.message_id, *other.references} - {NOTHING}
        same_thread = bool(self.portal_thread) and self.portal_thread == other.portal_thread
        return same_thread or not mine.isdisjoint(theirs)


def in_turn(messages: Sequence[Message]) -> list[list[int]]:
    """Part a batch (by place) so that messages of one conversation come one after the other."""
    waves: list[list[int]] = []
    height: list[int] = []
    for place, message in enumerate(messages):
        before = (height[at] for at in range(place) if message.related(messages[at]))
        height.append(max(before, default=-1) + 1)
        if height[place] == len(waves):
            waves.append([])
        waves[height[place]].append(place)
    return waves


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation: messages of one contact about one patient, and of nobody else."""

    id: str
    clinic: str
    patient_id: str | None
    contact_id: str | None
