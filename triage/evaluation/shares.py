"""A share with the counts it was made of and its exact interval, and tables of text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`; `of` may be 0, then nothing is claimed."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 when there was nothing to count."""
        return self.hits / self.of if self.of else 0.0

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the exact two-sided interval (Clopper and Pearson, 1934)."""
        from scipy.stats import beta

        if self.of == 0:
            return 0.0, 1.0
        tail = (1 - confidence) / 2
        misses = self.of - self.hits
        low = beta.ppf(tail, self.hits, misses + 1) if self.hits else 0.0
        high = beta.ppf(1 - tail, self.hits + 1, misses) if misses else 1.0
        return float(low), float(high)

    def __str__(self) -> str:
        if self.of == 0:
            return "none to count"
        low, high = self.interval()
        return f"{self.hits}/{self.of} = {self.value:.1%} ({low:.1%} to {high:.1%})"


def share(flags: Sequence[bool]) -> Share:
    """Return how many of the flags are up."""
    return Share(sum(flags), len(flags))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table with aligned columns."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
