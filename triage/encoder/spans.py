"""Turns token probabilities into spans of text, and spans into token labels.

Rule of the room: a word is marked as a whole or not at all, since half a name is still a name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.encoder.texts import TaggedSpan
from triage.encoder.tokens import Window

Floats = NDArray[np.float32]


def label_count(types: Sequence[str]) -> int:
    """Return the size of the tagger's head: outside, and begin and inside of each type."""
    return 1 + 2 * len(types)


def targets(
    window: Window, spans: Sequence[tuple[int, int, str]], types: Sequence[str]
) -> list[int]:
    """Return the label of each token: 0 outside, 1 + 2k begin and 2 + 2k inside of type k."""
    labels = [0] * len(window.ids)
    for start, end, kind in spans:
        begin = 1 + 2 * types.index(kind)
        for place, (left, right) in enumerate(window.offsets):
            if right > left and left < end and right > start:
                labels[place] = begin if left <= start else begin + 1
    return labels


@dataclass(frozen=True, slots=True)
class _Word:
    """One run of letters and digits, or one mark, with its label probabilities."""

    start: int
    end: int
    #: Mean over the word's tokens, and those of its first token, which alone can begin a span.
    mean: Floats
    first: Floats


def decode(
    text: str,
    tokens: Sequence[tuple[int, int, Floats]],
    types: Sequence[str],
    *,
    threshold: float,
) -> list[TaggedSpan]:
    """Return the spans of one text from (start, end, label probabilities) of its tokens, sorted.

    A word is marked when the probability of any type reaches `threshold`; neighbours of one type
    join unless a new span begins after a space.
    """
    found: list[TaggedSpan] = []
    sizes: list[int] = []
    for word in _words(text, tokens, threshold):
        kinds = word.mean[1::2] + word.mean[2::2]
        kind = int(kinds.argmax())
        begins = float(word.first[1 + 2 * kind]) > float(word.first[2 + 2 * kind])
        span = TaggedSpan(word.start, word.end, types[kind], 1.0 - float(word.mean[0]))
        if found and _joins(text, found[-1], span, begins=begins):
            found[-1] = _join(found[-1], span, sizes[-1])
            sizes[-1] += 1
        else:
            found.append(span)
            sizes.append(1)
    return found


def _words(
    text: str, tokens: Sequence[tuple[int, int, Floats]], threshold: float
) -> Iterator[_Word]:
    """Group tokens that touch and are letters or digits into words; yield the marked ones."""
    if not tokens:
        return
    firsts: list[int] = []
    previous = (-1, False)
    for place, (start, end, _) in enumerate(tokens):
        alnum = text[start:end].isalnum()
        if not (previous == (start, True) and alnum):
            firsts.append(place)
        previous = (end, alnum)
    rows = np.stack([row for _, _, row in tokens])
    counts = np.diff([*firsts, len(tokens)]).astype(np.float32)
    # All words at once: most are marked by nobody, and one by one they took a tenth of the time.
    means = np.add.reduceat(rows, firsts, axis=0) / counts[:, None]
    for word in np.flatnonzero(1.0 - means[:, 0].astype(np.float64) >= threshold):
        first = firsts[word]
        last = int(counts[word]) + first - 1
        yield _Word(tokens[first][0], tokens[last][1], means[word], rows[first])


def _joins(text: str, last: TaggedSpan, span: TaggedSpan, *, begins: bool) -> bool:
    between = text[last.end : span.start]
    if last.type != span.type or len(between.strip()) > 0:
        return False
    return between == "" or (not begins and "\n\n" not in between)


def _join(last: TaggedSpan, span: TaggedSpan, size: int) -> TaggedSpan:
    score = (last.score * size + span.score) / (size + 1)
    return TaggedSpan(last.start, span.end, last.type, score)


def hidden(text: str, spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return for each code point whether a span covers it."""
    cover = np.zeros(len(text), dtype=bool)
    for start, end in spans:
        cover[start:end] = True
    return cover
