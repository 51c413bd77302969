"""What proves afterwards what happened to a case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from triage.domain.desk import CaseFile
from triage.domain.message import RawMessage
from triage.domain.reply import Approval, AuditEvent


@dataclass(frozen=True, slots=True)
class Head:
    """Where one chain of the audit ends: the number and digest of its newest event."""

    chain: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The heads of all chains of the audit as they were written down outside the database."""

    heads: tuple[Head, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of one chain without what the events say: enough to follow its links."""

    chain: str
    #: Number of the first event of the run.
    first: int
    #: The digest before it.
    previous: str
    #: The sealed content of each event of the run, in hexadecimal.
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Departure:
    """What was handed to a mail server or a portal: the very bytes, kept before any left."""

    id: str
    reply_id: str
    at: datetime
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of one case, and its part of the chains with the keys to it."""

    file: CaseFile
    #: Each message as it came: message id -> raw bytes.
    originals: Mapping[str, RawMessage] = field(repr=False)
    #: Every event of the case, and what said which models and rules served; oldest first.
    events: tuple[AuditEvent, ...]
    #: `seq` of an event -> the key that opens it and no other, in hexadecimal.
    keys: Mapping[int, str] = field(repr=False)
    #: Runs from each event to the next anchor.
    stretches: tuple[Stretch, ...]
    #: Heads the runs end at: those in the database when this was read, and those anchored.
    heads: tuple[Head, ...]
    anchored: tuple[Head, ...]
    #: When the case was erased, which left the chain and no words; None while it was not.
    erased_at: datetime | None = None
    #: What left, or was about to when the line broke; oldest first.
    left: tuple[Departure, ...] = ()
    #: The first yes of two people, to the words that left or to earlier ones; oldest first.
    firsts: tuple[Approval, ...] = ()
