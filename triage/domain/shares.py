"""A share of what was counted, with the exact interval around it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, lgamma, log, log1p


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`; `of` may be 0, then nothing is claimed.

    The interval is Clopper and Pearson's, not Wilson's: nearly every share here is close to 1 and
    made of few, where Wilson's covers the truth less often than it says. Figures that a clinic
    trusts should err on the other side.
    """

    hits: int
    of: int

    @classmethod
    def among(cls, flags: Iterable[bool]) -> "Share":
        """Count how many of the flags are up."""
        raised = list(flags)
        return cls(sum(raised), len(raised))

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 when there was nothing to count."""
        return self.hits / self.of if self.of else 0.0

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the exact two-sided interval (Clopper and Pearson, 1934)."""
        if self.of == 0:
            return 0.0, 1.0
        tail = (1 - confidence) / 2
        return 1 - _highest(self.of - self.hits, self.of, tail), _highest(self.hits, self.of, tail)

    def __str__(self) -> str:
        if self.of == 0:
            return "none to count"
        low, high = self.interval()
        return f"{self.hits}/{self.of} = {self.value:.1%} ({low:.1%} to {high:.1%})"


def _highest(hits: int, of: int, tail: float) -> float:
    """Return the chance at which as few as `hits` of `of` happen in `tail` of all trials."""
    if hits == of:
        return 1.0
    low, high = hits / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, of, middle) > tail:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, of: int, chance: float) -> float:
    """Return how likely at most `hits` of `of` are; `chance` is above hits / of and below 1.

    There the terms of the sum only fall on the way down to none, so it stops early.
    """
    ways = lgamma(of + 1) - lgamma(hits + 1) - lgamma(of - hits + 1)
    term = exp(ways + hits * log(chance) + (of - hits) * log1p(-chance))
    total = term
    for count in range(hits, 0, -1):
        term *= count * (1 - chance) / ((of - count + 1) * chance)
        total += term
        if term <= total * 1e-16:
            break
    return total
