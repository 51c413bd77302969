"""Finds identifiers in pasted tables by the heads of their columns, and in JSON and XML by keys.

Rule of the room: a cell is hidden when its column may hold identifiers; where a row has lost or
gained cells it is read from both ends, and what either reading hides is hidden. Heads, and cells
of columns that `columns.yaml` calls readable, stay as they are.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found

_READABLE = "readable"
_SEPARATORS = ("\t", "|", ";", ",")
#: A head has this many columns we know at least, and they are this share of all.
_KNOWN, _SHARE = 2, 0.5
#: Longest head and longest cell, in characters.
_LONGEST_HEAD, _LONGEST_CELL = 32, 200
#: As sure as the head says it: no word list can take a find back.
_SURE = 1.0
#: A name has no more words than this.
_WORDS = 7
_RULE = re.compile(r"[\s|+:=_-]+")
#: Words of a sentence, which no head has.
_PROSE = re.compile(
    r"(?i:\b(?:my|your|our|his|her|their|the|is|are|was|were|i|it|he|she|we|you|mi|su)\b)|[.!?]$"
)
#: Cells that hold nothing: `n/a`, `none`, a dash.
_NOTHING = re.compile(r"(?i:n/?a|none|null|nil|unknown|unk|tbd|no|yes|y|n|true|false|\W*)")
_AGE = re.compile(r"(?:9\d|1[01]\d)(?!\d)")
_PAIR = re.compile(
    r'"(?P<key>[A-Za-z][\w .-]{0,30})"[ \t]{0,4}:[ \t]{0,4}\[?[ \t]{0,4}'
    r'(?P<value>"[^"\n]{0,200}"(?:[ ,]{1,3}"[^"\n:]{1,200}"(?!\s{0,4}:)){0,5}|-?[\d.]{1,30})'
    r"|<(?P<tag>[A-Za-z][\w.-]{0,30})(?: [^<>\n]{0,60})?>(?P<inner>[^<>\n]{1,200})</"
)

#: Head or key, folded, to what stands under it.
Heads = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its place without blanks and quotes, and the kinds its column may have."""

    start: int
    end: int
    kinds: tuple[str | None, ...]

    @property
    def readable(self) -> bool:
        """Whether nothing in it is an identifier."""
        return all(kind == _READABLE for kind in self.kinds)


class RowFinder:
    """Finds identifiers in tables with a row of heads, and in JSON and XML pairs."""

    name = "rows"
    context: tuple[str, ...] = ()
    types = tuple(Type)

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._heads = {fold_head(head): kind for kind, heads in columns.items() for head in heads}

    def find(self, text: str) -> list[Found]:
        """Return the cells that hold identifiers."""
        return [
            Found(*span, kind, _SURE, self.name)
            for cell in self.cells(text)
            for kind in _types(cell)
            for span in _hidden(text, cell, kind)
        ]

    def readable(self, text: str) -> list[tuple[int, int]]:
        """Return the places of heads and of cells that hold no identifier."""
        return [(cell.start, cell.end) for cell in self.cells(text) if cell.readable]

    def cells(self, text: str) -> Iterator[Cell]:
        """Yield heads and cells of every table, and keys and values of every pair."""
        yield from self._tables(text)
        if '":' in text or '" :' in text or "</" in text:
            yield from self._pairs(text)

    def _tables(self, text: str) -> Iterator[Cell]:
        kinds: list[str | None] = []
        separator = ""
        for start, line in _lines(text):
            if separator and _fits(line.count(separator) + 1, len(kinds)):
                spans = split(line, separator, start)
                again = self._head(text, spans)
                kinds = again or kinds
                yield from _row(spans, [_READABLE] * len(spans) if again else kinds)
            elif not (separator and _RULE.fullmatch(line)):
                separator, kinds = self._opens(text, start, line)
                if separator:
                    spans = split(line, separator, start)
                    yield from _row(spans, [_READABLE] * len(spans))

    def _opens(self, text: str, start: int, line: str) -> tuple[str, list[str | None]]:
        """Return the separator and the kinds of the columns where a line is a head."""
        for separator in _SEPARATORS:
            if line.count(separator) >= 2:
                kinds = self._head(text, split(line, separator, start))
                if kinds:
                    return separator, kinds
        return "", []

    def _head(self, text: str, spans: Sequence[tuple[int, int]]) -> list[str | None]:
        """Return the kinds of the columns, or nothing where a row is not one of heads."""
        words = [text[low:high] for low, high in spans]
        if any(len(word) > _LONGEST_HEAD or _PROSE.search(word) for word in words):
            return []
        kinds = [self._kind(word) for word in words]
        known = sum(kind is not None for kind in kinds)
        telling = sum(kind not in (None, _READABLE) for kind in kinds)
        full = sum(bool(word) for word in words)
        if telling < 1 or known < _KNOWN or full < 3 or known < _SHARE * full:
            return []
        return kinds

    def _kind(self, head: str) -> str | None:
        words = fold_head(head).split()
        for first in range(len(words)):
            kind = self._heads.get(" ".join(words[first:]))
            if kind:
                return kind
        return None

    def _pairs(self, text: str) -> Iterator[Cell]:
        for match in _PAIR.finditer(text):
            key, value = ("key", "value") if match["key"] else ("tag", "inner")
            kind = self._kind(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", match[key]))
            yield Cell(*match.span(key), (_READABLE,))
            if kind:
                start, end = match.span(value)
                quoted = text[start] == '"'
                yield Cell(start + quoted, end - quoted, (kind,))


def fold_head(head: str) -> str:
    """Return a head in small letters without accents, `_` and `#` as spaces and words."""
    plain = unicodedata.normalize("NFD", head.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"#|\bnum(?:ber)?\b", " no ", plain)
    return " ".join(re.findall(r"[^\W_]+", plain))


def split(line: str, separator: str, offset: int) -> list[tuple[int, int]]:
    """Return the places of a line's cells without quotes and blanks; quotes keep a separator."""
    spans: list[tuple[int, int]] = []
    start, quoted = 0, False
    for place, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == separator and not quoted:
            spans.append((start, place))
            start = place + 1
    spans.append((start, len(line)))
    bare = [_bare(line, low, high) for low, high in spans]
    # Lines of a drawn table begin and end with a separator.
    if separator == "|":
        bare = bare[bare[0][0] == bare[0][1] : len(bare) - (bare[-1][0] == bare[-1][1])]
    return [(low + offset, high + offset) for low, high in bare]


def _fits(cells: int, columns: int) -> bool:
    """Whether a line has about as many cells as the table has columns."""
    return columns <= 2 * cells - 1 and cells <= columns + 2


def _bare(line: str, low: int, high: int) -> tuple[int, int]:
    while low < high and line[low] in ' "\t>':
        low += 1
    while low < high and line[high - 1] in ' "\t\r':
        high -= 1
    return low, high


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _row(spans: Sequence[tuple[int, int]], kinds: Sequence[str | None]) -> Iterator[Cell]:
    """Yield the cells of one row, read from both ends where it has another length."""
    shift = len(kinds) - len(spans)
    for at, (start, end) in enumerate(spans):
        ends = (at, at + shift) if shift else (at,)
        may = tuple(kinds[place] if 0 <= place < len(kinds) else None for place in ends)
        if start < end and end - start <= _LONGEST_CELL:
            yield Cell(start, end, may)


def _types(cell: Cell) -> Iterator[Type]:
    for kind in dict.fromkeys(cell.kinds):
        if kind is not None and kind != _READABLE:
            yield Type(kind)


_DIGITS = re.compile(r"\d")
_DAY = re.compile(
    r"\d{1,4}[/.-]\d{1,2}(?:[/.-]\d{2,4})?|\d{6,8}|\d.{0,12}[^\W\d_]{3}|[^\W\d_]{3}.{0,12}\d"
)
_LETTER = re.compile(r"[^\W\d_]")
_NAMES = frozenset({Type.NAME, Type.ORG})


def _hidden(text: str, cell: Cell, kind: Type) -> Iterator[tuple[int, int]]:
    """Yield what of a cell is hidden: all of it where it looks like what its head says."""
    value = text[cell.start : cell.end]
    if _NOTHING.fullmatch(value):
        return
    if kind is Type.AGE:
        match = _AGE.match(value)
        if match:
            yield cell.start + match.start(), cell.start + match.end()
    elif kind is Type.DATE:
        match = _DAY.match(value)
        if match:
            # A time of day may follow.
            day = re.match(r"[^ T]{6,10}(?=[ T]\d)", value)
            yield cell.start, cell.start + day.end() if day else cell.end
    elif kind in _NAMES:
        if _LETTER.search(value) and value.count(" ") < _WORDS:
            yield cell.start, cell.end
    elif kind is Type.ADDRESS or kind in (Type.EMAIL, Type.URL, Type.IP):
        if kind is Type.ADDRESS or len(value) > 4:
            yield cell.start, cell.end
    elif _DIGITS.search(value):
        yield cell.start, cell.end
