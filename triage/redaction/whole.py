"""Half a name is still a name: what stands between and beside its hidden words is hidden, too.

Rule of the room: only words that touch something already found are looked at, and only those that
cannot well be anything else: particles, initials and Jr. of a name; the door before an address;
"Camp" before and "Elementary" after the name of a place people go to.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from triage.domain import IdentifierType as Type
from triage.domain import fold
from triage.redaction.finding import Found
from triage.redaction.known import dictionary
from triage.redaction.table import word_list

BY = "whole"
_SCORE = 0.6
_PARTICLE = r"(?:d[aeou]s?|del|de la|de los|v[ao]n|van de[rn]?|di|la|le|bin|ibn|al|el|y|ter|ten|of)"
#: Between two parts of one name: a particle, an initial, or one more capitalised word.
_BETWEEN = re.compile(
    rf" (?:{_PARTICLE}|(?:{_PARTICLE} )?[^\W\d_]\.?) | ['\"“(]?[A-ZÀ-Þ][\w'’-]{{1,11}}['\"”)]? "
)
_GENERATION = re.compile(r",? (?:jr|sr|junior|senior|i{2,3}|iv)\b\.?(?!\w)", re.IGNORECASE)
#: An initial after a name; I and A are words of their own unless a stop follows.
_INITIAL = re.compile(r" (?:[B-HJ-Z]\b\.?|[AI]\.)(?![\w'’.])")
#: Particles that begin a family name, and elsewhere nothing.
_BEGINS = re.compile(
    r"(?<![\w'’-])(?:(?:v[ao]n(?: de[rn]?)?|ter|bin|ibn|abu|umm|mac|o['’]|della|dos) ?)$",
    re.IGNORECASE,
)
#: Bounded and anchored: an endless word is looked at once.
_FILE = re.compile(
    r"(?<![\w-])[\w-]{3,120}\.(?:pdf|jpe?g|png|heic|docx?|csv|tiff?|xlsx?|txt|zip)\b"
)
_NO_NAMES = ("ordinary", "titles", "drugs", "pharmacies", "insurers")
_PIECE = re.compile(r"[^\W\d_]+")
#: Between two parts of one place or one employer.
_PLACE_GAP = re.compile(
    r",? ?(?:(?:of|by|de|del|la|las|los|el|&|and|the|y|n[º°]|no\.?) ){0,3}(?:the )?"
    r"|,? ?\n? ?|,? [A-ZÀ-Þ][\w'’-]{1,11},? |,? ?#? ?\d{1,5}[A-Za-z]?,? "
)
#: What begins an address and is only hidden with one: the clinic has rooms, too.
_DOOR = re.compile(
    r"\b(?:room|rm|suite|ste|apt|apartment|unit|lot|slip|berth|dock|pier|cabin|trailer|space|spc"
    r"|bldg|building|barracks|dorm|bungalow|cottage|house|flat|c/o [\w'’ ]{2,24},)"
    r"\.? ?#?(?: ?[\w-]{1,6})?(?:,| of the| at the| at| of)? ?\n?$",
    re.IGNORECASE,
)
#: What begins and ends the name of an employer, a school, a ship.
_ORG_HEAD = re.compile(
    r"\b(?:the|our|camp|mv|m/v|f/v|s/v|ss|uss|usns|st\.?|saint|mount|mt\.?|iglesia|escuela|colegio"
    r"|empacadora|f[aá]brica|taller|panader[ií]a|restaurante|finca|rancho) $",
    re.IGNORECASE,
)
_ORG_TAIL = re.compile(
    r"(?:'s|’s)? (?:elementary|middle|high|junior high|primary|prep|academy|school|college"
    r"|university|church|chapel|parish|temple|mosque|farms?|orchards?|ranch|cannery|foods?|hall|house|manor"
    r"|lodge|group home|day ?care|head start|inc|llc|llp|ltd|co|corp|pc|pllc"
    r"|(?:& |and )(?:sons?|daughters?|co|stead))\b\.?|,? (?:inc|llc|llp|ltd|pc)\b\.?"
    r"| (?:by|of) the [A-ZÀ-Þ]\w{2,10}",
    re.IGNORECASE,
)
_PLACES = (Type.ADDRESS, Type.ORG)
_SURNAME = re.compile(r" ([A-ZÀ-Þ][a-zß-ÿ]{1,6})(?=\s(?:here|again)\b|[,.;:!?)]|$)", re.MULTILINE)


def whole_names(found: Sequence[Found], text: str) -> list[Found]:
    """Return further finds that make the names among `found` whole; `found` is in order."""
    names = [find for find in found if find.type is Type.NAME]
    return [*_between(names, text), *_beside(names, text), *_in_files(names, text)]


def whole_places(found: Sequence[Found], text: str) -> list[Found]:
    """Return further finds that make addresses and employers among `found` whole."""
    more: list[Found] = []
    for left, right in pairwise(found):
        gap = text[left.end : right.start]
        alike = left.type is right.type and left.type in _PLACES
        if alike and len(gap) <= 20 and _PLACE_GAP.fullmatch(gap) and not _readable(gap):
            more.append(replace(left, end=right.end, score=_SCORE, found_by=BY))
    for find in found:
        if find.type not in _PLACES:
            continue
        head = _DOOR if find.type is Type.ADDRESS else _ORG_HEAD
        before = head.search(text, max(find.start - 36, 0), find.start)
        after = _ORG_TAIL.match(text, find.end) if find.type is Type.ORG else None
        if before or after:
            start = before.start() if before else find.start
            end = after.end() if after else find.end
            more.append(replace(find, start=start, end=end, score=_SCORE, found_by=BY))
    return more


def _between(names: Sequence[Found], text: str) -> Iterator[Found]:
    for left, right in pairwise(names):
        gap = text[left.end : right.start]
        if len(gap) <= 16 and _BETWEEN.fullmatch(gap) and not _readable(gap):
            yield _name(left.start, right.end)


def _beside(names: Sequence[Found], text: str) -> Iterator[Found]:
    for name in names:
        for pattern in (_GENERATION, _INITIAL):
            match = pattern.match(text, name.end)
            if match:
                yield _name(name.start, match.end())
        surname = _SURNAME.match(text, name.end)
        if surname and _single(text[name.start : name.end]) and not _readable(surname[1]):
            yield _name(name.start, surname.end(1))
        before = _BEGINS.search(text, max(name.start - 12, 0), name.start)
        if before:
            yield _name(before.start(), name.end)


def _in_files(names: Sequence[Found], text: str) -> Iterator[Found]:
    """Yield the other parts of a name in the name of a file, which underscores part."""
    for file in _FILE.finditer(text):
        first = bisect_left(names, file.start(), key=_start)
        for name in names[first : bisect_left(names, file.end(), lo=first, key=_start)]:
            low, high = name.start, name.end
            for piece in _PIECE.finditer(text, high, file.end()):
                if piece.start() - high > 1 or not _of_a_name(piece[0]):
                    break
                high = piece.end()
            for piece in reversed(list(_PIECE.finditer(text, file.start(), low))):
                if low - piece.end() > 1 or not _of_a_name(piece[0]):
                    break
                low = piece.start()
            yield _name(low, high)


def _start(find: Found) -> int:
    return find.start


def _of_a_name(piece: str) -> bool:
    word = fold(piece)
    return len(word) == 1 or (word not in dictionary() and not _readable(piece) and len(word) > 3)


def _single(name: str) -> bool:
    return name[:1].isupper() and name.isalpha()


def _readable(words: str) -> bool:
    """Whether these are words the desk needs: a title, a department, a drug."""
    lists = word_list("readable.yaml")
    low = words.strip(" .,'\"“”()").casefold()
    return any(
        low in lists[section]
        for section in ("ordinary", "titles", "drugs", "pharmacies", "insurers")
    )


def _name(start: int, end: int) -> Found:
    return Found(start, end, Type.NAME, _SCORE, BY)
