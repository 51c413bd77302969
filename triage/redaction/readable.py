"""What stays readable: drugs, insurers, pharmacies, illnesses named after people, doubtful numbers.

Rule of the room: only what a cue or the tagger took for a name, place, employer or date can be
given back, and what the tagger alone took for a number when it was not sure.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from triage.domain import IdentifierType as Type
from triage.redaction.capitals import sober
from triage.redaction.claims import believable
from triage.redaction.finding import Found
from triage.redaction.table import codes, structures, word_list

#: What the tagger is there for; here it may be as unsure as its threshold allows.
_TAGGERS_OWN = frozenset({Type.NAME, Type.ADDRESS, Type.ORG, Type.DATE})
#: Shapes that only a pattern is asked about.
_PATTERNS_OWN = frozenset({Type.EMAIL, Type.URL, Type.IP})
_GIVEN_BACK = _TAGGERS_OWN
#: How sure the tagger must be of anything else, and of a bare number as a date.
_SURE = 0.5
_NUMBER = re.compile(r"[\d\W]+|[\dA-Z]{1,3}")
_TITLE_BEFORE = re.compile(
    r"(?:\b(?:dr|doctor|mr|mrs|ms|miss|prof|nurse|dra|sra?|srta|doctora|señora?)\.? ?)$",
    re.IGNORECASE,
)
_EDGES = re.compile(r"^[^\w]+|[^\w]+$")
_LIST = re.compile(r"[,;/&+]| and | y | or ")
_TAGGER = "tagger"
#: Who says so by more than the look of a word.
_FIRM = frozenset({"roster", "hl7", "rows"})
_TABLES = ("insurers", "pharmacies", "drugs")


def unreadable(found: Sequence[Found], text: str) -> list[Found]:
    """Return what must be hidden: everything but names of things that stay readable."""
    brands = [(match.start(), match.end()) for match in _brands().finditer(text)]
    settled = Settled(span for structure in structures() for span in structure.readable(text))
    kept = [find for find in found if not _stays(find, text, brands)]
    return sober([part for find in kept for part in settled.outside(find)], text)


class Settled:
    """Where a table or a message in HL7 holds heads and codes, in order and without overlaps."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def outside(self, find: Found) -> list[Found]:
        """Return what of a find is no head and no code."""
        if find.found_by in _FIRM:
            return [find]
        parts, start = [], find.start
        for place in range(bisect_right(self._ends, find.start), len(self._starts)):
            if self._starts[place] >= find.end:
                break
            if start < self._starts[place]:
                parts.append(replace(find, start=start, end=self._starts[place]))
            start = self._ends[place]
        return [*parts, replace(find, start=start)] if start < find.end else parts


def credible(tagged: Sequence[Found], text: str) -> list[Found]:
    """Return what to believe of the tagger's finds in one field."""
    believed = believable(unreadable(tagged, text), text)
    return [find for find in believed if not _doubtful(find, text)]


def _doubtful(find: Found, text: str) -> bool:
    """Whether the tagger took a number for an identifier and was not sure, or cannot be right."""
    if find.type in _PATTERNS_OWN:
        return True
    bare = _NUMBER.fullmatch(text[find.start : find.end]) is not None
    if find.type in _TAGGERS_OWN:
        return bare and find.score < _SURE and find.type is not Type.ADDRESS
    return find.score < _SURE or codes().stays(text, find.start, find.end)


def _stays(find: Found, text: str, brands: Sequence[tuple[int, int]]) -> bool:
    if find.type not in _GIVEN_BACK or find.score >= 1.0:
        return find.found_by == _TAGGER and _ordinary(text[find.start : find.end])
    after = text[find.end : find.end + 24].casefold()
    titled = _TITLE_BEFORE.search(text[max(0, find.start - 12) : find.start]) is not None
    if not titled and any(start <= find.start and find.end <= end for start, end in brands):
        return True
    words = _LIST.split(text[find.start : find.end].casefold())
    return all(_known(_EDGES.sub("", word), after, titled=titled) for word in words)


def _known(surface: str, after: str, *, titled: bool) -> bool:
    if not surface or _ordinary(surface):
        return True
    if titled:
        return False
    if any(surface in _words(table) or _bare(surface) in _words(table) for table in _TABLES):
        return True
    return _eponym(surface, after)


def _ordinary(surface: str) -> bool:
    return _EDGES.sub("", surface.casefold()) in _words("ordinary")


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
def _brands() -> "re.Pattern[str]":
    """Return a pattern of every brand of two words or more."""
    phrases = [word for table in _TABLES for word in _words(table) if not word.isalpha()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, phrases))})(?!\w)", re.IGNORECASE)


@cache
def _words(section: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in word_list("readable.yaml")[section])
