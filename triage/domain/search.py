"""What somebody looks for among the cases, and what was found."""

from dataclasses import dataclass

from triage.domain.desk import CaseRow
from triage.domain.text import NOTHING, Protected
from triage.domain.words import CaseState, Channel, Lane, Route, Urgency


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; every part that is given narrows it down."""

    #: Words of messages, and names, numbers, birth dates or addresses of people; all must fit.
    words: Protected = NOTHING
    state: CaseState | None = None
    lane: Lane | None = None
    route: Route | None = None
    #: The id of who has the case; empty for nobody, None for whoever.
    held_by: str | None = None
    #: Opened at most so many days ago.
    days: int | None = None
    urgency: Urgency | None = None
    channel: Channel | None = None
    #: The id of the patient whose cases are looked for.
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of what was found, newest case first."""

    rows: tuple[CaseRow, ...]
    #: Where the next page goes on; None when every case was looked at.
    further: int | None
    #: Whether older cases are not in the index yet.
    partly: bool = False
    #: Whether something was typed that holds no word to look for.
    wordless: bool = False
