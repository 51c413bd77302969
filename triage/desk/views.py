"""What the desk shows: nouns for pages, tables and notebooks; text stays Protected."""

from dataclasses import dataclass
from datetime import datetime

from triage.domain import (
    NOTHING,
    CaseFile,
    CaseRow,
    Draft,
    Lane,
    Protected,
    Reply,
    ReplyState,
    TrainingRow,
    User,
)


@dataclass(frozen=True, slots=True)
class Banner:
    """A line on top of every page that says what is not as it should be."""

    #: `warning` or `alarm`.
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """One page of the queue."""

    rows: tuple[CaseRow, ...]
    counts: dict[Lane, int]
    lane: Lane | None
    banners: tuple[Banner, ...]
    #: Changes whenever a case arrives, moves or is claimed; the page asks for it to stay live.
    version: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether the queue changed and how full its lanes are; holds nothing about anybody."""

    version: str
    counts: dict[Lane, int]


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything one case page shows."""

    file: CaseFile
    #: The suggestion with placeholders filled from the store; None when there is none.
    suggested_subject: Protected | None
    suggested_body: Protected | None
    suggestion_template: str
    #: The words saved last, with the digest approval is bound to.
    draft: Draft | None
    replies: tuple[Reply, ...]
    #: Why no reply can be approved now, in words; empty when one can.
    obstacle: str
    claimed_by: User | None
    may_approve: bool
    banners: tuple[Banner, ...]


@dataclass(frozen=True, slots=True)
class ReplyView:
    """Where an approved reply is."""

    id: str
    state: ReplyState
    message_id: str
    #: Until when it can still be taken back.
    not_before: datetime
    #: What the other side answered, or why it did not go; empty until settled.
    receipt: Protected = NOTHING
    why: Protected = NOTHING
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MissRate:
    """How often the daily re-reading found a missed urgent message, with its exact interval."""

    judged: int
    missed: int
    #: Clopper-Pearson 95 % bounds as shares, 0 to 1.
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelView:
    """One registered model."""

    name: str
    task: str
    serving: bool
    trainer: str
    #: Metrics as the card gives them: name -> value.
    metrics: dict[str, str]


@dataclass(frozen=True, slots=True)
class TrainingExport:
    """The rows that leave the desk, and how many stayed because they leak."""

    rows: tuple[TrainingRow, ...]
    left_out: int = 0
