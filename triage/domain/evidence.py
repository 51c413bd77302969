"""What proves afterwards what happened to a case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from triage.domain.desk import CaseFile
from triage.domain.message import RawMessage
from triage.domain.reply import AuditEvent


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the audit chain as it was written down outside the database."""

    seq: int
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of the chain without what the events say: enough to follow its links."""

    #: Number of the first event of the run.
    first: int
    #: The digest before it.
    previous: str
    #: The sealed content of each event of the run, in hexadecimal.
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of one case, and its part of the chain with the keys to it."""

    file: CaseFile
    #: Each message as it came: message id -> raw bytes.
    originals: Mapping[str, RawMessage] = field(repr=False)
    #: Every event of the case, and what said which models and rules served; oldest first.
    events: tuple[AuditEvent, ...]
    #: Number of an event -> the key that opens it and no other, in hexadecimal.
    keys: Mapping[int, str] = field(repr=False)
    #: Runs from each event to the next anchor.
    stretches: tuple[Stretch, ...]
    #: The head of the chain when this was read, and the anchors the runs end at.
    head: tuple[int, str]
    anchors: tuple[Anchor, ...]
    #: When the case was erased, which left the chain and no words; None while it was not.
    erased_at: datetime | None = None
