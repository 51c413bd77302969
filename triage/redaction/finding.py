"""What a recogniser is: it reads plain text and says where an identifier stands.

Rule of the room: a recogniser that runs out of time or cannot decide raises; nobody guesses that
there was nothing. To add one: a row in `recognizers.yaml`, or a class with `find` in `FINDERS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Protocol

# Its time-out is the reason to prefer it to `re`.
import regex  # type: ignore[import-untyped]  # It has no type information.

from triage.domain import IdentifierType
from triage.redaction.signs import NOTHING, Needs

#: Longest a pattern may search one window, in seconds (safety-bar 38).
PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier in a plain text; offsets count its characters, end exclusive."""

    start: int
    end: int
    type: IdentifierType
    score: float
    found_by: str = ""


class Finder(Protocol):
    """Finds identifiers in plain text."""

    @property
    def name(self) -> str:
        """What `found_by` says."""
        ...

    @property
    def types(self) -> tuple[IdentifierType, ...]:
        """The types it can find."""
        ...

    @property
    def context(self) -> tuple[str, ...]:
        """Words near a find that raise its score; empty when the score needs no help."""
        ...

    def find(self, text: str) -> list[Found]:
        """Return everything found in one window of plain text; raise TimeoutError when late."""
        ...


@dataclass(frozen=True, slots=True)
class PatternFinder:
    """Finds what its patterns match: group `x` where a pattern has one, else the whole match."""

    name: str
    type: IdentifierType
    patterns: tuple["Pattern", ...]
    score: float
    check: Callable[[str], bool] | None = None
    context: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[IdentifierType, ...]:
        """Return the one type this row finds."""
        return (self.type,)

    def find(self, text: str) -> list[Found]:
        """Return the matches that pass the check."""
        return [
            Found(start, end, self.type, self.score, self.name)
            for pattern in self.patterns
            for start, end in pattern.spans(text)
            if self.check is None or self.check(text[start:end])
        ]


class Pattern:
    """A regular expression that stops after `PATIENCE` seconds.

    A text that does not meet its `needs` is not searched: it cannot match there. It is compiled for
    the first text that does, because most messages need few of the patterns.
    """

    def __init__(self, expression: str, *, case: bool = False, needs: Needs = NOTHING) -> None:
        self.expression = expression
        self._flags = regex.MULTILINE | (0 if case else regex.IGNORECASE)
        self.needs = needs

    def compile(self) -> None:
        """Compile it now; raise regex.error for an expression that is none."""
        _ = self._compiled

    @cached_property
    def _compiled(self) -> "regex.Pattern[str]":
        return regex.compile(self.expression, self._flags)

    @cached_property
    def _group(self) -> str | int:
        return "x" if "x" in self._compiled.groupindex else 0

    def matches(self, text: str, start: int = 0) -> Iterator["regex.Match[str]"]:
        """Yield matches from `start` on; raise TimeoutError after `PATIENCE` seconds in all."""
        compiled = self._compiled
        late = monotonic() + PATIENCE
        for match in compiled.finditer(text, start, timeout=PATIENCE):
            if monotonic() > late:
                raise TimeoutError
            yield match

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans to hide, never an empty one."""
        if not self.needs.met(text):
            return
        for match in self.matches(text):
            start, end = match.span(self._group)
            if start < end:
                yield start, end


def words_of(rows: Sequence[str]) -> str:
    """Return one alternation of `rows`, longest first, each row a piece of pattern."""
    return "|".join(sorted(rows, key=len, reverse=True))
