"""What the store hands to the desk: rows of the queue and everything about one case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from triage.domain.case import Case, Label
from triage.domain.follow_up import UNCHAINED, Chain
from triage.domain.people import Contact, Patient
from triage.domain.reading import Classification, Flag, Redacted, Span, Suggestion
from triage.domain.reply import Draft, Reply
from triage.domain.text import NOTHING, Protected
from triage.domain.together import ALONE, Beside
from triage.domain.watch import Pace
from triage.domain.words import Channel, IdentifierType, Mark, ReplyState, Urgency

#: Message-IDs between the first and the answered one that a reply names; the newest of them.
LONGEST_CONVERSATION = 18


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One line of the queue."""

    case: Case
    #: The newest message's subject and first words, as they were written.
    subject: Protected
    preview: Protected
    sender: Protected
    #: Name of the linked patient, or nothing.
    patient: Protected
    #: Why the message that gave the case its rank stands where it does.
    because: tuple[str, ...]
    #: State of the newest reply, if there is one.
    reply: ReplyState | None = None
    messages: int = 1
    #: The address the newest message claims to come from; a name alone could be anybody's.
    address: Protected = NOTHING
    beside: Beside = ALONE


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """An attachment and the id its bytes are fetched by."""

    id: str
    name: Protected
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Apart:
    """What a person parted: a message is filed in the case it joined and in one of its own."""

    #: The case of its own that it was given; empty until the copy is filed, None for none.
    own_case: str | None = None
    #: The case it had joined, where this is the copy.
    out_of: str | None = None
    #: Whether it reports on a reply of its case, and so belongs to it.
    report: bool = False


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a case with everything the path made of it."""

    id: str
    raw_id: str
    channel: Channel
    received_at: datetime
    sender: Protected
    sender_name: Protected
    subject: Protected
    body: Protected
    quoted: Protected
    signature: Protected
    html: Protected
    message_id: Protected
    topic: str
    marks: frozenset[Mark]
    redacted: Redacted
    classification: Classification
    flags: tuple[Flag, ...]
    because: tuple[str, ...]
    #: What it alone is worth in the queue; the case has the most of all its messages.
    urgency: Urgency
    score: int
    attachments: tuple[StoredAttachment, ...] = ()
    apart: Apart = Apart()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything about one case; messages newest first."""

    case: Case
    messages: tuple[StoredMessage, ...]
    #: What was drafted for the newest message; `offered` is what may be shown of it.
    suggestion: Suggestion | None
    draft: Draft | None
    replies: tuple[Reply, ...]
    patient: Patient | None
    #: The verified contact a reply would go to, or None.
    contact: Contact | None
    #: The other contacts of the same patient.
    contacts: tuple[Contact, ...] = ()
    labels: tuple[Label, ...] = ()
    outcome_note: Protected = NOTHING
    #: How often the patient wrote around it, and the other cases of that.
    chain: Chain = UNCHAINED
    #: The id of the message that joined last: who decides must have been shown it.
    newest: str = ""
    #: How it is sorted and whose it is, in ids: who decides must have been shown the same.
    was: str = ""

    @property
    def offered(self) -> Suggestion | None:
        """The suggestion as long as it may be shown: on an urgent case only a clinician's text.

        A case is raised by a person, a rule or another message after its words were drafted.
        """
        made, urgency = self.suggestion, self.case.urgency
        if made is None or urgency is Urgency.ROUTINE:
            return made
        return made if made.template == f"urgent_{urgency.word}" else None

    @property
    def deciding(self) -> StoredMessage:
        """The message that gave the case its rank; the newest of equals."""
        return max(self.messages, key=lambda message: (message.urgency, message.score))

    @property
    def can_part(self) -> frozenset[str]:
        """The messages that can be given a case of their own; one must stay in this one.

        What reports on a reply of this case stays beside it, and is not what the case is about.
        """
        here = [
            one.id for one in self.messages if one.apart.own_case is None and not one.apart.report
        ]
        return frozenset(here if len(here) > 1 else ())

    def conversation(self, channel: Channel) -> Protected:
        """Return what a reply on `channel` refers to; a mail's Message-ID is nothing to a portal.

        For e-mail that is every Message-ID this case knows of before the answered mail, and its own
        last. What strangers wrote into References is not repeated.
        """
        message = newest_from_person(self.messages)
        if message.channel is not channel:
            return NOTHING
        if channel is Channel.PORTAL or not message.message_id:
            return message.message_id
        said = [
            (one.received_at, one.message_id)
            for one in self.messages
            # An answer to this reply must not be taken for one to what has its own case.
            if one.channel is channel and one.apart.own_case is None
        ]
        said += [
            (reply.settled_at, Protected(reply.message_id))
            for reply in self.replies
            if reply.settled_at is not None
            and reply.state is ReplyState.SENT
            and reply.outgoing.channel is channel
        ]
        last = message.message_id.reveal()
        before = sorted((at, name.reveal()) for at, name in said if at < message.received_at)
        ids = [name for name in dict.fromkeys(name for _, name in before) if name not in ("", last)]
        return Protected(" ".join([*ids[:1], *ids[1:][-LONGEST_CONVERSATION:], last]))


def newest_from_person(messages: Sequence[StoredMessage]) -> StoredMessage:
    """Return the newest message that is not automatic, else the newest; newest come first.

    What was given a case of its own is answered there.
    """
    here = [message for message in messages if message.apart.own_case is None] or messages
    by_people = (message for message in here if Mark.AUTOMATIC not in message.marks)
    return next(by_people, here[0])


@dataclass(frozen=True, slots=True)
class Beat:
    """The last sign of life of a process, and what it says is not working."""

    process: str
    at: datetime
    notes: tuple[str, ...] = ()
    #: Model -> how it does.
    paces: Mapping[str, Pace] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleItem:
    """A message not ranked urgent, drawn to be read again."""

    id: str
    day: date
    case_id: str
    message_id: str
    #: None until somebody judged it.
    right: bool | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class LeakTally:
    """What the leak meter found in redacted messages; words and places are never in it."""

    #: Messages looked at, those of them with a leak, and those nobody looked at.
    measured: int
    leaking: int
    unmeasured: int
    #: How often each type was still readable.
    by_type: Mapping[IdentifierType, int]


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """Redacted text and the labels a person chose; the only thing retraining sees."""

    id: str
    channel: Channel
    subject: str
    body: str
    route: str
    also: tuple[str, ...]
    urgency: str
    source: str
    model: str
    extra: Mapping[str, str] = field(default_factory=dict)
    #: Redacted names of the attachments, one a line.
    files: str = ""
    case_id: str = ""
    #: Rows of one conversation call the same person by the same placeholder.
    thread_id: str = ""
    #: Where realistic surrogates stand; none while the placeholders do.
    spans: tuple[Span, ...] = ()
