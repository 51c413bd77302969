"""Replies and the audit: what leaves, who said yes, and what is remembered."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from triage.domain.text import NOTHING, Protected
from triage.domain.words import Channel, ReplyState, Undelivered

#: What nobody sees and no mail carries: in the words, where tab and line feed stay, and in a line.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_UNSEEN_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Exactly what would leave: approval is bound to every field of it."""

    case_id: str
    channel: Channel
    #: A verified contact's address or portal reference; never taken from From or Reply-To.
    recipient: Protected
    #: Message-IDs of the conversation, the answered one last; or the Communication answered.
    in_reply_to: Protected
    subject: Protected
    body: Protected
    #: (name, SHA-256) of each attached form.
    attachments: tuple[tuple[str, str], ...] = ()
    #: The bytes of these, in order, where they are about to leave; each has the digest above.
    files: tuple[bytes, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(
        cls,
        *,
        case_id: str,
        channel: Channel,
        recipient: Protected,
        in_reply_to: Protected,
        subject: Protected,
        body: Protected,
        attachments: tuple[tuple[str, str], ...] = (),
    ) -> "Outgoing":
        """Make one from what a person typed: one-line subject, line feeds only, no outer blanks.

        The line and page breaks of a word processor (VT, FF) become line feeds, too.
        """
        one_line = Protected(" ".join(subject.reveal().split()))
        lines = re.sub("\r\n|[\r\v\f]", "\n", body.reveal()).strip()
        words = (one_line, Protected(lines))
        return cls(case_id, channel, recipient, in_reply_to, *words, attachments)

    @property
    def writable(self) -> bool:
        """Whether subject and body hold nothing that no mail carries."""
        subject, body = self.subject.reveal(), self.body.reveal()
        return not (_UNSEEN_IN_LINE.search(subject) or _UNSEEN.search(body))

    @property
    def digest(self) -> str:
        """SHA-256 of `content`, in hexadecimal; the browser computes the same."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def content(self) -> bytes:
        """The bytes that are approved: every field, length-prefixed.

        Each field is UTF-8, preceded by its byte length in decimal and a colon, in this order:
        case, channel, recipient, in_reply_to, subject, body, then name and digest per attachment.
        """
        fields = [
            self.case_id,
            self.channel.value,
            self.recipient.reveal(),
            self.in_reply_to.reveal(),
            self.subject.reveal(),
            self.body.reveal(),
        ]
        fields += [part for attachment in self.attachments for part in attachment]
        return _length_prefixed(fields)


def _length_prefixed(fields: Sequence[str]) -> bytes:
    encoded = [text.encode("utf-8") for text in fields]
    return b"".join(str(len(part)).encode() + b":" + part for part in encoded)


@dataclass(frozen=True, slots=True)
class Draft:
    """Words for a reply that a person may still change."""

    id: str
    clinic: str
    case_id: str
    contact_id: str
    outgoing: Outgoing
    suggested: bool
    author: str
    edited_at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A named person's yes to the exact bytes whose digest it carries.

    `proof` is `<id of a proof key>:<signature>`, in hexadecimal: what the approver's browser
    signed is `approved_words`. The sender checks the signature, and that the approver's own key,
    derived from a master key that the web process never holds, certified the proof key.
    """

    id: str
    clinic: str
    reply_id: str
    digest: str
    approver: str
    approved_at: datetime
    proof: str
    #: The proof key the store knows under that id; None before it was looked up.
    key: "ProofKey | None" = field(default=None, compare=False)

    @property
    def key_id(self) -> str:
        """The id of the proof key, as the proof names it; empty when it names none."""
        named, colon, _ = self.proof.partition(":")
        return named if colon else ""


@dataclass(frozen=True, slots=True)
class ProofKey:
    """The public half of a key that one browser made for one session of one person."""

    #: SHA-256 of the public key's bytes, in hexadecimal.
    id: str
    clinic: str
    user_id: str
    #: Uncompressed point on P-256, in hexadecimal.
    public: str
    #: It proves no approval given later than this.
    until: datetime
    #: HMAC of public key and `until` with the approver's own key; the browser made it.
    certificate: str


def approver_key(master: bytes, user_id: str) -> bytes:
    """Derive the approval key of one person (32 bytes) from the master only the sender holds."""
    return hmac.new(master, b"approver:" + user_id.encode(), hashlib.sha256).digest()


def certificate_of(key: bytes, public: str, until: datetime) -> str:
    """Return what a person's own key says of a proof key; the browser makes the same."""
    said = f"proof key:{public}:{int(until.timestamp())}"
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def approved_words(reply_id: str, digest: str) -> bytes:
    """Return the bytes a browser signs to approve one reply's words.

    The reply's id is in it because an id is used once: a proof cannot serve a second reply with
    the same words.
    """
    return f"approve:{reply_id}:{digest}".encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """An approved outgoing message on its way; `send` accepts nothing less."""

    id: str
    clinic: str
    outgoing: Outgoing
    approval: Approval
    state: ReplyState
    #: Fixed before the first attempt, so that a copy can be recognised.
    message_id: str
    not_before: datetime
    #: What the other side answered, or why it did not go; empty until settled.
    receipt: Protected = NOTHING
    why: Protected = NOTHING
    settled_at: datetime | None = None
    #: Set once a delivery report gave it back.
    undelivered: Undelivered | None = None
    #: The body that was suggested when this was approved; None when there was no suggestion.
    suggested: Protected | None = None
    #: Whether the clinic wants two people's yes to it, and the first one; the sender asks anew.
    needs_two: bool = False
    first: Approval | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One row of the audit: who did what to which cases; ids and counts, never patient text."""

    seq: int
    clinic: str
    at: datetime
    #: A user id, or the name of a process such as `worker`.
    actor: str
    action: str
    cases: tuple[str, ...] = ()
    detail: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""
    digest: str = ""
    #: Which chain it stands in, and where: 1, 2, 3 … without a gap. `seq` counts over all chains.
    chain: str = ""
    number: int = 0
