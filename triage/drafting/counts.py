"""How many: numbers as figures and as words, in English and Spanish, read whole or not at all.

Rule of the room: a number is taken with everything that belongs to it on its left, and one that is
only half understood means nothing that a source could say.
"""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from triage.drafting.spelling import folded

_ACCENTED = {"a": "[aá]", "e": "[eé]", "i": "[ií]", "o": "[oó]", "n": "[nñ]", "u": "[uú]"}


def any_of(names: Iterable[str], *, least: int = 1) -> str:
    """Return a pattern for any of these names, accents or not."""
    spelled = sorted((name for name in names if len(name) >= least), key=len, reverse=True)
    return "|".join("".join(_ACCENTED.get(one, one) for one in name) for name in spelled)


_ONES = {
    name: number
    for number, names in enumerate(
        (
            "one un una uno", "two dos", "three tres", "four cuatro", "five cinco", "six seis",
            "seven siete", "eight ocho", "nine nueve", "ten diez", "eleven once", "twelve doce",
            "thirteen trece", "fourteen catorce", "fifteen quince", "sixteen dieciseis",
            "seventeen diecisiete", "eighteen dieciocho", "nineteen diecinueve", "",
            "veintiun veintiuno veintiuna", "veintidos", "veintitres", "veinticuatro",
            "veinticinco", "veintiseis", "veintisiete", "veintiocho", "veintinueve",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_TENS = {
    name: number * 10
    for number, names in enumerate(
        (
            "twenty veinte", "thirty treinta", "forty cuarenta", "fifty cincuenta",
            "sixty sesenta", "seventy setenta", "eighty ochenta", "ninety noventa",
        ),
        2,
    )
    for name in names.split()
}  # fmt: skip
_HALVES = ("half", "media", "medio")
#: They change a number beside them, and how is not read here.
_LARGE = frozenset(
    {"hundred", "hundreds", "thousand", "thousands", "million", "dozen", "quarter", "quarters"}
    | {"third", "thirds", "cien", "ciento", "cientos", "mil", "millon", "docena", "doscientos"}
    | {"doscientas", "trescientos", "trescientas", "quinientos", "quinientas", "cuarto"}
    | {"cuartos", "tercio", "tercios"}
)
#: Fractions that are one sign.
_PARTS = {
    "½": Fraction(1, 2),
    "¼": Fraction(1, 4),
    "¾": Fraction(3, 4),
    "⅓": Fraction(1, 3),
    "⅔": Fraction(2, 3),
}
_HALF = Fraction(1, 2)

_SIGNS = "".join(_PARTS)
_FIGURE = rf"(?:[.,]{{0,3}}\d(?:[\d.,/⁄'’]{{0,24}}\d)?[{_SIGNS}]?|[{_SIGNS}])"
_WORD = rf"\b(?:{any_of((*_ONES, *_TENS, *_HALVES, *_LARGE))})\b"
#: What makes one number, a range or a product of two.
_JOIN = (
    r"(?:\s{0,2}[-–—]\s{0,2}|\s{0,2}[x×*]\s{0,2}"
    r"|\s{1,3}(?:to|or|and|y|o|ó|u|a)\s{1,3}(?:an?\s)?)"
)
#: Figures side by side are one number; "one 10 mg tablet" has two, and so has what follows a year.
_BESIDE = (
    rf"(?:(?<!\d{{4}})(?<=[\d{_SIGNS}])\s{{1,3}}"
    rf"(?:{_FIGURE}|\b(?:{any_of((*_HALVES, *_LARGE))})\b)"
    rf"|(?<=[^\W\d_])\s{{1,3}}{_WORD})"
)
#: Where a number may begin: never within another one or a telephone; a letter or two right before
#: it are part of it.
_BEGIN = (
    r"(?<![.,])(?<!\d[/⁄:'’–—-])(?!\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}\b)(?!\d{3}[.-]\d{4}\b)"
    r"(?:(?<=[^\W\d_])(?=[.,])|(?<=[^\W\d_]{3})(?=\d)|(?<![^\W_])(?:[^\W\d_]{1,2}(?=\d))?)"
)
#: A number with all that belongs to it; each part is of bounded length.
COUNT = rf"{_BEGIN}(?:{_FIGURE}|{_WORD})(?:{_JOIN}(?:{_FIGURE}|{_WORD})|{_BESIDE}){{0,3}}"

_TOKEN = re.compile(rf"{_FIGURE}|[^\W\d_]+|[-–—×*]")
_THOUSANDS = re.compile(
    r"[1-9]\d{0,2}(?:(?:,\d{3}){2,}(?:\.\d+)?|(?:\.\d{3}){2,}(?:,\d+)?|,\d{3}\.\d+|\.\d{3},\d+)",
    re.ASCII,
)
_ONE_GROUP = re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_PLAIN = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+|,\d{1,2}|,\d{4,})?|0,\d{3}|[.,]\d+", re.ASCII)
_FRACTION = re.compile(r"([1-9])/([2-9])")
#: "Every 08 hours"; a dose that begins so may have lost its point.
_PADDED = re.compile(r"(?<![\d.,])0(?=\d(?!\d))")
_BETWEEN = {"-": "to", "–": "to", "—": "to", "to": "to", "a": "to", "or": "to", "o": "to"} | {
    "u": "to", "and": "and", "y": "and", "x": "x", "×": "x", "*": "x"
}  # fmt: skip

#: Prices have no third decimal: a group of three digits after a sign is a thousand.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?P<sign>[.,])\d{3}(?:(?P=sign)\d{3})*(?:[.,]\d{1,2})?")

#: A number, or its own spelling where nobody can tell what it means.
_Number = Fraction | str


def counted(text: str, *, whole: bool, padded: bool) -> str:
    """Return the key of a number that `COUNT` found, empty where it is not understood.

    `whole` is said of what comes in whole things, such as tablets and units, `padded`
    of what may begin with a nought.
    """
    plain = text.replace("⁄", "/")
    if padded:
        plain = _PADDED.sub("", plain)
    tokens = [folded(one) if one.isalpha() else one for one in _TOKEN.findall(plain)]
    alone = _number(tokens, whole=whole)
    if alone is not None:
        return str(alone)
    for at in range(1, len(tokens) - 1):
        how = _BETWEEN.get(tokens[at])
        one, other = _number(tokens[:at], whole=whole), _number(tokens[at + 1 :], whole=whole)
        if how is None or one is None or other is None:
            continue
        if how == "x":
            return f"{one} x {other}"
        # A range that falls is something else, such as a dose that is made smaller.
        if isinstance(one, Fraction) and isinstance(other, Fraction) and one < other:
            return f"{one} {how} {other}"
    return ""


def price(text: str) -> str:
    """Return digits of an amount in one spelling; what is no number stays as it is written."""
    grouped = _GROUPED.fullmatch(text)
    if grouped:
        whole, point, cents = text, "", ""
        if not re.search(r"[.,]\d{3}$", text):
            whole, point, cents = text[:-3], ".", text[-2:]
            if text[-2] in ".,":
                whole, cents = text[:-2], text[-1]
        text = re.sub("[.,]", "", whole) + point + cents
    try:
        return f"{Decimal(text.replace(',', '.')).normalize():f}"
    except InvalidOperation:
        return text


def _number(tokens: list[str], *, whole: bool) -> _Number | None:
    """Return what the parts of one number come to; None where that is not known."""
    first, rest = _alone(tokens[0], whole=whole), tokens[1:]
    if not rest:
        return first
    joint = rest.pop(0) if len(rest) > 1 and rest[0] in ("-", "–", "—", "and", "y") else ""
    if joint in ("and", "y") and len(rest) > 1 and rest[0] in ("a", "an"):
        rest.pop(0)
    if len(rest) != 1 or not isinstance(first, Fraction) or first.denominator != 1:
        return None
    return _added(tokens[0], first, joint, rest[0])


def _added(word: str, first: Fraction, joint: str, more: str) -> _Number | None:
    """Return a whole number with what stands after it: twenty-two, two and a half, 2 1/2."""
    if word in _TENS and _ONES.get(more, 10) < 10:
        return first + _ONES[more] if joint != "and" else None
    last = _alone(more, whole=True)
    # "1,5 0,5" is no sum: only what is written as a fraction is added.
    if not isinstance(last, Fraction) or not 0 < last < 1 or not first or set(".,") & set(more):
        return None
    if more in _HALVES and joint not in ("and", "y"):
        # "One half" is a half, and "2 half tablets" are one.
        return last if word in _ONES and first == 1 else None
    return first + last


def _alone(token: str, *, whole: bool) -> _Number | None:
    if token in _HALVES:
        return _HALF
    if token.isalpha():
        known = _ONES.get(token) or _TENS.get(token)
        return None if known is None else Fraction(known)
    part = _PARTS.get(token[-1])
    if part is not None:
        before = _figure(token[:-1], whole=whole) if token[:-1] else Fraction(0)
        joined = isinstance(before, Fraction) and before.denominator == 1
        return before + part if joined and isinstance(before, Fraction) else None
    fraction = _FRACTION.fullmatch(token)
    if fraction and int(fraction[1]) < int(fraction[2]):
        return Fraction(int(fraction[1]), int(fraction[2]))
    if "/" in token:
        # The two strengths of a combined medicine.
        parts = [_figure(one, whole=whole) for one in token.split("/")]
        return None if None in parts else ":".join(map(str, parts))
    return _figure(token, whole=whole)


def _figure(text: str, *, whole: bool) -> _Number | None:
    """Read digits; a point is never a sign of thousands here, and a comma is one only for some."""
    if _THOUSANDS.fullmatch(text):
        point = max(text.rfind(","), text.rfind("."))
        if text.count(text[point]) > 1:
            return Fraction(re.sub("[.,]", "", text))
        return Fraction(f"{re.sub('[.,]', '', text[:point])}.{text[point + 1 :]}")
    if _ONE_GROUP.fullmatch(text) and ("," in text or whole):
        # A thousand to some and a decimal to others; nobody writes a decimal with two noughts.
        thousands = "," in text and (whole or text.endswith("00"))
        return Fraction(text.replace(",", "")) if thousands else text
    return Fraction(f"0{text}".replace(",", ".")) if _PLAIN.fullmatch(text) else None
