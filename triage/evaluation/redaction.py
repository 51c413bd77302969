"""Counts how much of what identifies a person is hidden, and how much else is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.classifiers.dataset import Identifier, Row
from triage.domain import IdentifierType, Span
from triage.evaluation.shares import Share, table

#: These identify a person only together with others.
INDIRECT = frozenset({IdentifierType.DATE, IdentifierType.AGE, IdentifierType.ORG})


@dataclass(frozen=True, slots=True)
class RedactionReport:
    """The numbers of one redactor on one set of messages."""

    messages: int
    #: Identifiers whose every letter and digit is hidden, whatever type they were taken for.
    recall: Mapping[IdentifierType, Share]
    #: The same over the direct identifiers: all but DATE, AGE and ORG.
    direct: Share
    #: Hidden identifiers that were given the right type.
    typed: Share
    #: Words outside every identifier that were hidden although the desk needs them.
    other_words_hidden: Share
    #: Messages in which every identifier is hidden.
    clean_messages: Share

    def text(self) -> str:
        """Return the numbers as Markdown."""
        rows = [[kind.value, found] for kind, found in self.recall.items()]
        rows += [
            ["all direct identifiers", self.direct],
            ["right type among the hidden", self.typed],
            ["messages with every identifier hidden", self.clean_messages],
            ["other words hidden (fewer is better)", self.other_words_hidden],
        ]
        return table(["hidden", "share (exact 95 % interval)"], rows)

    def flat(self, prefix: str) -> dict[str, float]:
        """Return the main numbers under names that start with `prefix`, for metrics.json."""
        numbers = {
            "messages": float(self.messages),
            "direct_recall": self.direct.value,
            "direct_recall_low": self.direct.interval()[0],
            "other_words_hidden": self.other_words_hidden.value,
            "clean_messages": self.clean_messages.value,
        }
        numbers |= {f"recall_{kind.value}": found.value for kind, found in self.recall.items()}
        return {f"{prefix}_{name}": round(value, 4) for name, value in numbers.items()}


def evaluate_redaction(rows: Sequence[Row], spans: Sequence[Sequence[Span]]) -> RedactionReport:
    """Count; `spans` are what was hidden in each row, same order and length (else ValueError)."""
    counts = {kind: [0, 0] for kind in IdentifierType}
    typed, words, clean = [0, 0], [0, 0], 0
    for row, found in zip(rows, spans, strict=True):
        hidden = [(each, _is_hidden(row, each, found)) for each in row.phi]
        for each, is_hidden in hidden:
            counts[each.type][0] += is_hidden
            counts[each.type][1] += 1
            typed[0] += is_hidden and _is_typed(each, found)
            typed[1] += is_hidden
        clean += all(is_hidden for _, is_hidden in hidden)
        for field in ("subject", "body"):
            lost, of = _other_words(row, field, found)
            words[0] += lost
            words[1] += of
    direct = [counts[kind] for kind in IdentifierType if kind not in INDIRECT]
    return RedactionReport(
        messages=len(rows),
        recall={kind: Share(*pair) for kind, pair in counts.items() if pair[1]},
        direct=Share(sum(pair[0] for pair in direct), sum(pair[1] for pair in direct)),
        typed=Share(*typed),
        other_words_hidden=Share(*words),
        clean_messages=Share(clean, len(rows)),
    )


def _cover(row: Row, field: str, found: Sequence[Span]) -> list[bool]:
    cover = [False] * len(row.text_of(field))
    for span in found:
        if span.field == field:
            cover[span.start : span.end] = [True] * (min(span.end, len(cover)) - span.start)
    return cover


def _is_hidden(row: Row, each: Identifier, found: Sequence[Span]) -> bool:
    """Whether every letter and digit of the identifier is covered."""
    text, cover = row.text_of(each.field), _cover(row, each.field, found)
    places = range(each.start, each.end)
    return all(cover[place] for place in places if text[place].isalnum())


def _is_typed(each: Identifier, found: Sequence[Span]) -> bool:
    return any(
        span.field == each.field
        and span.type is each.type
        and span.start < each.end
        and span.end > each.start
        for span in found
    )


def _other_words(row: Row, field: str, found: Sequence[Span]) -> tuple[int, int]:
    """Return how many words outside identifiers were touched, and how many there are."""
    text, cover = row.text_of(field), _cover(row, field, found)
    gold = [False] * len(text)
    for each in row.phi:
        if each.field == field:
            gold[each.start : each.end] = [True] * (each.end - each.start)
    lost = of = place = 0
    for word in text.split():
        start = text.index(word, place)
        place = start + len(word)
        letters = [at for at in range(start, place) if text[at].isalnum()]
        if letters and not any(gold[at] for at in letters):
            of += 1
            lost += any(cover[at] for at in letters)
    return lost, of
