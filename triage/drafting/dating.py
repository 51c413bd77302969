"""Reads a weekday beside a date as one fact, and tells which sentences are about opening hours.

Rule of the room: a weekday that does not fit its date is wrong, wherever either of them stands.
"""

import re
from collections.abc import Iterator
from datetime import date

from triage.domain import FactKind
from triage.drafting.shapes import Meaning, found

#: What may stand between a weekday and its date.
_BESIDE = re.compile(r"[\s,(]*(?:(?:the|on|el|d[ií]a|dia|de)\s+)*", re.IGNORECASE)
_ISO = re.compile(r"(\d{4})-(\d\d-\d\d)")
_END = re.compile(r"[.!?](?=\s+[^\W\d_a-zà-ÿ]|\s*$)|(?<![:,])\n|\n\s*\n")
_OPENING = re.compile(
    r"\b(?:we|office|clinic|practice|desk|doors?|pharmacy|lab|lines?)\b[^.!?\n]{0,30}"
    r"\b(?:opens?|closes?|closed)\b(?! (?:your|the|this|that|a|it)\b)"
    r"|\b(?:is|are|be|stay|re|remain) (?:open|closed)\b"
    r"|\b(?:opening|office|business|our|clinic|phone|reception) hours\b"
    r"|\bhours(?:\s*:| are\b| is\b)"
    r"|\b(?:abrimos|cerramos|abren?|cierran?|abiert[oa]s?|cerrad[oa]s?|horarios?|atendemos)\b",
    re.IGNORECASE,
)


def dated(text: str) -> Iterator[tuple[FactKind, int, int, Meaning, int | None]]:
    """Yield every fact in the order of the text; a date with the weekday that stands beside it."""
    facts = sorted(found(text), key=lambda one: one[1])
    at = 0
    while at < len(facts):
        kind, start, end, meaning = facts[at]
        at += 1
        claimed = None
        if kind is FactKind.DATE and at < len(facts) and facts[at][0] is FactKind.DATE:
            _, after, last, other = facts[at]
            pair = (_weekday(meaning), _weekday(other))
            if _BESIDE.fullmatch(text, end, after) and pair.count(None) == 1:
                claimed = pair[0] if pair[1] is None else pair[1]
                whole = other if pair[1] is None else meaning
                if any(_short(key) for key in whole.asks):
                    meaning, end, at = whole, last, at + 1
                else:
                    claimed = None
        yield kind, start, end, meaning, claimed


def weekday_of(meaning: Meaning, known: frozenset[str], today: date | None) -> frozenset[int]:
    """Return the weekdays a date may fall on: one, unless sources name it in several years."""
    whole = [match for key in meaning.asks if (match := _ISO.fullmatch(key))]
    if whole:
        return frozenset(date.fromisoformat(one[0]).weekday() for one in whole)
    shorts = {short for key in meaning.asks if (short := _short(key))}
    said = [one for key in known if (one := _ISO.fullmatch(key)) and one[2] in shorts]
    if said:
        return frozenset(date.fromisoformat(one[0]).weekday() for one in said)
    days = [
        day
        for short in shorts
        for year in ((today.year - 1, today.year, today.year + 1) if today else ())
        if (day := _day(year, short)) is not None
    ]
    near = min(days, key=lambda one: abs(one - today), default=None) if today else None
    return frozenset() if near is None else frozenset({near.weekday()})


def is_opening(text: str, at: int) -> bool:
    """Whether the sentence around a place is about when the clinic is open."""
    start = max((one.end() for one in _END.finditer(text, 0, at)), default=0)
    stop = _END.search(text, at)
    return _OPENING.search(text, start, stop.start() if stop else len(text)) is not None


def _weekday(meaning: Meaning) -> int | None:
    found = [key for key in meaning.asks if key.startswith("weekday ")]
    return int(found[0].split()[1]) if found else None


def _short(key: str) -> str:
    """Return month and day of a key that is a date, such as `2026-03-14` or `?03-14`."""
    match = re.fullmatch(r"(?:\d{4}-|[?!])(\d\d-\d\d)", key)
    return match[1] if match else ""


def _day(year: int, short: str) -> date | None:
    try:
        return date.fromisoformat(f"{year}-{short}")
    except ValueError:
        return None
