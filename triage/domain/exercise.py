"""An invented message for new staff to practise on, what a trainer expects, and what was done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from triage.domain.reply import AuditEvent
from triage.domain.words import Channel, Route, Urgency


class Aspect(StrEnum):
    """What of an exercise a score sheet looks at."""

    SORTING = "sorting"
    URGENT = "urgent"
    WHOSE = "whose"
    TRAP = "trap"
    TOGETHER = "together"
    OUTCOME = "outcome"


class Result(StrEnum):
    """How one aspect went."""

    RIGHT = "right"
    MISSED = "missed"
    #: The trainee has not come so far.
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Sorting:
    """How a message is sorted: by the machine of the exercise, or as a trainer expects."""

    route: Route
    also: frozenset[Route] = frozenset()
    urgency: Urgency = Urgency.ROUTINE


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer a trainer expects."""

    sorting: Sorting
    #: With which of these the message may be closed.
    outcomes: frozenset[str]
    #: Why it matters, for the trainee to read.
    why: str
    #: Words that may stand in no reply, and whether any reply is a mistake.
    never_say: tuple[str, ...] = ()
    no_reply: bool = False
    #: Id of the patient it is to be linked to, where the machine cannot know.
    patient: str = ""
    #: Another exercise of the same patient, to be read before this one is answered.
    together: str = ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One invented message; nobody in it exists, so that its words are in the open."""

    id: str
    channel: Channel
    sender: str
    sender_name: str
    subject: str
    body: str
    sorted: Sorting
    expected: Expected
    #: A reply that a colleague began; a trap, where the expected answer says so.
    begun: str = ""
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """The exercises of a practice for training, and who practises there."""

    exercises: tuple[Exercise, ...]
    trainee: str


@dataclass(frozen=True, slots=True)
class Done:
    """What one trainee did with one exercise, as store and audit have it."""

    case_id: str
    sorting: Sorting
    patient: str
    #: None while the case is open.
    outcome: str | None
    #: How many replies were approved and not taken back.
    replies: int
    #: Which of the words that may not be said stand in one of them.
    said: tuple[str, ...]
    #: What the trainee did with it, oldest first.
    events: tuple[AuditEvent, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one aspect of one exercise went, in words for the trainee."""

    aspect: Aspect
    result: Result
    words: str


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One exercise on the score sheet."""

    exercise: Exercise
    case_id: str
    findings: tuple[Finding, ...]
    opened_at: datetime | None
    #: From opening it to its outcome; None while it has none.
    took: timedelta | None

    @property
    def missed(self) -> bool:
        """Whether anything of it was missed."""
        return any(one.result is Result.MISSED for one in self.findings)


@dataclass(frozen=True, slots=True)
class ScoreSheet:
    """What a trainee did with every exercise, for talking it over; no rank of anybody."""

    trainee: str
    at: datetime
    lines: tuple[ScoreLine, ...]
    counts: Mapping[Aspect, Mapping[Result, int]] = field(default_factory=dict)

    def number(self, result: Result) -> int:
        """Return how many findings ended so, over all aspects."""
        return sum(each.get(result, 0) for each in self.counts.values())
