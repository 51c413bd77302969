"""Invents names, addresses, dates and numbers, and puts them where real ones were marked.

Rule of the room: for training only. Everything is drawn from a seeded source of chance and from
the lists in `surrogates.yaml`; one name in a message stays one name.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from triage.encoder.texts import TaggedText
from triage.redaction.table import HERE, text_lists, word_list

#: A piece of text and its type, or None where there is nothing to hide.
Piece = tuple[str, str | None]

_MONTHS = "January February March April May June July August September October November December"
_MESES = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
_STATES = "AL AK AZ AR CA CO CT FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ"
_WORD = re.compile(r"[^\W\d_](?:['’-]?[^\W\d_])*")
_SYLLABLES = (
    "ba be da do fe ga ja ka ko la le li lo ma me mi na ne no ra re ri sa se ta te ti va ve za"
)
_ENDINGS = "n r s l th ndra lyn ton ski vic shi moto wala dze escu ova ian oglu man sen quist ette"


@dataclass(slots=True)
class Inventor:
    """A seeded source of surrogates."""

    chance: random.Random

    def given(self) -> str:
        """Return a given name of some culture, a word that is one, or one nobody has."""
        pick = self.chance.random()
        if pick < 0.12:
            return self._made_up()
        return self._word_name() if pick < 0.2 else self._one("given")

    def family(self) -> str:
        """Return a family name, now and then a double one."""
        pick = self.chance.random()
        name = self._made_up() if pick < 0.15 else self._one("family")
        name = self._word_name() if 0.15 <= pick < 0.2 else name
        return f"{name}-{self._one('family')}" if self.chance.random() < 0.1 else name

    def name(self) -> str:
        """Return a full name in one of the ways people write it."""
        given, family = self.given(), self.family()
        initial = self.chance.choice("ABCDEFGHJKLMNPRSTW")
        return self.chance.choices(
            [
                f"{given} {family}",
                f"{given} {initial}. {family}",
                f"{given[0]}. {family}",
                f"{family}, {given}",
                f"{given} {self._one('given')} {family}",
                f"{given} {family} {self._one('family')}",
                f'{given} "{self._one("given")}" {family}',
                f"{given} {family[0]}.",
                f"{family} {given}",
            ],
            [12, 2, 2, 1, 1, 2, 0.5, 1, 0.5],
        )[0]

    def town(self) -> str:
        """Return a town, alone."""
        return self._one("towns")

    def street(self) -> str:
        """Return an address, whole or in part."""
        pick, number = self.chance.random(), self.chance.randint(1, 9999)
        line = f"{number} {self._one('streets')} {self._one('suffixes')}"
        if self.chance.random() < 0.3:
            unit = self.chance.choice(["Apt ", "Unit ", "#", "Suite ", "Lot ", "apt. "])
            door = self._code("9a") if unit == "#" else str(self.chance.randint(1, 40))
            line += self.chance.choice([", ", " "]) + unit + door
        if pick < 0.08:
            line = f"P.O. Box {number}"
        elif pick < 0.14:
            line = f"Rural Route {self.chance.randint(1, 9)}, Box {self.chance.randint(2, 400)}"
        if self.chance.random() < 0.35:
            return line
        comma = self.chance.choice([", ", "\n", " "])
        state = self.chance.choice(_STATES.split())
        zip = self.chance.choice(["", f" {self.chance.randint(10000, 99999)}"])
        return f"{line}{comma}{self.town()}{self.chance.choice([', ', ' '])}{state}{zip}"

    def employer(self) -> str:
        """Return an employer or a school."""
        first = self.chance.choice([self._one("family"), self._one("streets"), self._one("towns")])
        kind, pick = self._one("employers"), self.chance.random()
        if pick < 0.1:
            return f"{first} & {self._one('family')} {kind}"
        if pick < 0.18:
            return f"{self._one('streets')} {first} {kind}"
        if pick < 0.23:
            return f"Escuela Primaria {first}"
        return f"{self._made_up()}{kind.split()[0]}" if pick < 0.28 else f"{first} {kind}"

    def date(self) -> str:
        """Return a date in one of many forms."""
        day, month = self.chance.randint(1, 28), self.chance.randint(1, 12)
        year = self.chance.randint(1930, 2025)
        name = _MONTHS.split()[month - 1]
        short = f"{year % 100:02d}"
        forms = [
            f"{month}/{day}/{year}",
            f"{month}/{day}/{short}",
            f"{month:02d}-{day:02d}-{year}",
            f"{month}-{day}-{short}",
            f"{month}.{day}.{short}",
            f"{month} {day} {short}",
            f"{year}-{month:02d}-{day:02d}",
            f"{month}/{day}",
            f"{name} {day}",
            f"{name[:3]} {day}",
            f"{name} {day}, {year}",
            f"{name} {self._nth(day)}",
            f"{day} {name} {year}",
            f"{day} {name[:3]}",
            f"{name} of {year}",
            f"the {self._nth(day)}",
        ]
        return self.chance.choice(forms)

    def fecha(self) -> str:
        """Return a date in Spanish."""
        month, day = self.chance.choice(_MESES.split()), self.chance.randint(1, 28)
        year = self.chance.choice(["", f" de {self.chance.randint(1935, 2024)}"])
        return f"{day} de {month}{year}"

    def phone(self) -> str:
        """Return a telephone number nobody has."""
        form = self.chance.choice(["({}) 555-01{}", "{}-555-01{}", "{}.555.01{}", "{} 555 01{}"])
        return form.format(self.chance.randint(201, 989), f"{self.chance.randint(0, 99):02d}")

    def email(self) -> str:
        """Return an address in a domain kept for examples."""
        domain = self.chance.choice(["com", "net", "org"])
        return f"{self.given().lower()}{self.chance.randint(1, 99)}@example.{domain}"

    def code(self) -> str:
        """Return a number with letters and hyphens."""
        return self._code(
            self.chance.choice(["aa-99999", "9999999", "a99999", "99-999-9", "aaa9a9"])
        )

    def like(self, text: str) -> str:
        """Return `text` with other letters and digits of the same kind in its numbers."""

        def swap(match: "re.Match[str]") -> str:
            word = match[0]
            if not any(map(str.isdigit, word)):
                return word
            return "".join(map(self._same_kind, word))

        return re.sub(r"\w+", swap, text)

    def _same_kind(self, letter: str) -> str:
        if letter.isdigit():
            return str(self.chance.randint(0, 9))
        if letter.isascii() and letter.isupper():
            return self.chance.choice("ABCDEFGHJKLMNPQRSTUVWXYZ")
        return letter

    def _code(self, shape: str) -> str:
        digits = re.sub("9", lambda _: str(self.chance.randint(0, 9)), shape)
        return re.sub("a", lambda _: self.chance.choice("ABCDEFGHKMNPRSTVWX"), digits)

    @staticmethod
    def _nth(day: int) -> str:
        ending = {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
        return f"{day}{'th' if 10 < day < 14 else ending}"

    def _made_up(self) -> str:
        parts = self.chance.choices(_SYLLABLES.split(), k=self.chance.randint(1, 3))
        return "".join([*parts, self.chance.choice(_ENDINGS.split())]).capitalize()

    def _word_name(self) -> str:
        return self.chance.choice(word_list("readable.yaml")["words_and_names"]).capitalize()

    def _one(self, section: str) -> str:
        return self.chance.choice(text_lists()[section])


def pieces(text: str, spans: Sequence[tuple[int, int, str]]) -> list[Piece]:
    """Cut a text at its spans."""
    cut: list[Piece] = []
    at = 0
    for start, end, type in sorted(spans):
        if start < at:
            continue
        cut += [(text[at:start], None), (text[start:end], type)]
        at = end
    return [piece for piece in [*cut, (text[at:], None)] if piece[0]]


def joined(parts: Sequence[Piece], *, weight: float = 1.0) -> TaggedText:
    """Put pieces together again."""
    text, spans = "", []
    for part, type in parts:
        if type is not None:
            spans.append((len(text), len(text) + len(part), type))
        text += part
    return TaggedText(text, tuple(spans), weight=weight)


def varied(text: TaggedText, chance: random.Random) -> TaggedText:
    """Return the text with every identifier replaced and its writing changed a little."""
    inventor = Inventor(chance)
    names: dict[str, str] = {}
    parts: list[Piece] = []
    for part, type in pieces(text.text, text.spans):
        if type is None:
            parts.append((part, None))
        else:
            before = parts[-1][0] if parts else ""
            parts.append((_surrogate(part, type, before, inventor, names), type))
    return joined(_rewritten(parts, chance), weight=text.weight)


def _surrogate(part: str, type: str, before: str, inventor: Inventor, names: dict[str, str]) -> str:
    if type == "NAME":
        return _renamed(part, before, inventor, names)
    if type == "ORG":
        return inventor.employer()
    if type == "ADDRESS":
        return inventor.street() if any(map(str.isdigit, part)) else inventor.town()
    if type == "DATE" and inventor.chance.random() < 0.5 and not _spanish(part):
        return inventor.date()
    if type == "AGE":
        return f"9{inventor.chance.randint(0, 9)}" if part.isdigit() else part
    return inventor.email() if type == "EMAIL" else inventor.like(part)


def _spanish(part: str) -> bool:
    return " de " in part or part.lower().startswith("el ")


def _renamed(part: str, before: str, inventor: Inventor, names: dict[str, str]) -> str:
    """Replace each word of a name; the same word becomes the same word throughout a message."""
    kept = word_list("readable.yaml")["particles"]
    words = [word for word in _WORD.findall(part) if word.lower() not in kept]
    if inventor.chance.random() < 0.1 and len(words) > 1 and "," not in part:
        return inventor.name()
    titled = re.search(r"(?:Dr|Mr|Mrs|Ms|Sra?|Dra|doctora?|señora?)\.? ?$", before) is not None

    def swap(match: "re.Match[str]") -> str:
        word = match[0]
        low = word.lower()
        if low in kept:
            return word
        if len(word) == 1:
            return _cased(inventor.chance.choice("ABCDEFGHJKLMNPRSTW"), word)
        last = len(words) > 1 and word == words[-1]
        new = names.setdefault(low, inventor.family() if last or titled else inventor.given())
        return _cased(new, word)

    return _WORD.sub(swap, part)


def _cased(new: str, like: str) -> str:
    if like.isupper():
        return new.upper()
    return new.lower() if like.islower() else new


def _rewritten(parts: Sequence[Piece], chance: random.Random) -> list[Piece]:
    """Change capitals, stops and letters as hurried people do."""
    pick = chance.random()
    change: Callable[[str], str] = str
    if pick < 0.16:
        change = str.lower
    elif pick < 0.25:
        change = str.upper
    elif pick < 0.32:
        change = _dictated
    done = [(change(part) or part, type) for part, type in parts]
    if chance.random() < 0.15:
        done = [
            (_mistyped(part, chance) if type in (None, "NAME") else part, type)
            for part, type in done
        ]
    return done


def _dictated(part: str) -> str:
    return re.sub(r"[.,;:!?](?=\s|$)", "", part.lower())


def _mistyped(part: str, chance: random.Random) -> str:
    letters = list(part)
    for at in range(len(letters) - 1):
        if chance.random() < 0.012 and letters[at].isalpha() and letters[at + 1].isalpha():
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def frames(chance: random.Random) -> list[TaggedText]:
    """Return the pieces of `frames.txt`, filled, two to four together as one text."""
    lines = (HERE / "frames.txt").read_text(encoding="utf-8").splitlines()
    filled = [_filled(line, Inventor(chance)) for line in lines if line and line[0] != "#"]
    chance.shuffle(filled)
    texts = []
    while filled:
        count = chance.randint(2, 4)
        chosen, filled = filled[:count], filled[count:]
        parts: list[Piece] = []
        for frame in chosen:
            parts += [*frame, (chance.choice([". ", "\n", ".\n\n", " "]), None)]
        texts.append(joined(_rewritten(parts, chance)))
    return texts


def _filled(line: str, inventor: Inventor) -> list[Piece]:
    makers = _makers(inventor)
    parts: list[Piece] = []
    for part in re.split(r"(\{\{[A-Z]+\}\})", line.replace("⏎", "\n")):
        if part.startswith("{{"):
            make, type = makers[part[2:-2]]
            parts.append((make(), type))
        elif part:
            parts.append((part, None))
    return parts


def _makers(inventor: Inventor) -> Mapping[str, tuple[Callable[[], str], str | None]]:
    pick = inventor.chance
    return {
        "NAME": (inventor.name, "NAME"),
        "CAPNAME": (lambda: inventor.name().upper(), "NAME"),
        "GIVEN": (inventor.given, "NAME"),
        "FAMILY": (inventor.family, "NAME"),
        "TOWN": (inventor.town, "ADDRESS"),
        "STREET": (inventor.street, "ADDRESS"),
        "ORG": (inventor.employer, "ORG"),
        "DATE": (inventor.date, "DATE"),
        "FECHA": (inventor.fecha, "DATE"),
        "MONTH": (lambda: pick.choice(_MONTHS.split()), "DATE"),
        "NTH": (lambda: str(pick.randint(1, 30)) + pick.choice(["", "th"]), "DATE"),
        "DD": (lambda: str(pick.randint(1, 30)), "DATE"),
        "PHONE": (inventor.phone, "PHONE"),
        "EMAIL": (inventor.email, "EMAIL"),
        "CODE": (inventor.code, "OTHER_ID"),
        "DAY": (lambda: pick.choice(["Monday", "tomorrow", "Friday", "next week"]), None),
        "YEAR": (lambda: str(pick.randint(1998, 2025)), None),
    }
