"""How dates, times, amounts, doses and numbers are written, in English and Spanish.

Rule of the room: a shape is data; what it means is folded into keys, so that `3 pm` and `15:00`
are the same fact. `asks` are the keys one of which a source must give.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from triage.domain import FactKind
from triage.drafting.counts import COUNT, any_of, counted, price
from triage.drafting.spelling import drug_key, folded, is_drug


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a piece of text says, as keys: those it needs in a source, those it gives as one."""

    asks: frozenset[str]
    gives: frozenset[str]


def same(*keys: str) -> Meaning:
    """Return a meaning that is itself only."""
    return Meaning(frozenset(keys), frozenset(keys))


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan enero ene", "february feb febrero", "march mar marzo",
            "april apr abril abr", "may mayo", "june jun junio", "july jul julio",
            "august aug agosto ago", "september sept sep septiembre setiembre",
            "october oct octubre", "november nov noviembre", "december dec diciembre dic",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday mon lunes", "tuesday tue tues martes", "wednesday wed miercoles",
            "thursday thu thur thurs jueves", "friday fri viernes", "saturday sat sabado",
            "sunday sun domingo",
        )
    )
    for name in names.split()
}  # fmt: skip
_MEASURES = (
    "tablet tablets pill pills tab tabs tableta tabletas pastilla pastillas comprimido comprimidos"
    " capsule capsules capsula capsulas",
    "mg milligram milligrams miligramo miligramos",
    "mcg µg ug microgramos micrograms",
    "ml cc mililitro mililitros milliliters",
    "g gram grams gramo gramos",
    "unit units unidad unidades iu ui",
    "puff puffs inhalacion inhalaciones spray sprays",
    "drop drops gota gotas",
    "teaspoon teaspoons cucharadita cucharaditas tsp",
)
_SPANS = (
    "minute minutes minuto minutos",
    "hour hours hora horas",
    "day days dia dias",
    "week weeks semana semanas",
    "month months mes meses",
    "year years ano anos",
)
#: Folded, as they are asked for: folding makes another sign of the µ of a keyboard.
_UNITS = {folded(name): row.split()[0] for row in (*_MEASURES, *_SPANS) for name in row.split()}
_TIMES = frozenset(row.split()[0] for row in _SPANS)
#: What comes in whole things: a thousand of them is written with a comma.
_WHOLE = _TIMES | {"tablet", "unit", "puff", "drop"}
_SPAN_UNITS = any_of(name for row in _SPANS for name in row.split())
_DOSE_UNITS = any_of(name for row in _MEASURES for name in row.split())
#: Said after the unit: "una tableta y media".
_MORE = r"(?P<more>\s(?:and\s+a\s+half|y\s+medi[ao])\b)?"
#: What makes a fraction of `1/2`, and no date: a unit, or the other end of a range with one.
_MEASURED = (
    r"\s*(?:tab|pill|cup|past|teasp|of\b|de\b|an?\s+(?:tab|pill|cap)"
    rf"|-?(?:{_DOSE_UNITS}|{_SPAN_UNITS})\b"
    rf"|(?:[-–]|to\b|or\b|a\b|o\b)\s*\d[\d/.,]{{0,9}}\s?(?:{_DOSE_UNITS})\b)"
)
_YEAR = r"(?:,?\s+(?:de\s+|del\s+)?(?P<year>(?:19|20)\d\d))"
_MERIDIEM = r"(?P<half>[ap])\.?\s?m\b\.?"


def day(year: int, month: int, number: int) -> Meaning | None:
    """Return the meaning of a date; year 0 is a date without one."""
    try:
        whole = date(year or 2024, month, number)
    except ValueError:
        return None
    short = f"{month:02}-{number:02}"
    if not year:
        return Meaning(frozenset({f"?{short}", f"!{short}"}), frozenset({f"?{short}"}))
    iso, month_of = whole.isoformat(), f"month {year}-{month:02}"
    gives = {iso, f"!{short}", f"weekday {whole.weekday()}", month_of}
    return Meaning(frozenset({iso, f"?{short}"}), frozenset(gives))


def minute(hour: int, minutes: int, half: str = "") -> Meaning | None:
    """Return the meaning of a time of day; without am or pm an early hour may be either."""
    if hour > 24 or minutes > 59:
        return None
    at = (hour % 12 + (12 if half == "p" else 0) if half else hour % 24) * 60 + minutes
    keys = {f"time {at}"}
    if not half and 1 <= hour <= 12:
        keys = {f"time {(hour % 12) * 60 + minutes}", f"time {(hour % 12 + 12) * 60 + minutes}"}
    return same(*keys)


def _named_date(match: re.Match[str]) -> Meaning | None:
    month = _MONTHS[folded(match["month"])]
    return day(int(match["year"] or 0), month, int(match["day"]))


def _month(match: re.Match[str]) -> Meaning | None:
    return same(f"month {match['year']}-{_MONTHS[folded(match['month'])]:02}")


def _slashed(match: re.Match[str]) -> Meaning | None:
    first, second, year = int(match["a"]), int(match["b"]), int(match["year"] or 0)
    year += 0 if year >= 100 or not match["year"] else 2000 if year < 50 else 1900
    # Month first, as here; the other way round where that is no date.
    return day(year, first, second) or day(year, second, first)


def _dotted(match: re.Match[str]) -> Meaning | None:
    return day(int(match["year"]), int(match["b"]), int(match["a"]))


def _weekday(match: re.Match[str]) -> Meaning | None:
    return same(f"weekday {_WEEKDAYS[folded(match['name'])]}")


def _clock(match: re.Match[str]) -> Meaning | None:
    found = match.groupdict()
    half = (found.get("half") or "").lower()
    spoken = folded(found.get("part") or "")
    half = half or ("a" if spoken.endswith("manana") else "p" if spoken else "")
    more = {"y media": 30, "y cuarto": 15}.get(found.get("more") or "", 0)
    return minute(int(found["hour"]), int(found.get("minute") or 0) + more, half)


def _noon(match: re.Match[str]) -> Meaning | None:
    return minute(12, 0, "p" if folded(match[0]) in ("noon", "midday", "mediodia") else "a")


_CURRENCIES = {
    name: code
    for code, names in (
        ("usd", "$ dollar dollars usd dolar dolares"),
        ("eur", "€ euro euros eur"),
        ("gbp", "£"),
        ("peso", "peso pesos"),
        ("cent", "cent cents centavo centavos"),
    )
    for name in names.split()
}


def _money(match: re.Match[str]) -> Meaning | None:
    number, unit = price(match["number"]), _CURRENCIES[folded(match["unit"])]
    if _is_glued(match):
        return _unread(match)
    amount = f"amount {number} {unit}"
    return Meaning(frozenset({amount, f"number {number}"}), frozenset({amount}))


def _is_glued(match: re.Match[str]) -> bool:
    """Whether a word ends right before a point: whose the point is nobody can tell."""
    at = match.start("number")
    return match["number"][0] in ".," and at > 0 and match.string[at - 1].isalpha()


def _unread(match: re.Match[str]) -> Meaning:
    """Return the meaning of what is not understood: no source gives it, and it gives nothing."""
    return Meaning(frozenset({f"unread {match[0]}"}), frozenset())


def _with_number(match: re.Match[str], unit: str) -> str:
    number = match["number"] + (" and a half" if match.groupdict().get("more") else "")
    whole, padded = unit in _WHOLE, unit in _TIMES
    return "" if _is_glued(match) else counted(number, whole=whole, padded=padded)


def _percent(match: re.Match[str]) -> Meaning | None:
    number = _with_number(match, "percent")
    return same(f"percent {number}") if number else _unread(match)


def _counted(match: re.Match[str]) -> Meaning | None:
    unit = _UNITS[folded(match["unit"])]
    number = _with_number(match, unit)
    return same(f"{number} {unit}") if number else _unread(match)


def _often(match: re.Match[str]) -> Meaning | None:
    times = {"once": "1", "twice": "2"}.get(folded(match["often"]))
    times = times or _with_number(match, "unit")
    return same(f"{times} in a {_UNITS[folded(match['every'])]}") if times else _unread(match)


def _every(match: re.Match[str]) -> Meaning | None:
    unit = _UNITS[folded(match["unit"])]
    number = _with_number(match, unit)
    return same(f"every {number} {unit}") if number else _unread(match)


def _phone(match: re.Match[str]) -> Meaning | None:
    digits = "".join(filter(str.isdigit, match["number"]))
    if len(digits) < 7:
        return same(f"phone {digits}")
    long, short = f"phone {digits[-10:]}", f"phone {digits[-7:]}"
    return Meaning(frozenset({long}), frozenset({long, short}))


def _address(match: re.Match[str]) -> Meaning | None:
    return same(re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0].casefold()).rstrip("./"))


def _drug(match: re.Match[str]) -> Meaning | None:
    word = drug_key(match[0])
    return same(f"drug {word}") if is_drug(word) else None


Reader = Callable[[re.Match[str]], Meaning | None]
#: In this order: what an earlier row took is no longer there for a later one.
SHAPES: tuple[tuple[FactKind, re.Pattern[str], Reader], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE), reader)
    for kind, pattern, reader in (
        (FactKind.EMAIL, r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", _address),
        (
            FactKind.LINK,
            r"\bhttps?://[^\s<>\"')]+|\bwww\.[^\s<>\"')]+|\b[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,9}"
            r"\.(?:com|org|net|gov|edu|io|health|example)\b(?:/[^\s<>\"')]*)?",
            _address,
        ),
        (FactKind.AMOUNT, r"(?P<unit>[$€£])\s?(?P<number>[.,]?\d(?:[\d.,]*\d)?)", _money),
        (
            FactKind.AMOUNT,
            r"(?:(?<![\w.,])|(?<=[^\W\d_])(?=[.,]))(?P<number>[.,]?\d(?:[\d.,]*\d)?)\s?(?P<unit>dollars?|usd|euros?|eur|€|d[oó]lar(?:es)?"
            r"|pesos?|cents?|centavos?)(?!\w)",
            _money,
        ),
        (
            FactKind.PERCENT,
            rf"(?P<number>{COUNT})\s?(?:%|per\s?cent\b|por ciento\b)",
            _percent,
        ),
        (FactKind.DATE, r"\b(?P<year>\d{4})-(?P<a>\d\d)-(?P<b>\d\d)\b", _slashed),
        (
            FactKind.DATE,
            r"(?<![\w/.])(?P<year>(?:19|20)\d\d)(?P<sign>[/.])(?P<a>\d\d?)(?P=sign)(?P<b>\d\d?)"
            r"(?![\d/])",
            _slashed,
        ),
        (
            FactKind.DATE,
            r"(?<![\w-])(?P<a>\d\d?)-(?P<b>\d\d?)-(?P<year>(?:19|20)\d\d)(?![\w-])",
            _slashed,
        ),
        (
            FactKind.DATE,
            r"(?<![\d/])(?!24/7)(?P<a>\d{1,2})/(?P<b>\d{1,2})(?:/(?P<year>\d{4}|\d\d))?(?![\d/])"
            rf"(?!{_MEASURED})",
            _slashed,
        ),
        (FactKind.DATE, r"\b(?P<a>\d{1,2})\.\s?(?P<b>\d{1,2})\.\s?(?P<year>\d{4})\b", _dotted),
        (
            FactKind.DATE,
            rf"\b(?P<month>{any_of(_MONTHS, least=3)})\b\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"
            rf"(?!:){_YEAR}?",
            _named_date,
        ),
        (
            FactKind.DATE,
            r"\b(?P<day>\d{1,2})(?:st|nd|rd|th|º)?\s+(?:of\s+|de\s+)?"
            rf"(?P<month>{any_of(_MONTHS, least=3)})\b\.?{_YEAR}?",
            _named_date,
        ),
        (FactKind.DATE, rf"\b(?P<month>{any_of(_MONTHS, least=3)})\b\.?{_YEAR}", _month),
        (
            FactKind.DATE,
            rf"\b(?P<name>{any_of({k: 0 for k in _WEEKDAYS if k not in ('sat', 'sun', 'mon')})})\b",
            _weekday,
        ),
        (
            FactKind.DATE,
            r"\btomorrow\b|(?<!\bla )(?<!esta )\bmañana\b(?! por)",
            lambda _: same("tomorrow"),
        ),
        (
            FactKind.DOSE,
            rf"(?P<number>{COUNT})(?:[\s-]?|\s(?:of\s)?an?\s)(?P<unit>{_DOSE_UNITS})\b{_MORE}",
            _counted,
        ),
        (
            FactKind.DOSE,
            rf"(?P<often>\bonce\b|\btwice\b|(?P<number>{COUNT})\s+(?:times|veces|vez))\s+(?:an?|per|al?|por)\s+"
            r"(?P<every>hour|day|week|month|hora|d[ií]a|semana|mes)\b",
            _often,
        ),
        (
            FactKind.DOSE,
            rf"\b(?:every|cada)\s+(?P<number>{COUNT})\s+(?P<unit>{_SPAN_UNITS})\b{_MORE}",
            _every,
        ),
        (
            FactKind.TIME,
            r"\b(?P<hour>\d{1,2})(?=\s*(?:-|–|to)\s*\d{1,2}(?:[:.]\d\d)?\s?[ap]\.?\s?m\b)",
            _clock,
        ),
        (
            FactKind.TIME,
            rf"\b(?P<hour>\d{{1,2}})(?:[:.](?P<minute>\d\d))?\s?{_MERIDIEM}",
            _clock,
        ),
        (
            FactKind.TIME,
            r"\b(?P<hour>\d{1,2})[:h](?P<minute>\d\d)(?::\d\d)?\b"
            r"(?:\s+de la (?P<part>ma[ñn]ana|tarde|noche))?",
            _clock,
        ),
        (
            FactKind.TIME,
            r"\ba las? (?P<hour>\d{1,2})\b(?:\s+(?P<more>y media|y cuarto))?"
            r"(?:\s+de la (?P<part>ma[ñn]ana|tarde|noche))?",
            _clock,
        ),
        (
            FactKind.TIME,
            r"\bat (?P<hour>\d{1,2})(?=\s*(?:[,;!?)]|\.(?!\d)|$|on\b|tomorrow\b|in the\b|for\b"
            r"|and\b|or\b))|\b(?P<hour2>\d{1,2})\s*o['’]?clock",
            lambda match: minute(int(match["hour"] or match["hour2"]), 0),
        ),
        (FactKind.TIME, r"\b(?:noon|midday|midnight|mediod[ií]a|medianoche)\b", _noon),
        (
            FactKind.PHONE,
            r"(?<![\w.])(?P<number>\+?\(?\d(?:[ ().-]{0,2}\d){6,14})(?!\w)",
            _phone,
        ),
        (
            FactKind.PHONE,
            r"\b(?:call|dial|text|llame al|llamar al|marque(?: el)?)\s+(?P<number>\d{3,6})\b",
            _phone,
        ),
        (
            FactKind.SPAN,
            rf"(?P<number>{COUNT})[\s-](?:business |working )?(?P<unit>{_SPAN_UNITS})\b{_MORE}",
            _counted,
        ),
        (FactKind.DRUG, r"\b[^\W\d_]{4,}\b", _drug),
    )
)
_BARE = re.compile(r"(?<![\w.,])\d[\d.,]*\d(?!\w)|(?<![\w.,])\d(?!\w)")
#: A number beside such a word, or with cents, is an amount without its currency.
_MONEY = re.compile(
    r"\b(?:paid|pay|pays|paying|payments?|bills?|billed|charged?|charges|owed?|owe|owes|balance|costs?"
    r"|co-?pays?|prices?|fees?|amounts?|refund\w*|deductible|pagu\w+|pag[oó]s?|pagar|facturas?"
    r"|cobr\w+|deb[eo]|saldo|cost[oó]s?|cuesta|copagos?|precios?|cargos?|importe)\b",
    re.IGNORECASE,
)


def found(text: str) -> Iterator[tuple[FactKind, int, int, Meaning]]:
    """Yield every fact of a text with its place; no two share a letter."""
    rest = text
    for kind, pattern, reader in SHAPES:
        for match in list(pattern.finditer(rest)):
            meaning = reader(match)
            if meaning is not None:
                yield kind, match.start(), match.end(), meaning
                gap = "\x00" * (match.end() - match.start())
                rest = rest[: match.start()] + gap + rest[match.end() :]


def bare_numbers(text: str) -> Iterator[str]:
    """Yield the amounts of a source that stand there without their currency, as keys."""
    rest = text
    for _, start, end, _ in found(text):
        rest = rest[:start] + "\x00" * (end - start) + rest[end:]
    for match in _BARE.finditer(rest):
        around = rest[max(match.start() - 40, 0) : match.end() + 40]
        if _MONEY.search(around) or re.search(r"[.,]\d\d$", match[0]):
            yield f"number {price(match[0])}"
