"""Cuts text into the encoder's tokens, windows and sentences, and remembers where each lay.

Rule of the room: every token knows its place in the original text, in code points.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from triage.encoder import base

#: Longest input of the encoder, [CLS] and [SEP] included, and how far two windows overlap.
WINDOW = 256
OVERLAP = 48

#: Shapes of a word times what stands before it: see `_shape` and `_gap`.
SHAPES = 8 * 4
_CLS, _SEP = 101, 102

#: A sentence longer than this many words is cut: people who dictate set no full stops.
LONGEST_SENTENCE = 28

_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\s*\n+\s*")
_BREATH = re.compile(r",\s+|;\s+|\s+(?=(?:and|but|also|plus|so|because|y|pero|también)\s)", re.I)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Window:
    """One input of the encoder: at most WINDOW tokens, [CLS] and [SEP] included."""

    #: Which text it is cut from.
    text: int
    ids: tuple[int, ...]
    #: Word shape of each token, 0 to SHAPES - 1.
    shapes: tuple[int, ...]
    #: (start, end) of each token in the text; (0, 0) for [CLS] and [SEP].
    offsets: tuple[tuple[int, int], ...]
    #: Index of the first and one past the last token that this window answers for.
    keep: tuple[int, int]


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base.tokenizer()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def windows(texts: Sequence[str]) -> list[Window]:
    """Cut each text into one or more windows; a text without words gives one empty window."""
    encodings = _tokenizer().encode_batch(list(texts), add_special_tokens=False)
    cut: list[Window] = []
    for index, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
        shapes = _shapes(text, encoding)
        for start, stop, keep in _cuts(len(encoding.ids)):
            cut.append(
                Window(
                    text=index,
                    ids=(_CLS, *encoding.ids[start:stop], _SEP),
                    shapes=(0, *shapes[start:stop], 0),
                    offsets=((0, 0), *encoding.offsets[start:stop], (0, 0)),
                    keep=keep,
                )
            )
    return cut


def _cuts(length: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield (start, stop, keep) of windows over `length` tokens.

    In an overlap each window answers for the half that lies deeper inside it, so that every
    token is answered for exactly once and with context on both sides.
    """
    room, step = WINDOW - 2, WINDOW - 2 - OVERLAP
    starts = [0, *range(step, max(length - OVERLAP, 1), step)]
    for start in starts:
        stop = min(start + room, length)
        first = 1 if start == 0 else 1 + OVERLAP // 2
        last = stop - start + 1 if start == starts[-1] else 1 + step + OVERLAP // 2
        yield start, stop, (first, last)


def _shapes(text: str, encoding: Any) -> list[int]:
    """Return the shape of the whole word that each token belongs to."""
    shapes: list[int] = []
    previous_end = 0
    words: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        first, _ = words.get(word, (start, end))
        words[word] = (first, end)
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        first, last = words[word]
        shapes.append(_shape(text[first:last]) * 4 + _gap(text[previous_end:start], start))
        previous_end = end
    return shapes


def _shape(word: str) -> int:
    """Say what the tokenizer drops: lower 1, Title 2, UPPER 3, mIxed 4, digits 5, a1 6, mark 7."""
    if word.isdigit():
        return 5
    if not any(character.isalnum() for character in word):
        return 7
    if any(character.isdigit() for character in word):
        return 6
    if word.islower():
        return 1
    if word.istitle():
        return 2
    return 3 if word.isupper() else 4


def _gap(between: str, start: int) -> int:
    """Say what stands before a token: 0 nothing, 1 a space, 2 a new line, 3 an empty line."""
    if start == 0:
        return 3
    breaks = between.count("\n")
    if breaks:
        return 2 if breaks == 1 else 3
    return 1 if between else 0


def sentences(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence or line, trimmed; very long ones are cut at commas."""
    edges = [0, *(place for match in _END.finditer(text) for place in match.span()), len(text)]
    found: list[tuple[int, int]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if _WORD.search(text, start, end):
            found += _breaths(text, start, end)
    return found


def _breaths(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a sentence that is too long into pieces at commas and conjunctions."""
    if len(text[start:end].split()) <= LONGEST_SENTENCE:
        return [(start, end)]
    edges = [start, *(match.end() for match in _BREATH.finditer(text, start, end)), end]
    pieces: list[tuple[int, int]] = []
    for left, right in pairwise(edges):
        if pieces and len(text[pieces[-1][0] : right].split()) <= LONGEST_SENTENCE // 2:
            pieces[-1] = (pieces[-1][0], right)
        elif right > left:
            pieces.append((left, right))
    return [(left, left + len(text[left:right].rstrip())) for left, right in pieces]
