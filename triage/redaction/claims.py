"""What the tagger may claim: a find that cannot be what it is called is dropped or cut to what can.

Rule of the room: only shapes are judged here, and only the tagger's: a pressure is no date, a word
without a digit is no account, a clinic is no employer. What a pattern or a table found stands.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache

from triage.domain import IdentifierType as Type
from triage.domain import fold
from triage.redaction.checks import day
from triage.redaction.finding import Found
from triage.redaction.known import dictionary
from triage.redaction.table import word_list

_NUMBERS = frozenset(
    {
        Type.SSN,
        Type.MRN,
        Type.MEMBER_ID,
        Type.ACCOUNT,
        Type.LICENSE,
        Type.DEVICE,
        Type.OTHER_ID,
        Type.PHONE,
    }
)
#: Weekdays stay with their day: who marks dates marks them now and then.
_BEFORE_DAY = re.compile(
    r"(?:(?:el|al) (?=\d{1,2}(?: de|/))|(?:since|until|on|from|b\.) |de (?=\d))+", re.IGNORECASE
)
_AFTER_DAY = re.compile(r"(?:[\s,T]+\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]\.?m\.?)?)+$", re.IGNORECASE)
_MONTHS = (
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic|mai|juin|avril|août|okt|dez"
    r"|märz"
)
_COUNT = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w{3,6}teen|\w{3,5}ty)"
#: Nothing is a date without a digit, a month, an ordinal or a number in words.
_DAY_WORD = re.compile(
    rf"\d|\b(?:{_MONTHS})|\b\w*(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
    r"|tenth|eleventh|twelfth|teenth|tieth)\b|\b(?:primero|uno|dos|tres|cuatro|cinco|seis|siete"
    r"|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci\w+|veint\w+|treinta)\b"
    rf"|\b{_COUNT}[ -]{_COUNT}\b",
    re.IGNORECASE,
)
_YEAR_OR_TIME = re.compile(
    r"'?(?:1[89]|20)\d\d'?s?|[01]\d[0-5]\d|2[0-3][0-5]\d|\d{1,2}:\d\d(?::\d\d)?|\d{3}|\d{2}s"
)
_PAIR = re.compile(r"(\d{1,3}) ?[/-] ?(\d{1,3})")
_DECIMAL = re.compile(r"[<>]?\d{1,3}[.,]\d{1,3}|\d{1,2}|\d{1,3}[.,]\d ?[-–] ?\d{1,3}[.,]\d")
#: Before a bare number that is a day of the month.
_DAY_CUE = re.compile(
    r"(?:\b(?:the|el|del|al|d[ií]a|on|until|till|since|by|to|and|or|y|through)|[-/,])\s?$", re.I
)
#: Before a day and a month with a point between.
_ON = re.compile(
    r"\b(?:on|since|until|till|by|due|dated|visits?|del?|el|am|le|du)\b[^.\n]{0,4}"
    r"(?:\d{1,2}\.\d{1,2}(?:, | and )){0,4}$",
    re.I,
)
#: Where a number stands for the clinic's own room, or for no place at all.
_ROOM = re.compile(
    r"(?:suite|ste|room|rm|bed|hall|row|floor|fl|piso|gate|bay|window|door|exam room|lab|triage)\b"
    r"\.?(?: ?#?[\w-]{1,5})?",
    re.IGNORECASE,
)
_ROOM_BEFORE = re.compile(
    r"(?:suite|ste|room|rm|bed|hall|row|floor|fl|piso|gate|bay|window)\.? ?#?$", re.I
)
#: Procedure, diagnosis and drug codes; a labelled number of that shape is found by its label.
_OFFICIAL = re.compile(
    r"\d{5}(?:-\d\d)?|[A-Z]\d{4}|[A-Z]\d\d(?:\.\w{1,4})?|\d{4,5}-\d{3,4}-\d{1,2}|ICD-?1?[09]?|CPT"
)
_PLACES_OF_CARE = re.compile(
    r"\b(?:hospital|clinic|cl[ií]nica|pharmacy|farmacia|medicine|labs?|laborator\w+|imaging|drugs?"
    r"|urgent care|drugstore|medical (?:center|group)|health plan|insurance|mutual|billing"
    r"|pediatrics|cardiology|dermatology|family practice)\b",
    re.IGNORECASE,
)
#: Between two finds that are one.
_JOINT = re.compile(r"\.? ?|[_'’^-]")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def believable(tagged: Sequence[Found], text: str) -> list[Found]:
    """Return what to believe of the tagger's finds; a piece of a believed one is believed too."""
    believed, doubted = [], []
    for find in tagged:
        part = possible(find, text)
        if part is None:
            doubted.append(find)
        else:
            believed.append(part)
    starts = {find.start for find in believed}
    ends = {find.end for find in believed}
    return believed + [find for find in doubted if _touches(find, starts, ends, text)]


def _touches(find: Found, starts: Set[int], ends: Set[int], text: str) -> bool:
    """Whether no more than a sign or a space parts a find from a believed one."""
    after = any(
        find.end + gap in starts and _JOINT.fullmatch(text, find.end, find.end + gap)
        for gap in range(3)
    )
    return after or any(
        find.start - gap in ends and _JOINT.fullmatch(text, find.start - gap, find.start)
        for gap in range(3)
    )


def possible(find: Found, text: str) -> Found | None:
    """Return what of a find of the tagger can be what it says; None when nothing can."""
    judge = _JUDGES.get(find.type, _number if find.type in _NUMBERS else None)
    return judge(find, text) if judge else find


def bare_day(find: Found, text: str) -> Found:
    """Return a date without the weekday, the article and the time of day around it."""
    before = _BEFORE_DAY.match(text[find.start : find.end])
    start = find.start + (before.end() if before else 0)
    after = _AFTER_DAY.search(text, start, find.end)
    end = after.start() if after else find.end
    return replace(find, start=start, end=end) if start < end else find


def _date(find: Found, text: str) -> Found | None:
    cut = bare_day(find, text)
    start, end = cut.start, cut.end
    bare = text[start:end].strip(" .,;:()[]\"'")
    if not bare or not _DAY_WORD.search(bare) or _YEAR_OR_TIME.fullmatch(bare):
        return None
    pair = _PAIR.fullmatch(bare)
    if pair and not day(bare.replace("-", "/")):
        return None
    if _DECIMAL.fullmatch(bare) and not _is_day(bare, text, start, end):
        return None
    return replace(find, start=start, end=end)


def _is_day(bare: str, text: str, start: int, end: int) -> bool:
    """Whether a bare number or one with a point may be a day, as `del 19` and `24.12.` are."""
    if bare.isdigit():
        inside = re.match(r"[.,:/]\d|%", text[end : end + 2]) or re.search(
            r"\d[.,:/]$", text[:start][-2:]
        )
        return (
            inside is None and int(bare) <= 31 and _DAY_CUE.search(text[:start][-12:]) is not None
        )
    numbers = [int(number) for number in re.findall(r"\d+", bare)]
    cued = text[end : end + 1] == "." or _ON.search(text[:start][-40:]) is not None
    return cued and len(numbers) == 2 and day("/".join(map(str, numbers)))


def _address(find: Found, text: str) -> Found | None:
    bare = text[find.start : find.end].strip(" .,;:()[]\"'")
    if _ROOM.fullmatch(bare) or fold(bare) in _lands():
        return None
    if len(bare) <= 5 and bare[:1].isdigit() and _ROOM_BEFORE.search(text[: find.start][-12:]):
        return None
    return None if _lone_word(bare) else find


def _name(find: Found, text: str) -> Found | None:
    """Cut what has a digit off the end; drop what has no other word or is a drug by its ending."""
    words = list(_WORD.finditer(text, find.start, find.end))
    if (
        any(map(str.isdigit, text[find.start : find.end]))
        and "@" not in text[find.start : find.end]
    ):
        letters = [word for word in words if not any(map(str.isdigit, word[0]))]
        if not letters or (len(letters) == 1 and len(letters[0][0]) < 3):
            return None
        if letters == words[: len(letters)] and " " in text[letters[-1].end() : find.end]:
            find = replace(find, end=letters[-1].end())
    if len(words) == 1 and _DRUG.fullmatch(words[0][0]):
        return None
    return find


def _org(find: Found, text: str) -> Found | None:
    bare = text[find.start : find.end].strip(" .,;:()[]\"'")
    if _lone_word(bare) or _DRUG.fullmatch(bare) or not any(map(str.isalpha, bare)):
        return None
    if _PLACES_OF_CARE.search(bare) and (_heads(find, text) or _is_plain(bare)):
        return None
    return find


def _heads(find: Found, text: str) -> bool:
    """Whether the line begins by saying from whom or to whom a fax goes."""
    line = text[text.rfind("\n", 0, find.start) + 1 : find.start]
    return (
        re.fullmatch(r"[> ]*(?:from|to|fax(?: to)?|attn|re|de|para)\b\W{1,3}", line, re.I)
        is not None
    )


def _is_plain(bare: str) -> bool:
    """Whether a place is only described, in small letters: `the county hospital`."""
    words = [fold(word) for word in _WORD.findall(bare)]
    return bare.islower() and all(word in dictionary() or word in _small() for word in words)


def _number(find: Found, text: str) -> Found | None:
    """Cut labels off the front of a number; drop it when it has no digit or is an official code."""
    start = find.start
    for word in _WORD.finditer(text, find.start, find.end):
        if fold(word[0]) not in _IN_FRONT or any(map(str.isdigit, word[0])):
            break
        start = word.end()
    while start < find.end and text[start].isspace():
        start += 1
    bare = text[start : find.end].strip(" .,;:#()[]\"'")
    if not bare or _OFFICIAL.fullmatch(bare) or _money(text, start, find.end):
        return None
    if not any(map(str.isdigit, bare)) and (len(bare) < 3 or _is_label(bare)):
        return None
    return replace(find, start=start)


def _money(text: str, start: int, end: int) -> bool:
    return text[:start].endswith(("$", "€", "£")) or (
        re.match(r" ?(?:dol+ars|d[oó]lares|bucks|usd)\b", text[end : end + 9], re.I) is not None
    )


def _is_label(bare: str) -> bool:
    return all(fold(word) in _labels() or fold(word) in dictionary() for word in bare.split()) and (
        len(bare.split()) == 1
    )


def _lone_word(bare: str) -> bool:
    """Whether a place or an employer would be one small or ordinary word without a capital."""
    word = fold(bare)
    if not bare.isalpha():
        return False
    return word in _small() or (bare.islower() and word in dictionary())


#: Generic names of drugs end so (USAN stems).
_DRUG = re.compile(
    r"\w{2,12}(?:mab|pril|sartan|statin|olol|azole|cillin|mycin|gliptin|gliflozin|glutide|xaban|prazole|tidine|dipine"
    r"|setron|triptan|parin|cycline|floxacin|ciclovir|ivir|azepam|zosin|thiazide|oxetine|triptyline|ipramine|gabalin"
    r"|profen|caine|dronate|lukast|terol|nisone|solone|sporin|formin|fibrate|tinib|ciclib|vaptan|grastim|poetin)",
    re.IGNORECASE,
)
_JUDGES: Mapping[Type, Callable[[Found, str], Found | None]] = {
    Type.DATE: _date,
    Type.ADDRESS: _address,
    Type.NAME: _name,
    Type.ORG: _org,
}


_IN_FRONT = frozenset(
    [
        "imei",
        "vin",
        "sn",
        "npi",
        "dea",
        "plate",
        "id",
        "code",
        "gate",
        "member",
        "number",
        "serial",
        "account",
        "claim",
        "is",
    ]
)


@cache
def _lands() -> frozenset[str]:
    """States and countries: too large to find anybody by."""
    return _folded("lands")


@cache
def _labels() -> frozenset[str]:
    return _folded("labels") | frozenset(
        {"gate", "code", "number", "serial", "member", "account", "claim"}
    )


@cache
def _small() -> frozenset[str]:
    return _folded("labels", "nobody", "function", "ordinary")


def _folded(*tables: str) -> frozenset[str]:
    words: Sequence[str] = [word for table in tables for word in word_list("readable.yaml")[table]]
    return frozenset(map(fold, words))
