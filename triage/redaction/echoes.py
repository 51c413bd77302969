"""Hides what was found once wherever else it stands in the same message.

Rule of the room: a word that is also an ordinary word is hidden again only where it is written
like a name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found
from triage.redaction.known import dictionary
from triage.redaction.table import word_list

_NAME_WORD = re.compile(r"[^\W\d_][\w'-]*")
#: Shorter pieces of a name say nothing.
_SHORTEST = 3
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
    return {
        # Who names a file writes as they please: capitals there say nothing.
        field: [*_names(text, names, capitals=field != "files"), *_copies(text, copies)]
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


def _copies(text: str, copies: Mapping[str, Type]) -> list[Found]:
    found = []
    low = text.casefold() if text.isascii() else text.lower()
    if len(low) != len(text):
        return []
    for surface, type in copies.items():
        if len(surface) < 4:
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", low):
            found.append(Found(match.start(), match.end(), type, 0.6, "echo"))
    return found
