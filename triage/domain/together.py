"""Nouns of working together: notes among colleagues, who has a case, and until when it sleeps.

Rule of the room: a note belongs to a case and nobody outside; nothing that leaves is made of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from triage.domain.text import Protected
from triage.domain.words import Lane, Route

#: Nobody forgets a case for longer than this.
LONGEST_SNOOZE = timedelta(days=14)
#: A reminder comes after so many working days at most.
MOST_WORKING_DAYS = 20
#: Lanes in which a case may sleep: urgent, unread and outgoing ones never do.
MAY_SLEEP = frozenset({Lane.SORTED, Lane.UNSORTED})


class NoteKind(StrEnum):
    """Why a note was written."""

    NOTE = "note"
    HANDED_OVER = "handed_over"
    TAKEN_OVER = "taken_over"
    #: Why a closed case is open again, and what it had been closed with.
    OPENED_AGAIN = "opened_again"
    #: Why a case is not the patient's it was linked to.
    UNLINKED = "unlinked"
    #: Why a message was given a case of its own.
    OWN_CASE = "own_case"
    #: A writer asks for approval; an approver gives the words back with a remark.
    ASKED = "asked"
    REMARK = "remark"


class SnoozeKind(StrEnum):
    """What a sleeping case waits for."""

    LATER = "later"
    NO_ANSWER = "no_answer"


class Assigned(StrEnum):
    """Whose cases a saved view shows."""

    ANYBODY = "anybody"
    ME = "me"
    MY_TEAMS = "my_teams"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Note:
    """What one colleague wrote for the others beside a case; no patient ever reads it."""

    id: str
    case_id: str
    kind: NoteKind
    words: Protected
    by: str
    at: datetime
    #: Ids of the people it names, and the team it hands the case to.
    told: tuple[str, ...] = ()
    team_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A note that names somebody who has not ticked it off yet."""

    id: str
    note: Note


@dataclass(frozen=True, slots=True)
class Assignment:
    """Whose work a case is: a person's or a team's."""

    case_id: str
    user_id: str | None
    team_id: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Snooze:
    """Until when a case is out of the way, and why."""

    case_id: str
    kind: SnoozeKind
    until: datetime
    by: str
    #: Whether it sleeps; a reminder waits until its reply has left.
    asleep: bool
    #: When it came back by itself; None while it has not.
    woken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SavedView:
    """A part of the queue under a name, for one team or for everybody."""

    id: str
    clinic: str
    name: str
    team_id: str | None = None
    #: Empty means any.
    routes: frozenset[Route] = frozenset()
    lanes: frozenset[Lane] = frozenset()
    assigned: Assigned = Assigned.ANYBODY


@dataclass(frozen=True, slots=True)
class Ask:
    """A writer waits for somebody to approve the saved words."""

    case_id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FirstYes:
    """The first of two approvals of the saved words."""

    approver: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a case in the queue."""

    assignment: Assignment | None = None
    snooze: Snooze | None = None


#: A case that is nobody's and awake.
ALONE = Beside()


@dataclass(frozen=True, slots=True)
class Together:
    """What colleagues know of one case."""

    notes: tuple[Note, ...]
    beside: Beside
    #: Ids of the others who have the page open.
    here: tuple[str, ...] = ()
    ask: Ask | None = None
    #: Whether two people must approve, and the first yes to the words as they are saved now.
    needs_two: bool = False
    first: FirstYes | None = None
