"""Finds the places of a draft that may name somebody: whether they do, the roster says.

Rule of the room: a whole name, a salutation, a number or an address can only mean a person; a
single word may be a place, so that somebody answers for it.
"""

import re
from collections.abc import Iterator, Sequence

from triage.domain import FactKind, IdentifierType, Protected, Spot
from triage.domain.known import SMALL_WORDS, streets
from triage.drafting.shapes import found
from triage.drafting.spelling import folded

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: Between two parts of one name: blanks, a comma, a hyphen, an initial or a particle.
_JOINT = re.compile(r"[ \t]*[,\-]?[ \t]*(?:(?:[^\W\d_]\.?|de|del|la|van|von|der|da|dos)[ \t]+)*\n?")
_SALUTATION = re.compile(
    r"\b(?:hi|hello|hey|dear|hola|estimad[oa]s?|querid[oa]s?|buen[oa]s? \w+|good \w+)[ ,]+"
    r"(?:[^\W\d_]\.[ ]?){0,2}$",
    re.I,
)
_TITLE = re.compile(
    r"\b(?:mr|mrs|ms|miss|sr|sra|srta|don|doña|señora?|señorita)\.?\s+(?:[^\W\d_]\.[ ]?){0,2}$",
    re.I,
)
#: Up to three names may stand between the title and the word asked about.
_PROFESSIONAL = re.compile(
    r"\b(?:drs?|dra|doctora?|nurse|enfermer[oa]|prof|lic|np|pa|therapist)\.?[ \t]+"
    r"(?:(?:(?-i:[^\W\d_a-zà-ÿ])[^\W\d_]*\.?|de|del|la|van|von)[ \t]+){0,3}$",
    re.I,
)
#: What follows the name of a street, a shop or a house.
_PLACE = re.compile(
    r"^\s+(?:[^\W\d_]+\s+)?(?:street|st|avenue|ave|road|rd|drive|lane|row|court|boulevard|blvd|way"
    r"|square|park|pharmacy|drugstore|hospital|clinic|center|centre|practice|lab|labs|laboratory"
    r"|insurance|health|bank|school|university)\b",
    re.I,
)
_PLACE_BEFORE = re.compile(
    r"\b(?:calle|avenida|farmacia|hospital|cl[ií]nica|laboratorio|centro|san|santa)\s+(?:de\s+)?$",
    re.I,
)
_PLAIN = """
january february march april may june july august september october november december monday tuesday
wednesday thursday friday saturday sunday english spanish medicare medicaid christmas thanksgiving
easter hello dear kind best regards thank thanks please gracias hola saludos cordiales estimado
estimada sincerely
"""
#: Kinds of which a clinic has its own.
_PLACES = frozenset({IdentifierType.EMAIL, IdentifierType.ADDRESS, IdentifierType.MRN})
_NOT_NAMES = frozenset(_PLAIN.split())
#: Months that people are called by, too.
_MONTHS_TOO = frozenset({"april", "may", "june", "august"})
_BORN = re.compile(
    r"(?:\bborn\b|\bd\.?o\.?b\b|birth|nacid[oa]|nacimiento|\bnaci[oó])[^.\n]{0,40}$", re.I
)
_NUMBER = re.compile(
    r"(?<![\w.,$€£-])(?:(?P<label>[A-Za-z]{1,6})[ #:.-]{0,2})?"
    r"(?P<x>[A-Za-z]{0,6}\d[\dA-Za-z-]{3,20})(?!\w)"
)
#: What says that the number after it is somebody's record.
_RECORD = re.compile(
    r"(?:\bmrn|\b(?:records?|chart|patient|file|account|acct|member|expediente|historia|registro"
    r"|paciente|id)\b)(?:[ \t]+(?:number|num|no|id|is|es|n[uú]mero|de|cl[ií]nic[oa]))*[ \t#:.º°-]*$"
    r"|[a-z][#-]$",
    re.I,
)
_ENDS = re.compile(r"[.!?:]\s*$|\n\s*$|^\s*$")
#: The start of a line, quoted or not.
_LINE = re.compile(r"(?:\A|\n)[ \t>¡*]*\Z")
#: What follows a name that a line calls, or that stands on it alone; no "Salem, OR 97301".
_CALLED = re.compile(r"[ \t]*(?:(?P<sign>[,:!–—-])(?=\s|\Z)(?![ \t]+(?:[A-Z]{2}\b|\d))|\r?\n|\Z)")
_LAST = re.compile(r"[\s,]*\Z")
_COMMA_END = re.compile(r"[ \t]*,[ \t]*(?:\r?\n|\Z)")
#: Whoever stands under such a line signs.
_CLOSING = re.compile(
    r"\b(?:regards|sincerely|thanks|thank you|wishes|best|saludos|atentamente|cordialmente|gracias)"
    r"[ \t]*[,.!]?\s*\Z",
    re.I,
)
_INITIAL = re.compile(r"(?:\A|[^\w.])(?-i:[^\W\d_a-zà-ÿ])\.[ \t]?\Z")
#: Names that are also words a sentence of a clinic begins with; without the plural's s.
_ORDINARY = """
adult angel art autumn bank bill black blood bond book bright brown bush call care case chance
charity chase check child christian church clay close cold coleman cotton court cross crystal
dawn day dean destiny drive early english faith field first flower frank free friend garden gate
glass good grace grant great green hall hand happy harmony head heart heath hill holiday home
honor hope house how hunt iris ivy jade joy judge justice key lake land lane law light little
long love major many mark mercy mile mill moon more morning noble north nurse olive one page
park parking patience peace pearl penny person pool post power price prior rain ray read reason
rest rich ring river rose ruby rush sage school senior sharp she short silver small snow south
spring star steel stone street strong sue summer sunny swift temple test that trinity true
victory violet wall ward water week west what white who will winter wise wood word work worth
year young
blanco bravo bueno buena cabeza calle campo caro casa consuelo corte costa cruz cuesta delgado
dolore esperanza flor flore franco fuente gracia guerra iglesia leal luz mar mayor menor milagro
monte moreno pared parede paz plaza prado puerta remedio rio rosa rosario rubio sala salud
sierra socorro sol torre toro valle vista
"""
_WORDS_TOO = frozenset(_ORDINARY.split())
#: "She's" says nothing of whose something is.
_SHORTENED = frozenset({"she", "how", "who", "one", "let", "that", "what", "here", "there"})
#: Digits in groups, as a record's number may be written.
_PARTED = re.compile(r"(?<![\w.,$€£-])\d{1,10}(?:[ \t.–-]\d{1,10}){0,4}(?!\w)")
#: Facts whose digits may be a record's after all, where they are called one.
_MAY_BE_RECORDS = frozenset({FactKind.PHONE, FactKind.DOSE, FactKind.SPAN})


def spots_of(*texts: Protected) -> tuple[Spot, ...]:
    """Return every place that may name somebody, in these texts one after the other."""
    return tuple(spot for text in texts for spot in _spots(text.reveal()))


def words_of_all(*texts: Protected) -> frozenset[str]:
    """Return the folded words of some texts."""
    return frozenset(folded(word) for text in texts for word in _WORD.findall(text.reveal()))


def not_said_by(text: Protected, spots: Sequence[Spot]) -> tuple[Spot, ...]:
    """Return the spots without what a text, such as the clinic's settings, says itself.

    A number that is called a record, and a name, stay: no settings say whose they are.
    """
    own = {(spot.kind, key.casefold()) for spot in spots_of(text) for key in spot.keys}
    phones = [key for kind, key in own if kind is IdentifierType.PHONE]

    def says(spot: Spot) -> bool:
        if spot.kind is IdentifierType.PHONE:
            return any(one.endswith(key) for key in spot.keys for one in phones)
        named = spot.kind is IdentifierType.MRN and spot.sure
        known = any((spot.kind, key.casefold()) in own for key in spot.keys)
        return known and not named and spot.kind in _PLACES

    return tuple(spot for spot in spots if not says(spot))


def same_words(words: Protected, known: frozenset[str]) -> bool:
    """Whether every word is among folded ones."""
    return words_of_all(words) <= known


def _spots(text: str) -> Iterator[Spot]:
    rest = called = text
    for kind, start, end, meaning in found(text):
        words = Protected(text[start:end])
        if kind is FactKind.EMAIL:
            yield Spot(IdentifierType.EMAIL, words, (text[start:end],), sure=True)
        elif kind is FactKind.PHONE:
            keys = sorted(key.removeprefix("phone ") for key in meaning.asks)
            yield Spot(IdentifierType.PHONE, words, tuple(keys), sure=True)
        elif kind is FactKind.DATE:
            days = tuple(sorted(key for key in meaning.asks if re.fullmatch(r"\d{4}-.{5}", key)))
            born = _BORN.search(text, max(start - 60, 0), start) is not None
            if days:
                yield Spot(IdentifierType.DATE, words, days, sure=born)
        if kind is not FactKind.DRUG:
            rest = rest[:start] + " " * (end - start) + rest[end:]
            if kind not in _MAY_BE_RECORDS:
                called = called[:start] + "\x00" * (end - start) + called[end:]
    yield from _numbers(rest)
    yield from _records(called)
    for number, word in streets(text):
        street = Protected(f"{number} {word}")
        yield Spot(IdentifierType.ADDRESS, street, (f"{number} {word}",), sure=True)
    yield from _names(text)


def _numbers(text: str) -> Iterator[Spot]:
    for match in _NUMBER.finditer(text):
        number = _joined(match["x"])
        keys = {number, _joined(match["label"] or "") + number}
        # A bare number may be a year or a postal code.
        before = text[max(match.start("x") - 40, 0) : match.start("x")]
        sure = match["x"][0].isalpha() or _RECORD.search(before) is not None
        yield Spot(IdentifierType.MRN, Protected(match["x"]), tuple(sorted(keys)), sure=sure)


def _records(text: str) -> Iterator[Spot]:
    """Yield the numbers that are called a record, however their digits are grouped."""
    for match in _PARTED.finditer(text):
        if _RECORD.search(text[max(match.start() - 40, 0) : match.start()]) is None:
            continue
        # Something else may stand behind the number: each of its beginnings is looked up.
        for end in re.finditer(r"\d(?!\d)", match[0]):
            words = match[0][: end.end()]
            if len(_joined(words)) >= 4:
                yield Spot(IdentifierType.MRN, Protected(words), (_joined(words),), sure=True)


def _joined(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _names(text: str) -> Iterator[Spot]:
    words = [one for one in _WORD.finditer(text) if len(folded(one[0])) > 1]
    for at, match in enumerate(words):
        greeted = _is_greeted(text, match)
        if _is_small(match[0]) and not greeted:
            continue
        doctor = _PROFESSIONAL.search(text[max(match.start() - 60, 0) : match.start()])
        for other in () if doctor else words[at + 1 : at + 4]:
            if not _is_small(other[0]) and _one_name(text, match, other):
                whole = Protected(text[match.start() : other.end()])
                pair = (_key(match[0]), _key(other[0]))
                yield Spot(IdentifierType.NAME, whole, pair, sure=True)
        alone = greeted or _alone(text, match)
        if alone is not None:
            yield Spot(IdentifierType.NAME, Protected(match[0]), (_key(match[0]),), sure=alone)


def _is_greeted(text: str, match: re.Match[str]) -> bool:
    """Whether it can only be a name where it stands: "may," above all else, "Dear April,"."""
    if _COMMA_END.match(text, match.end()) is None:
        return False
    before = text[max(match.start() - 60, 0) : match.start()]
    named = folded(match[0]) in _MONTHS_TOO and _SALUTATION.search(before) is not None
    return named or not text[: match.start()].strip()


def _one_name(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    between = text[one.end() : other.start()]
    capitals = one[0][0].isupper() and other[0][0].isupper()
    if not capitals and (min(len(one[0]), len(other[0])) < 4 or between.strip()):
        return False
    return len(between) < 30 and _JOINT.fullmatch(between) is not None


def _alone(text: str, match: re.Match[str]) -> bool | None:
    """Whether one word alone certainly names somebody; None where it hardly can."""
    start, word = match.start(), match[0]
    before, after = text[max(start - 60, 0) : start], text[match.end() : match.end() + 40]
    if _PROFESSIONAL.search(before) or folded(word) in _NOT_NAMES:
        return None
    if _SALUTATION.search(before) or _TITLE.search(before):
        return True
    if not word[0].isupper():
        return None
    if _LINE.search(before) and _CALLED.match(after):
        # The last word of all, or the one under a closing, signs; "Price:" is a heading.
        signs = _CLOSING.search(before) or (_LAST.match(text, match.end()) and text[:start].strip())
        return not signs and (not _is_word_too(word) or _COMMA_END.match(after) is not None)
    if _PLACE.search(after) or _PLACE_BEFORE.search(before):
        return None
    return False if _is_likely(word, before) else None


def _is_likely(word: str, before: str) -> bool:
    """Whether a word with a capital may be a name where no line calls it."""
    if not _ENDS.search(before):
        return len(word) >= 5
    # At the start of a sentence every word has a capital; of these only names are asked about.
    if _key(word) != word:
        return len(_key(word)) >= 3 and folded(_key(word)) not in _SHORTENED
    if _is_word_too(word):
        return False
    return len(word) >= (3 if _INITIAL.search(before) else 5)


def _is_word_too(word: str) -> bool:
    plain = folded(_key(word))
    return plain in _WORDS_TOO or plain.removesuffix("s") in _WORDS_TOO


def _is_small(word: str) -> bool:
    return folded(word) in SMALL_WORDS or folded(word) in _NOT_NAMES


def _key(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s")
