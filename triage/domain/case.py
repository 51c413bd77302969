"""What a person works on."""

from dataclasses import dataclass
from datetime import datetime

from triage.domain.text import NOTHING, Protected
from triage.domain.words import CaseState, Channel, Lane, Mark, Route, Urgency


@dataclass(frozen=True, slots=True)
class Request:
    """One thing a message asks for; a case cannot close while one is open."""

    id: str
    route: Route
    urgency: Urgency
    done: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What a person works on: one or more messages, their requests, one patient or none yet."""

    id: str
    clinic: str
    state: CaseState
    lane: Lane
    route: Route
    also: frozenset[Route]
    urgency: Urgency
    score: int
    confidence: float
    abstained: bool
    marks: frozenset[Mark]
    patient_id: str | None
    contact_id: str | None
    channel: Channel
    opened_at: datetime
    last_message_at: datetime
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    outcome: str | None = None
    requests: tuple[Request, ...] = ()
    #: When somebody should have answered.
    due_at: datetime | None = None
    #: Since when somebody has to act on an urgent case, and who did what; None while nobody has.
    urgent_since: datetime | None = None
    acted_at: datetime | None = None
    acted_by: str | None = None
    acted_how: str | None = None
    acted_to: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said the right route and urgency are; retraining reads these."""

    id: str
    clinic: str
    case_id: str
    model: str
    shown_route: Route
    shown_also: frozenset[Route]
    shown_urgency: Urgency
    route: Route
    also: frozenset[Route]
    urgency: Urgency
    by: str
    at: datetime
    #: Why, in the person's words; and `source`: reroute, hand_over, sample or console.
    why: Protected = NOTHING
    source: str = "reroute"
