"""Measures a redactor on labelled messages: what was hidden, and what else was.

Rule of the room: an identifier counts as hidden only when every letter and digit of it is; the
interval beside a share is Wilson's at 95 %.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from triage.domain import Channel, IdentifierType, Message, Protected, Redacted
from triage.errors import BadRow
from triage.redaction import Redactor

_WORD = re.compile(r"\w+(?:['-]\w+)*")
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message with the identifiers a person marked in it."""

    id: str
    channel: Channel
    subject: str
    body: str
    #: (field, start, end, type); offsets count code points, end exclusive.
    phi: tuple[tuple[str, int, int, IdentifierType], ...]

    @property
    def message(self) -> Message:
        """The message as a redactor gets it."""
        nobody = Protected("")
        subject, body = Protected(self.subject), Protected(self.body)
        return Message(self.id, self.channel, nobody, nobody, subject, body)


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, with its 95 % interval."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """The share itself; 1 when there was nothing."""
        return self.hits / self.of if self.of else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval."""
        if not self.of:
            return 0.0, 1.0
        square = _Z * _Z / self.of
        middle = (self.share + square / 2) / (1 + square)
        half = _Z * sqrt(self.share * (1 - self.share) / self.of + square / self.of / 4)
        half /= 1 + square
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} ({self.hits}/{self.of}; {low:.1%} to {high:.1%})"


@dataclass(frozen=True, slots=True)
class Score:
    """How well identifiers were hidden."""

    #: Type -> identifiers of which every letter and digit is hidden.
    hidden: Mapping[str, Share]
    #: The same over all types.
    all: Share
    #: Of the hidden ones, how many under their own type.
    typed: Share
    #: Words that are no identifier and are hidden all the same.
    others: Share
    withheld: int
    messages: int

    def flat(self) -> dict[str, float]:
        """Return the numbers as metrics.json keeps them."""
        numbers: dict[str, float] = {
            "recall": self.all.share,
            "typed": self.typed.share,
            "other_words_hidden": self.others.share,
            "messages": float(self.messages),
            "withheld": float(self.withheld),
        }
        for type, share in self.hidden.items():
            low, high = share.interval
            numbers |= {f"recall_{type}": share.share, f"recall_{type}_low": low}
            numbers |= {f"recall_{type}_high": high, f"count_{type}": float(share.of)}
        return numbers


def read_messages(path: Path) -> list[Labelled]:
    """Read labelled messages, one JSON object a line; raise BadRow with file and line."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                rows.append(_labelled(json.loads(line)))
            except (ValueError, KeyError, TypeError) as trouble:
                raise BadRow(f"{path.name} line {number}") from trouble
    return rows


def _labelled(row: Mapping[str, object]) -> Labelled:
    phi = row.get("phi") or []
    if not isinstance(phi, list):
        raise TypeError
    return Labelled(
        id=str(row["id"]),
        channel=Channel(str(row.get("channel", "email"))),
        subject=str(row.get("subject") or ""),
        body=str(row.get("body") or ""),
        phi=tuple(
            (str(one["field"]), int(one["start"]), int(one["end"]), IdentifierType(one["type"]))
            for one in phi
        ),
    )


def score(redactor: Redactor, messages: Sequence[Labelled], *, batch: int = 16) -> Score:
    """Redact `messages` and compare."""
    done: list[Redacted] = []
    for low in range(0, len(messages), batch):
        done += redactor.redact([each.message for each in messages[low : low + batch]])
    return compare(messages, done)


def compare(messages: Sequence[Labelled], done: Sequence[Redacted]) -> Score:
    """Compare what was hidden with what should have been; a withheld field hides everything."""
    hits: dict[str, list[bool]] = {}
    typed: list[bool] = []
    others: list[bool] = []
    for message, redacted in zip(messages, done, strict=True):
        for field, text in (("subject", message.subject), ("body", message.body)):
            covered = hidden_types(redacted, field, len(text))
            gold = [(start, end, type) for at, start, end, type in message.phi if at == field]
            for start, end, type in gold:
                letters = [covered[at] for at in range(start, end) if text[at].isalnum()]
                hits.setdefault(type, []).append(all(letters))
                if all(letters):
                    typed.append(bool(letters) and letters[0] in (type, "withheld"))
            others += _others(text, covered, gold)
    return Score(
        hidden={type: Share(sum(rows), len(rows)) for type, rows in sorted(hits.items())},
        all=Share(sum(map(sum, hits.values())), sum(map(len, hits.values()))),
        typed=Share(sum(typed), len(typed)),
        others=Share(sum(others), len(others)),
        withheld=sum(len(redacted.withheld) for redacted in done),
        messages=len(messages),
    )


def hidden_types(redacted: Redacted, field: str, length: int) -> list[str]:
    """Return for each code point of a field the type it is hidden under, or an empty string."""
    covered = ["withheld" if field in redacted.withheld else ""] * length
    for span in redacted.spans:
        if span.field == field:
            covered[span.start : span.end] = [str(span.type)] * (span.end - span.start)
    return covered


def _others(
    text: str, covered: Sequence[str], gold: Iterable[tuple[int, int, IdentifierType]]
) -> list[bool]:
    """Return for each word outside every identifier whether any of it is hidden."""
    marked = [False] * len(text)
    for start, end, _ in gold:
        marked[start:end] = [True] * (end - start)
    words = ((match.start(), match.end()) for match in _WORD.finditer(text))
    return [any(covered[low:high]) for low, high in words if not any(marked[low:high])]
