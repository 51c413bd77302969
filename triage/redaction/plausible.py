"""Puts invented values where placeholders stand, so that redacted rows read like real messages.

Rule of the room: no original is ever seen here. A value comes from chance alone, stays the same
throughout a conversation, and is nobody the clinic knows.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations

from triage.domain import NOBODY, Background, IdentifierType, KnownPeople, fold, name_words
from triage.encoder.texts import TaggedText
from triage.redaction.known import known_people
from triage.redaction.surrogates import Inventor, Piece, joined
from triage.redaction.table import text_lists, word_list

Type = IdentifierType

_PLACEHOLDER = re.compile(rf"\[({'|'.join(IdentifierType)})_\d+\]")
_BIRTH = re.compile(
    r"\b(?:d\.?o\.?b\.?|born|birth ?da(?:y|te)|nacid[oa]|nacimiento)\W.{0,8}$", re.I
)
_SPANISH = re.compile(r"\b(?:hola|gracias|por favor|buen[oa]s|para|pero|necesito|cita|que)\b", re.I)
_MONTHS = "January February March April May June July August September October November December"
_MESES = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
#: So many draws try to share no word with anybody; a large roster leaves few such names.
_TRIES = 40
_AREAS = range(201, 990)
_SHAPES: Mapping[Type, tuple[str, ...]] = {
    Type.MRN: ("9999999", "99-99-99", "A-999999", "AA999999"),
    Type.MEMBER_ID: ("AAA999999999", "A99-9999-99", "9999999999A", "AA9999-999"),
    Type.ACCOUNT: ("999-999999", "99999999", "A-9999-999", "9999"),
    Type.LICENSE: ("AAA-9999", "A9999999", "999-AAA", "AA-999-999"),
    Type.DEVICE: ("AA99-9999-A", "A9A-99999", "SN9999999", "99A9A9999"),
    Type.OTHER_ID: ("9999999", "AA-99999", "A99-999", "AAA9A9", "RX999999"),
}


@dataclass(slots=True)
class Surrogates:
    """Who and what stands for the placeholders of one export."""

    #: Where every value comes from; the system's own chance unless a test wants to see it twice.
    chance: random.Random
    #: Around this day dates of visits and calls fall.
    today: date
    known: KnownPeople = NOBODY
    #: (conversation, placeholder) -> its value; a value stands for one placeholder there.
    _given: dict[tuple[str, str], str] = field(default_factory=dict)
    _used: set[tuple[str, str]] = field(default_factory=set)

    def put(self, text: str, conversation: str) -> TaggedText:
        """Return a redacted text with a value for every placeholder, and where each stands."""
        spanish = len(_SPANISH.findall(text)) > 1
        parts: list[Piece] = []
        at = 0
        for match in _PLACEHOLDER.finditer(text):
            before = text[at : match.start()]
            parts += [(before, None), (self._value(match, conversation, spanish), match[1])]
            at = match.end()
        return joined([part for part in (*parts, (text[at:], None)) if part[0]])

    def _value(self, match: "re.Match[str]", conversation: str, spanish: bool) -> str:
        key = (conversation, match[0])
        if key not in self._given:
            before = match.string[max(match.start() - 30, 0) : match.start()]
            value = self._fresh(Type(match[1]), conversation, before, spanish)
            self._given[key] = value
            self._used.add((conversation, value))
        return self._given[key]

    def _fresh(self, kind: Type, conversation: str, before: str, spanish: bool) -> str:
        """Draw until the value is nobody the clinic knows and, if it can be, new here."""
        draw = _Draw(self.chance, self.today, before, spanish)
        attempt, value = 0, draw(kind)
        while self._is_known(kind, value, strict=attempt < _TRIES) or (
            attempt < _TRIES and (conversation, value) in self._used
        ):
            attempt += 1
            coin = kind is Type.NAME and attempt >= 2 * _TRIES
            value = f"{draw.coined()} {draw.coined()}" if coin else draw(kind)
        return value

    def _is_known(self, kind: Type, value: str, *, strict: bool) -> bool:
        finds = known_people(value, Background(self.known))
        if kind is not Type.NAME:
            return any(find.type is not Type.NAME for find in finds)
        words = name_words(value)
        if len(words) < 2:
            return any(map(self.known.name_part, words))
        whole = any(self.known.together(*pair) for pair in combinations(words, 2))
        return whole or (strict and bool(finds))


@dataclass(frozen=True, slots=True)
class _Draw:
    """One source of values of every type, at one place of a text."""

    chance: random.Random
    today: date
    before: str
    spanish: bool

    def __call__(self, kind: Type) -> str:
        if kind in _SHAPES:
            return self._shaped(self.chance.choice(_SHAPES[kind]))
        return _DRAWS[kind](self)

    def name(self) -> str:
        """Return a name of some culture that says nothing of the person's sex."""
        culture = self.chance.choice(tuple(word_list("plausible.yaml").values()))
        given, family = (self.chance.choice(names.split()) for names in culture)
        initial = self.chance.choice("ABCDEFGHJKLMNPRSTW")
        forms = [
            f"{given} {family}",
            given,
            f"{given} {initial}. {family}",
            f"{given} {family[0]}.",
        ]
        return self.chance.choices(forms, [75, 12, 9, 4])[0]

    def coined(self) -> str:
        """Return a name that nobody bears, for where every name of the lists is borne."""
        letters = (
            self.chance.choice("bdfgklmnprstvz") + self.chance.choice("aeiou") for _ in "1234"
        )
        return "".join(letters).capitalize()

    def date(self) -> str:
        """Return a birthday where one is asked for, else a day of about the last year."""
        born = _BIRTH.search(self.before) is not None
        span = (-92 * 365, -300) if born else (-400, 60)
        day = self.today + timedelta(days=self.chance.randint(*span))
        forms = (_fechas if self.spanish else _dates)(day)
        # A birthday is said with its year.
        return self.chance.choice([form for form in forms if not born or str(day.year) in form])

    def address(self) -> str:
        """Return a street with or without its town, or a town alone, on one line."""
        if self.chance.random() < 0.2:
            return self._inventor.town()
        return self._inventor.street().replace("\n", ", ")

    def phone(self) -> str:
        """Return a number of the hundred that are kept for stories."""
        area, line = self.chance.choice(_AREAS), self.chance.randint(0, 99)
        forms = ["({}) 555-01{:02}", "{}-555-01{:02}", "{}.555.01{:02}", "{} 555 01{:02}"]
        return self.chance.choice(forms).format(area, line)

    def email(self) -> str:
        """Return an address in a domain kept for examples."""
        name = _plain_letters(self._inventor.given()) or "someone"
        domain = self.chance.choice(["com", "net", "org"])
        return f"{name}{self.chance.randint(1, 999)}@example.{domain}"

    def ssn(self) -> str:
        """Return a number that is given to nobody, neither as SSN nor as tax number."""
        area, group = self.chance.randint(900, 999), self.chance.randint(1, 49)
        form = self.chance.choice(["{}-{:02}-{:04}", "{} {:02} {:04}"])
        return form.format(area, group, self.chance.randint(1, 9999))

    def url(self) -> str:
        """Return a link into a domain kept for examples."""
        host = _plain_letters(self.chance.choice(text_lists()["streets"])) or "portal"
        page = self.chance.choice(["forms", "results", "visit", "u"])
        return f"https://{host}.example.com/{page}/{self.chance.randint(100, 99999)}"

    def ip(self) -> str:
        """Return an address of the networks kept for documentation."""
        network = self.chance.choice(["192.0.2", "198.51.100", "203.0.113"])
        return f"{network}.{self.chance.randint(1, 254)}"

    def age(self) -> str:
        """Return an age that has to be hidden."""
        return str(self.chance.randint(90, 104))

    def employer(self) -> str:
        """Return an employer or a school."""
        return self._inventor.employer()

    @property
    def _inventor(self) -> Inventor:
        return Inventor(self.chance)

    def _shaped(self, shape: str) -> str:
        # A leading zero would be lost in a spreadsheet and no longer be the same value.
        text = re.sub("9", lambda _: str(self.chance.randint(1, 9)), shape)
        return re.sub("A", lambda _: self.chance.choice("ABCDEFGHKMNPRTVWX"), text)


_DRAWS: Mapping[Type, Callable[[_Draw], str]] = {
    Type.NAME: _Draw.name,
    Type.ADDRESS: _Draw.address,
    Type.DATE: _Draw.date,
    Type.AGE: _Draw.age,
    Type.PHONE: _Draw.phone,
    Type.EMAIL: _Draw.email,
    Type.SSN: _Draw.ssn,
    Type.URL: _Draw.url,
    Type.IP: _Draw.ip,
    Type.ORG: _Draw.employer,
}


def _plain_letters(word: str) -> str:
    return fold(word).encode("ascii", "ignore").decode("ascii")


def _dates(day: date) -> list[str]:
    month, number, year = day.month, day.day, day.year
    name = _MONTHS.split()[month - 1]
    return [
        f"{month}/{number}/{year}",
        f"{month:02}/{number:02}/{year}",
        f"{month:02}-{number:02}-{year}",
        day.isoformat(),
        f"{name} {number}, {year}",
        f"{name[:3]} {number}, {year}",
        f"{number} {name} {year}",
        f"{month}/{number}/{year % 100:02}",
        f"{name} {number}",
        f"{name[:3]} {number}",
        f"{month}/{number}",
    ]


def _fechas(day: date) -> list[str]:
    month, number, year = day.month, day.day, day.year
    name = _MESES.split()[month - 1]
    return [f"{number} de {name} de {year}", f"{number}/{month:02}/{year}", f"{number} de {name}"]
