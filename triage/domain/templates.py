"""A clinic's own words for replies: every version there ever was, and which of them serve."""

from dataclasses import dataclass
from datetime import datetime

from triage.domain.checks import Stated
from triage.domain.text import NOTHING, Protected
from triage.domain.words import Route


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """One version of the words for one route and language; it never changes."""

    id: str
    clinic: str
    route: Route
    language: str
    #: 1 for the first version of this route and language.
    number: int
    #: Slots in braces, no patient's data; kept from logs all the same, for somebody typed it.
    subject: Protected
    text: Protected
    author: str
    at: datetime

    @property
    def name(self) -> str:
        """What a suggestion made from it is called, such as `refill@3`."""
        return f"{self.route.value}@{self.number}"


@dataclass(frozen=True, slots=True)
class InService:
    """Somebody let a version serve, or took the clinic's own words out of service."""

    route: Route
    language: str
    #: Counts the changes of one route and language.
    number: int
    #: The version that serves from then on; None stands for the shipped words.
    version: int | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that keeps words from being saved, and how to mend it."""

    #: A whole sentence.
    says: str
    #: The words it is about, as they were typed.
    words: Protected = NOTHING


@dataclass(frozen=True, slots=True)
class Tried:
    """What a template would have said to one message of the past, placeholders in place."""

    case_id: str
    #: The redacted message.
    asked: Protected
    subject: Protected
    body: Protected
    facts: tuple[Stated, ...]
