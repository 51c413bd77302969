"""Nouns of the time without a machine: the list that was on paper, and what was done from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from triage.domain.text import NOTHING, Protected
from triage.domain.words import Urgency

#: A list older than this is an alarm, and a gap so long between two lists is a time on paper.
OLDEST_LIST = timedelta(minutes=15)
#: Letters of a case's id that stand on the paper; people type them again.
CODE = 8


@dataclass(frozen=True, slots=True)
class PaperEntry:
    """What somebody did with one case while they worked on paper."""

    case_id: str
    #: Who did it, and when; another person may have typed it in.
    acted_by: str
    acted_at: datetime
    #: A named outcome, `still_open`, or `nothing` when nobody touched the case.
    outcome: str
    entered_by: str
    note: Protected = NOTHING


@dataclass(frozen=True, slots=True)
class PaperItem:
    """One case that stood on the list of an outage."""

    case_id: str
    patient: Protected
    subject: Protected
    urgency: Urgency
    open: bool
    #: None until somebody has said what was done with it.
    entry: PaperEntry | None = None

    @property
    def code(self) -> str:
        """What stands on the paper."""
        return self.case_id[:CODE]


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which people worked from one list on paper."""

    id: str
    #: When the list was made, and when the machine was back.
    made_at: datetime
    until: datetime
    items: tuple[PaperItem, ...] = ()

    @property
    def missing(self) -> int:
        """How many cases nobody has said anything about."""
        return sum(item.entry is None for item in self.items)


@dataclass(frozen=True, slots=True)
class PaperList:
    """Every open case as it is written down for a time without a machine."""

    made_at: datetime
    cases: tuple[str, ...]
    #: What stands on it, for the one file it is sealed into; patient text.
    content: Mapping[str, object]
    #: How many messages each case had: whoever worked from it has read no more.
    messages: Mapping[str, int] = field(default_factory=dict)
