"""Hides what was found once wherever else it stands in the same message.

Rule of the room: a word that is also an ordinary word is hidden again only where it is written
like a name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from triage.domain import IdentifierType as Type
from triage.redaction.finding import Found

_NAME_WORD = re.compile(r"[^\W\d_][\w'-]*")
#: Shorter pieces of a name say nothing.
_SHORTEST = 3
#: Names that are words, and words that stand in names: hidden again only with a capital.
_WORDS = frozenset(
    """able amber angel april art august autumn baby bear bell bill bliss bob brook brown bush
    butler case chance chase christian church cook cross daisy dale day dean dell do don dawn
    destiny faith fay field fields finch fisher ford forest fox frank free gale gay gene gill glen
    golden good goodman grace grant gray green grove guy hall hand hardy harmony harry hart haven
    heath hill holly home hope house hunt hunter iris ivy jack jade jasmine jean jewel joy judge
    june justice kay king kit knight lake lance lane law lee lily long love low lucky major mark
    marsh mason may mercy mike miles mills moon moore more morning nick noble old olive page paris
    park parker patience paz pearl penny pepper pierce pope potter price prince rain randy ray red
    reed rich rivers rob robin rock rose rusty ruby sage salt sandy sky skip small soledad star
    stone storm street strong summer sue sun sunny swan tab temple tom trinity van victor violet
    wade ward waters way west white wild will winter wise wood woods word wren young luz sol mar
    rosa blanca dolores consuelo cruz flores reyes leal campos rios rey""".split()  # noqa: SIM905 -- a list of names reads better as text.
)
_PARTICLES = frozenset(
    "de la las los del da dos van von der den bin ibn al el le du di and y".split()  # noqa: SIM905
)
#: What a name is written with only when it is a title, an ending or a rank.
_TITLES = frozenset("dr mr mrs ms md do rn np pa esq jr sr phd mom dad aunt uncle doctor".split())  # noqa: SIM905
_COPIED = frozenset({Type.ADDRESS, Type.ORG})


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
            surface = fields[field][find.start : find.end]
            if find.type is Type.NAME:
                names |= dict(_pieces(surface, quiet=quiet))
            elif find.type in _COPIED or sum(map(str.isdigit, surface)) >= 4:
                copies[surface.casefold()] = find.type
    return {field: [*_names(text, names), *_copies(text, copies)] for field, text in fields.items()}


def _quiet(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(map(str.isupper, letters)) <= 0.012 * len(letters)


def _pieces(surface: str, *, quiet: bool) -> Iterable[tuple[str, bool]]:
    """Yield the words of a name and whether each must be capitalised to be one."""
    for piece in _NAME_WORD.findall(surface):
        word = re.sub(r"'s$", "", piece)
        low = word.casefold()
        if len(low) >= _SHORTEST and low not in _PARTICLES and low not in _TITLES:
            always = (quiet or word == low) and low not in _WORDS and len(low) > _SHORTEST
            yield low, not always


def _names(text: str, names: Mapping[str, bool]) -> list[Found]:
    found = []
    for match in _NAME_WORD.finditer(text):
        word = re.sub(r"'s$", "", match[0])
        capital = names.get(word.casefold())
        if capital is None or (capital and not word[0].isupper()):
            continue
        found.append(Found(match.start(), match.start() + len(word), Type.NAME, 0.6, "echo"))
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
