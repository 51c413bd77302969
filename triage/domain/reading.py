"""What the path makes of a message before a person sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from triage.domain.message import Message, RawMessage
from triage.domain.text import Protected
from triage.domain.words import Channel, IdentifierType, Lane, Mark, Route, Urgency


@dataclass(frozen=True, slots=True)
class Span:
    """One identifier found; offsets count code points of its field, end exclusive."""

    field: str
    start: int
    end: int
    type: IdentifierType
    found_by: str
    score: float


@dataclass(frozen=True, slots=True)
class Redaction:
    """What one placeholder stands for."""

    placeholder: str
    type: IdentifierType
    original: Protected


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text a model may read. Only a Redactor makes one (tests/test_house.py holds that)."""

    subject: str
    body: str
    spans: tuple[Span, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    #: Fields whose text was withheld because a recogniser failed; they are empty here.
    withheld: frozenset[str] = frozenset()
    redactor: str = ""
    #: The names of the attachments, one a line.
    files: str = ""
    #: The channel the message came by; it tells nobody who wrote.
    channel: Channel = Channel.EMAIL


@dataclass(frozen=True, slots=True)
class Flag:
    """A red-flag rule that fired on the original text."""

    rule: str
    urgency: Urgency
    #: The words that set it off.
    quote: Protected
    #: What the rule watches for, in words a secretary reads.
    because: str
    #: Too little to call a person where a model reads the message, too; it raises where none does.
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Classification:
    """What the classifier says of one redacted message."""

    route: Route
    also: frozenset[Route]
    urgency: Urgency
    #: Calibrated probability that `route` is right, 0 to 1.
    confidence: float
    #: True when a person must sort; `route` is then only the best guess.
    abstained: bool
    model: str
    scores: Mapping[Route, float] = field(default_factory=dict)
    #: Redacted sentences that decided it, most telling first.
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Priority:
    """Where a message stands in the queue and why."""

    route: Route
    also: frozenset[Route]
    urgency: Urgency
    #: 0 to 100; higher is read first. Emergencies are at least 90, today at least 70.
    score: int
    lane: Lane
    because: tuple[str, ...]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Words a drafter proposes; placeholders still in place, nobody has seen it."""

    subject: str
    body: str
    template: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the path made of one raw message; what the store files as a case."""

    raw: RawMessage
    message: Message
    redacted: Redacted
    classification: Classification
    priority: Priority
    suggestion: Suggestion | None
    marks: frozenset[Mark]
    #: What the leak meter still found in the redacted text, by type; None when it did not look.
    leaks: Mapping[IdentifierType, int] | None = None
