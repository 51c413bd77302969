"""Hides what was found once wherever else it stands in the same message.

Rule of the room: a word that is also an ordinary word is hidden again only where it is written
like a name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found
from triage.redaction.known import dictionary
from triage.redaction.table import word_list

_NAME_WORD = re.compile(r"[^\W\d_][\w'-]*")
#: A word, or one sign that is no part of a word.
_TOKEN = re.compile(r"\w+|\W")
#: Shorter pieces of a name say nothing, and neither do shorter numbers and places.
_SHORTEST, _SHORTEST_COPY = 3, 4
#: What has more words and signs is looked for by itself: a text has room for few such.
_LONGEST = 64
_COPIED = frozenset({Type.ADDRESS, Type.ORG})
#: A doubtful find is hidden where it stands and not looked for elsewhere.
_SURE = 0.5
#: Parts of a name that are never hidden for their own sake.
_ALONE_NOTHING = ("particles", "titles")


def echoes(
    fields: Mapping[str, str], found: Mapping[str, Sequence[Found]]
) -> dict[str, list[Found]]:
    """Return, per field, further places of everything found in any of the fields."""
    # Who writes without capitals writes names without them too.
    quiet = _quiet(" ".join(fields.values()))
    names: dict[str, bool] = {}
    copies: dict[str, Type] = {}
    for field, finds in found.items():
        for find in finds:
            if find.score < _SURE or find.type is Type.DATE:
                continue
            surface = fields[field][find.start : find.end]
            if find.type is Type.NAME:
                names |= dict(_pieces(surface, quiet=quiet))
            elif find.type in _COPIED or sum(map(str.isdigit, surface)) >= 4:
                copies[surface.casefold()] = find.type
    again = _Copies(copies)
    return {
        # Who names a file writes as they please: capitals there say nothing.
        field: [*_names(text, names, capitals=field != "files"), *again.find(text)]
        for field, text in fields.items()
    }


def _quiet(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(map(str.isupper, letters)) <= 0.012 * len(letters)


def _pieces(surface: str, *, quiet: bool) -> Iterable[tuple[str, bool]]:
    """Yield the words of a name and whether each must be capitalised to be one."""
    lists = word_list("readable.yaml")
    nothing = {word for section in _ALONE_NOTHING for word in lists[section]}
    for piece in _NAME_WORD.findall(surface):
        word = re.sub(r"'s$", "", piece)
        low = word.casefold()
        if len(low) >= _SHORTEST and low not in nothing:
            always = (
                (quiet or word == low)
                and low not in lists["words_and_names"]
                and low not in dictionary()
                and len(low) > _SHORTEST
            )
            yield low, not always


def _names(text: str, names: Mapping[str, bool], *, capitals: bool) -> list[Found]:
    found: list[Found] = []
    for match in _NAME_WORD.finditer(text):
        word = re.sub(r"'s$", "", match[0])
        capital = names.get(word.casefold())
        if capital is None or (capital and capitals and not word[0].isupper()):
            continue
        end = match.start() + len(word)
        if found and text[found[-1].end : match.start()] == " ":
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Found(match.start(), end, Type.NAME, 0.6, "echo"))
    return found


class _Copies:
    """Finds what was found wherever else it stands by itself, in one pass over a text."""

    def __init__(self, copies: Mapping[str, Type]) -> None:
        self._types = copies
        #: Words and signs of all surfaces as a tree; under "" stands the surface that ends there.
        self._tree: dict[str, Any] = {}
        self._long: list[str] = []
        for surface in copies:
            if len(surface) < _SHORTEST_COPY:
                continue
            pieces = _TOKEN.findall(surface)
            if len(pieces) > _LONGEST:
                self._long.append(surface)
            else:
                branch = self._tree
                for piece in pieces:
                    branch = branch.setdefault(piece, {})
                branch[""] = surface

    def find(self, text: str) -> list[Found]:
        """Return the places of all surfaces in `text`; those of one surface do not overlap."""
        low = text.casefold() if text.isascii() else text.lower()
        if len(low) != len(text) or not self._types:
            return []
        places = [*self._short_ones(low), *self._long_ones(low)]
        return [
            Found(start, start + len(surface), self._types[surface], 0.6, "echo")
            for start, surface in places
        ]

    def _short_ones(self, low: str) -> Iterator[tuple[int, str]]:
        tokens = list(_TOKEN.finditer(low))
        words = [_is_word(token[0][0]) for token in tokens]
        ends: dict[str, int] = {}
        for first, token in enumerate(tokens):
            # What begins with a sign does not begin right after a word.
            branch = None if first and words[first - 1] else self._tree.get(token[0])
            last = first
            while branch is not None:
                surface, last = branch.get(""), last + 1
                by_itself = last == len(tokens) or not words[last]
                if surface and by_itself and token.start() >= ends.get(surface, 0):
                    ends[surface] = token.start() + len(surface)
                    yield token.start(), surface
                branch = branch.get(tokens[last][0]) if last < len(tokens) else None

    def _long_ones(self, low: str) -> Iterator[tuple[int, str]]:
        for surface in self._long:
            start = low.find(surface)
            while start >= 0:
                end = start + len(surface)
                by_itself = not (_is_word(low[start - 1 : start]) or _is_word(low[end : end + 1]))
                if by_itself:
                    yield start, surface
                start = low.find(surface, end if by_itself else start + 1)


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"
