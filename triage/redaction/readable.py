"""Words that stay readable: drugs, insurers, pharmacies, illnesses named after people.

Rule of the room: only what a cue or the tagger took for a name, place, employer or date can be
given back; a number never is.
"""

import re
from collections.abc import Sequence
from functools import cache

from triage.domain import IdentifierType
from triage.redaction.finding import Found
from triage.redaction.table import word_list

_GIVEN_BACK = frozenset({IdentifierType.NAME, IdentifierType.ORG, IdentifierType.ADDRESS})
_TITLE_BEFORE = re.compile(
    r"(?:\b(?:dr|doctor|mr|mrs|ms|miss|prof|nurse|dra|sra?|srta|doctora|señora?)\.? ?)$",
    re.IGNORECASE,
)
_LIST = re.compile(r"[,;/&+]| and | y | or ")
_EDGES = re.compile(r"^[^\w]+|[^\w]+$")


def unreadable(found: Sequence[Found], text: str) -> list[Found]:
    """Return what must be hidden: everything but words the tables keep readable."""
    return [find for find in found if not _stays(find, text)]


def _stays(find: Found, text: str) -> bool:
    if find.type not in _GIVEN_BACK or find.score >= 1.0:
        return False
    after = text[find.end : find.end + 24].casefold()
    titled = _TITLE_BEFORE.search(text[max(0, find.start - 12) : find.start]) is not None
    words = _LIST.split(text[find.start : find.end].casefold())
    return all(_known(_EDGES.sub("", word), after, titled=titled) for word in words)


def _known(surface: str, after: str, *, titled: bool) -> bool:
    if not surface or surface in _words("ordinary"):
        return True
    if titled:
        return False
    tables = ("insurers", "pharmacies", "drugs")
    if any(surface in _words(table) or _bare(surface) in _words(table) for table in tables):
        return True
    return _eponym(surface, after)


def _eponym(surface: str, after: str) -> bool:
    """Whether a surface is an illness or a test: by itself, with 's, or by the word after it."""
    bare = _bare(surface)
    words = bare.split()
    if len(words) > 1 and words[0] in _words("eponyms") and words[-1] in _words("after_eponym"):
        return True
    if bare not in _words("eponyms"):
        return False
    follows = re.match(r"(?:'s|s')?[ -]([a-zé]+)", after)
    if follows and follows[1] in _words("after_eponym"):
        return True
    return bare in _words("eponyms_alone")


def _bare(surface: str) -> str:
    return re.sub(r"(?:'s|s')$", "", surface)


@cache
def _words(section: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in word_list("readable.yaml")[section])
