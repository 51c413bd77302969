"""Finds numbers by the words beside them: record, member, account, licence and other numbers.

Rule of the room: a long number that nobody explains is hidden too, as OTHER_ID; what a clinic
needs to read (procedure, diagnosis and drug codes, money, doses) is told by shape and by label.
"""

import re
from collections.abc import Mapping, Sequence

from triage.domain import IdentifierType
from triage.redaction.checks import day
from triage.redaction.finding import Found, Pattern, words_of
from triage.redaction.signs import Needs

#: How far before a number its label may stand, in characters, and how far after it.
REACH_BEFORE = 46
REACH_AFTER = 26
#: How sure a labelled number is, at least.
_LABELLED = 0.7
#: Unlabelled numbers with this many digits are hidden.
LONG = 6

_GENERAL, _READABLE = "GENERAL", "READABLE"

_CANDIDATE = (
    r"(?<![\w$€£@])(?<![\d][.,/])(?<!\w[-'])#?"
    # Letters that stand apart, the number itself, and groups of digits that go on after a space.
    r"(?P<x>(?:[A-Z]{1,5} (?=\d))?"
    r"(?=[\w./:#-]{0,40}\d)[A-Za-z0-9]{1,40}(?:[-_/:#.][A-Za-z0-9]{1,24}){0,8})(?![\w%])"
)
_APART = re.compile(r"[A-Z]{1,5} ")
#: Words in capitals that are no part of the number after them.
_SMALL = frozenset(
    [
        *(
            "AT",
            "IN",
            "ON",
            "TO",
            "OF",
            "IS",
            "BY",
            "FOR",
            "AND",
            "OR",
            "NOT",
            "THE",
            "WAS",
            "SAYS",
        ),
        *("SHOW", "RING", "CALL", "TEXT", "FAX", "FROM", "WITH", "HAS"),
    ]
)
_UNITS = (
    r"(?:mg|mcg|µg|ml|mL|g|kg|lbs?|pounds|units?|iu|IU|meq|mEq|cc|%|tabs?|tablets?|pills?|caps?"
    r"|capsules?|puffs?|drops|days?|weeks?|months?|years?|hours?|hrs?|minutes?|mins?|times|x\b|am\b"
    r"|pm\b|a\.m|p\.m|dollars?|usd|bucks|dólares|pesos|cents|steps|miles|feet|ft|inches|calories"
    r"|degrees|bpm|mmhg|mg/dl|people|patients|employees|practices|clinics|copies|pages|words|días"
    r"|semanas|meses|años|horas|pastillas|tabletas|veces|refills?|visits|sessions|grade|th\b)"
)
_MONEY_OR_DOSE = re.compile(rf" ?{_UNITS}", re.IGNORECASE)
#: Groups with digits, and a last letter, that go on after a space.
_FURTHER = re.compile(
    r"(?: (?=[A-Z]{0,3}\d)[A-Z0-9]{1,7}(?:-[A-Z0-9]{1,7})?(?![\w%]|[.,/:-]\w)(?! ?(?i:"
    + _UNITS
    + r"))){1,8}(?: [A-Z](?![\w']))?"
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[-/](?:19|20)?\d\d)?")
_TIME = re.compile(r"\d{1,2}(?::\d\d){1,2}(?:[ap]m|z)?|\d{1,2}(?:[ap]m?|h)", re.IGNORECASE)
_PRESSURE = re.compile(
    r"\d{2,3}/\d{2,3}|\d{1,3}(?:\.\d{1,2})?-\d{1,3}(?:\.\d{1,2})?|\d{1,3}[.,]\d{1,3}|\d/\d+"
)
_DIAGNOSIS = re.compile(r"[A-TV-Za-tv-z]\d[0-9A-Za-z](?:\.[0-9A-Za-z]{1,4})?|\d{3}\.\d{1,2}")
_NDC = re.compile(r"\d{4,5}-\d{3,4}-\d{1,2}")
#: Dates and telephone numbers have recognisers of their own.
_DATE = re.compile(
    r"\d{1,2}[/.-](?:\d{1,2}|[A-Za-z]{3,5})[/.-]\d{2}(?:\d{2})?(?:-\d{1,2}/\d{1,2}/\d{2,4})?"
    r"|\d{4}[/.-]\d{1,2}[/.-]\d{1,2}|\d{1,2}[A-Za-z]{3}\d{2}(?:\d{2})?"
)
_ELSEWHERE = re.compile(
    r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    r"|(?:\+?1[-.])?[2-9]\d\d[-.]\d{3}[-.]\d{4}|(?:19|20)\d\d[01]\d[0-3]\d(?:\d{4,6})?"
)
#: Procedure, diagnosis and drug codes, and counts of cells and steps.
_OFFICIAL = re.compile(
    r"\d{1,6}|\d{5}-\w\d|[A-Za-z]{1,2}\d{1,5}[A-Za-z]?(?:\.\w{1,4})?"
    r"|[A-Z]{1,3}-\d{1,4}[A-Z]?(?:-[A-Z])?|\d{10,11}|\d{4,5}-\d{3,4}-\d{1,2}"
)
_UNIT_WITHIN = re.compile(
    r"\d[\d.,/-]*(?:mg|mcg|ml|g|kg|iu|units?|meq|cc|lbs?|k|st|nd|rd|th|s|x|yo|y/o|m|mm|cm|hrs?)",
    re.IGNORECASE,
)
#: Things with digits in their names that are nobody's identifier.
_KNOWN = re.compile(
    r"(?:covid-?19|h1n1|hepb?-?\d|b-?12|b6|d3|k2|a1c|hba1c|t[34]|ft4|g[67]|vitamin-d3|omega-?3"
    r"|w-?[2489]|1099(?:-\w+)?|1095-?[abc]|cms-?1500|hcfa-?1500|ub-?04|ssa-\d+|i-?(?:9|693|485)"
    r"|mt-?3|dl-\d\d\w?|sf-?\d+|vs-?\d|form-\d+|401k|k-?\d{1,2}|401\(?k\)?|l\d-?[ls]\d"
    r"|c\d-?[ct]?\d|ldl-c|ca-?125|ca-?19-9|pd-?l1|brca[12]|mthfr|cyp\w+|o2|spo2|co2|phq-?9|gad-?7"
    r"|wh-?380-?[ef]?|f-?[1235]50|m365|o365|win\d+|mp[34]|iphone\d*|24/7|7/24|50/50|20/20|911|988|211|311|411|n95|kn95)",
    re.IGNORECASE,
)
#: A procedure code, and the words a bill has before one.
_PROCEDURE = re.compile(r"\d{5}|[A-Z]\d{4}")
_BILLED = re.compile(
    r"\b(?:coded|billed|billing(?: for)?|bill (?:another|for an?)|charged|shows?|listed|for an?"
    r"|does|another|as|were|was)(?: \d{5} and)? $",
    re.IGNORECASE,
)
_WORDED = re.compile(r"[^\W\d_]|#")
_FULL_STOP = re.compile(r"[.!?]\s+(?=\p{Lu})".replace(r"\p{Lu}", "[A-ZÁÉÍÓÚÑ]"))


class CodeFinder:
    """Finds numbers by label, and long numbers without one."""

    name = "codes"
    context: tuple[str, ...] = ()

    def __init__(
        self,
        labels: Mapping[IdentifierType, Sequence[str]],
        general: Sequence[str],
        readable: Sequence[str],
    ) -> None:
        self.types = (*labels,)
        self._candidate = Pattern(_CANDIDATE, case=True, needs=Needs(digits=1))
        rows = [f"(?P<{type}>{words_of(words)})" for type, words in labels.items()]
        rows += [f"(?P<{_GENERAL}>{words_of(general)})", f"(?P<{_READABLE}>{words_of(readable)})"]
        everything = "|".join(rows)
        self._label = re.compile(rf"(?<![^\W_])(?:{everything})(?![^\W_])", re.IGNORECASE)

    def find(self, text: str) -> list[Found]:
        """Return labelled numbers, and long ones that nothing says are readable."""
        found: list[Found] = []
        for span in self._candidate.spans(text):
            if found and span[0] < found[-1].end:
                continue
            find = self._judged(text, *self._trim(text, *span))
            if find is not None:
                found.append(find)
        return found

    def stays(self, text: str, start: int, end: int) -> bool:
        """Whether a number is one the clinic must be able to read."""
        code = text[start:end]
        if _harmless(code, text[end : end + 14]):
            return True
        label, _ = self._nearest(text, start, end)
        return label == _READABLE and _OFFICIAL.fullmatch(code) is not None

    def label(self, text: str, start: int, end: int) -> IdentifierType | None:
        """Return what the words beside a place call a number, if they call it anything."""
        kind, _ = self._nearest(text, start, end)
        return IdentifierType(kind) if kind not in (None, _READABLE) else None

    def _judged(self, text: str, start: int, end: int) -> Found | None:
        """Return the number at `start` as far as it goes, or None when it may stay."""
        further = _FURTHER.match(text, end)
        longer = further.end() if further else end
        kind = self._kind(text, start, longer)
        if kind is None or kind[1] < _LABELLED:
            # Groups after a space belong to a number only where a label says so.
            longer, kind = end, self._kind(text, start, end)
        apart = _APART.match(text, start)
        small = apart is not None and apart[0].strip() in _SMALL
        if apart and (small or not _belongs(text[apart.end() : longer], kind)):
            start = apart.end()
            kind = self._kind(text, start, longer)
        return Found(start, longer, *kind, self.name) if kind else None

    def _trim(self, text: str, start: int, end: int) -> tuple[int, int]:
        """Leave a label in front and punctuation behind outside."""
        first = re.match(r"([A-Za-z]+)[ :#]+", text[start:end])
        if first and self._label.fullmatch(first[1]):
            start += first.end()
        while end > start and not text[end - 1].isalnum():
            end -= 1
        return start, end

    def _kind(self, text: str, start: int, end: int) -> tuple[IdentifierType, float] | None:
        code = text[start:end]
        count = sum(map(str.isdigit, code))
        if count == 0 or _harmless(code, text[end : end + 14]):
            return None
        if count < 3 and len(code) < 5:
            # Too short to be anybody's number, whatever stands beside it.
            return None
        if _PROCEDURE.fullmatch(code) and _BILLED.search(text, max(0, start - 24), start):
            return None
        label, distance = self._nearest(text, start, end)
        if label == _READABLE:
            if _OFFICIAL.fullmatch(code):
                return None
            label = None
        if label is not None and _plausible(code, count, distance):
            return IdentifierType(label), 0.9 if distance < 16 else _LABELLED
        return (IdentifierType.OTHER_ID, 0.6) if _long(code, count) else None

    def _nearest(self, text: str, start: int, end: int) -> tuple[str | None, int]:
        """Return the type of the nearest label and how far away it stands."""
        line = text.rfind("\n", 0, start) + 1
        before = text[max(line, start - REACH_BEFORE) : start]
        stops = [stop.end() for stop in _FULL_STOP.finditer(before)]
        before = before[stops[-1] :] if stops and not _abbreviated(before, stops[-1]) else before
        nearest: tuple[str | None, int] = (None, REACH_BEFORE)
        general: int | None = None
        # Numbers in rows have no words before them, and no label.
        for match in self._label.finditer(before) if _WORDED.search(before) else ():
            distance = len(before) - match.end()
            if match.lastgroup == _GENERAL:
                general = distance
            elif not (match.lastgroup == _READABLE and nearest[1] - len(match[0]) <= distance + 2):
                # In `confirmation code` the first word says what the second is for.
                nearest = (match.lastgroup, min(distance, REACH_BEFORE))
        if general is not None:
            # `member no.` is a member number; `no.` alone says only that it is a number.
            kind = nearest[0] if nearest[0] not in (None, _READABLE) else IdentifierType.OTHER_ID
            nearest = nearest if general > nearest[1] else (kind, general)
        if nearest[1] > 6:
            after = text[end : end + REACH_AFTER].split("\n", 1)[0]
            pointing = re.match(
                r"[ ,(]{1,2}(?:(?:is|was|es|are) )?(?:my|the|her|his|your|mi|el|su)? ?(?:new )?",
                after,
            )
            label = self._label.match(after, pointing.end()) if pointing else None
            if label and label.lastgroup not in (_GENERAL, _READABLE):
                return label.lastgroup, 3
        return nearest


def _belongs(number: str, kind: tuple[IdentifierType, float] | None) -> bool:
    """Whether letters that stand before a number are part of it."""
    if kind is None or _elsewhere(number):
        return False
    return kind[1] >= _LABELLED or sum(map(str.isdigit, number)) >= LONG


def _abbreviated(before: str, stop: int) -> bool:
    """Whether the full stop belongs to a short label (`acct.`, `No.`) rather than a sentence."""
    words = before[:stop].split()
    return bool(words) and len(words[-1]) <= 6 and words[-1].endswith(".")


def _elsewhere(code: str) -> bool:
    """Whether another recogniser knows this shape better."""
    if _DATE.fullmatch(code):
        return any(map(str.isalpha, code)) or day(code)
    return _ELSEWHERE.fullmatch(code) is not None


def _harmless(code: str, after: str) -> bool:
    """Whether a number is a dose, time, year, pressure, code or name that must stay readable."""
    shapes = (_TIME, _PRESSURE, _DIAGNOSIS, _UNIT_WITHIN, _KNOWN)
    return (
        _elsewhere(code)
        or any(shape.fullmatch(code) for shape in shapes)
        or (len(code) < 6 and _MONEY_OR_DOSE.match(after) is not None)
        or re.match(r"[.,]\d{2}(?!\d)", after) is not None
    )


def _plausible(code: str, count: int, distance: int) -> bool:
    """Whether a number so close to a label may be what the label names."""
    if _YEAR.fullmatch(code):
        return False
    mixed = any(map(str.isalpha, code)) and len(code) >= 4
    capitals = mixed and len(code) >= 5 and code.upper() == code
    close = distance <= 12
    return count >= 4 or (close and (capitals or (count >= 3 and distance <= 5)))


def _long(code: str, count: int) -> bool:
    """Whether a number that nobody explains is hidden all the same."""
    if _NDC.fullmatch(code):
        return False
    letters = sum(map(str.isalpha, code))
    joined = len(re.findall(r"[-_/]", code))
    return (
        count >= LONG
        or (count >= 4 and letters >= 1 and (joined >= 1 or letters >= 2))
        or (count >= 3 and letters >= 3 and code.upper() == code)
        or ("_" in code and len(code) >= 6)
    )
