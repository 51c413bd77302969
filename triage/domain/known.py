"""What a clinic knows of its own people, kept so that a text can be asked and nothing read out.

Names, telephones, addresses and ids become keyed digests. Whoever holds them can ask whether a
word is known; nobody can list the words. Spelling is folded here, once, for who makes the
digests (the store) and for who asks (redaction).
"""

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import permutations

from triage.domain.reading import Redaction
from triage.domain.text import Protected
from triage.domain.words import IdentifierType

#: From this many letters on one slip of the pen is forgiven.
FORGIVEN_FROM = 6
#: A run of more letters is no name; looking for slips in it would cost its square.
LONGEST_WORD = 40
#: A written name of more words than this is a list, and only its words are kept.
_LONGEST_NAME = 6
_LETTERS = re.compile(r"[^\W\d_]+")
_STREET = re.compile(r"(\d+)[a-z]?\s+(?:[nsew]{1,2}\.?\s+)?([^\W\d_]+)")
_ID_KINDS = frozenset(IdentifierType) - {
    IdentifierType.NAME,
    IdentifierType.EMAIL,
    IdentifierType.ADDRESS,
    IdentifierType.DATE,
    IdentifierType.AGE,
    IdentifierType.ORG,
    IdentifierType.URL,
}
#: Words in names that are nobody's, and titles that stand beside them.
SMALL_WORDS = frozenset(
    {"de", "del", "la", "las", "los", "da", "das", "do", "dos", "van", "von", "der", "den"}
    | {"bin", "ibn", "al", "el", "le", "du", "di", "and", "y", "e", "st", "san"}
    | {"dr", "mr", "mrs", "ms", "md", "rn", "jr", "sr", "ii", "iii"}
)

Fact = tuple[IdentifierType, Protected]


@dataclass(frozen=True, slots=True, eq=False)
class KnownPeople:
    """Digests of what identifies some people; ask it, it tells nothing by itself."""

    key: bytes = field(default=bytes(32), repr=False)
    #: Sorted digests of eight bytes, one number each.
    digests: "array[int]" = field(default_factory=lambda: array("Q"), repr=False)

    @classmethod
    def of(cls, facts: Iterable[Fact], *, key: bytes) -> "KnownPeople":
        """Make the digests of `facts` under `key` (1 to 64 bytes)."""
        wanted = {
            _digest(key, entry) for kind, text in facts for entry in _entries(kind, text.reveal())
        }
        return cls(key, array("Q", sorted(wanted)))

    def __len__(self) -> int:
        return len(self.digests)

    def name_part(self, word: str) -> bool:
        """Whether a folded word is exactly a part of somebody's name."""
        return self._has(f"part {word}")

    def nearly(self, word: str) -> bool:
        """Whether a folded word is one slip away from a part of at least six letters."""
        if not FORGIVEN_FROM - 1 <= len(word) <= LONGEST_WORD:
            return False
        if self._has(f"slip {word}"):
            return True
        without = [word[:at] + word[at + 1 :] for at in range(len(word))]
        if any(self._has(f"slip {at} {rest}") for at, rest in enumerate(without)):
            return True
        return any(len(rest) >= FORGIVEN_FROM and self.name_part(rest) for rest in set(without))

    def together(self, *words: str) -> bool:
        """Whether folded words are parts of one person's name, in this order, run on or not."""
        return self._has(f"pair {''.join(words)}")

    def number(self, kind: IdentifierType, text: str) -> bool:
        """Whether letters and digits of `text` are an id or a telephone of that kind."""
        return self._has(f"{kind} {_alphanumeric(text)}")

    def email(self, text: str) -> bool:
        """Whether this is somebody's address."""
        return self._has(f"email {text.casefold()}")

    def street(self, number: str, word: str) -> bool:
        """Whether a house number and the first word of the street are somebody's."""
        return self._has(f"street {number} {fold(word)}")

    def _has(self, entry: str) -> bool:
        if not self.digests:
            return False
        wanted = _digest(self.key, entry)
        at = bisect_left(self.digests, wanted)
        return at < len(self.digests) and self.digests[at] == wanted


#: Nobody at all: what is known before a roster was read.
NOBODY = KnownPeople()


@dataclass(frozen=True, slots=True)
class Background:
    """What the clinic knows about a message before it is read."""

    #: Patients and staff of the practice.
    known: KnownPeople = NOBODY
    #: The one patient whose verified contact wrote, and who reads for them.
    patient: KnownPeople = NOBODY
    #: What earlier messages of the conversation called their people, oldest first.
    earlier: tuple[Redaction, ...] = ()
    #: The highest number any message of the conversation gave to a type.
    counts: Mapping[IdentifierType, int] = field(default_factory=dict)
    #: What whoever wrote reads best; the answer is in it where the message says no other.
    language: str = "en"


#: Nothing is known about a message.
NO_BACKGROUND = Background()


def number_of(placeholder: str) -> int:
    """Return the number in a placeholder such as `[NAME_3]`."""
    return int(placeholder.rstrip("]").rpartition("_")[2])


def fold(text: str) -> str:
    """Return the letters of `text` without case, accents, apostrophes and the rest."""
    low = text.casefold()
    if low.isascii() and low.isalpha():
        return low
    plain = unicodedata.normalize("NFKD", low)
    return "".join(letter for letter in plain if letter.isalpha())


def name_words(text: str) -> list[str]:
    """Return the folded words of a written name, particles, titles and initials left out."""
    # An apostrophe joins (O'Brien), a hyphen parts (Lopez-Garcia).
    words = (fold(word) for word in _LETTERS.findall(re.sub(r"['’ʼ]", "", text)))
    return [word for word in words if len(word) > 1 and word not in SMALL_WORDS]


def streets(text: str) -> Iterator[tuple[str, str]]:
    """Yield each house number with the folded first word of its street."""
    for number, word in _STREET.findall(text.casefold()):
        yield number, fold(word)


def _entries(kind: IdentifierType, text: str) -> Iterator[str]:
    """Yield everything under which one fact can be asked for."""
    if kind is IdentifierType.NAME:
        words = name_words(text)
        for word in words:
            yield f"part {word}"
            yield from _slips(word)
        if len(words) <= _LONGEST_NAME:
            yield from (f"pair {one}{two}" for one, two in permutations(words, 2))
    elif kind is IdentifierType.EMAIL:
        yield f"email {text.strip().casefold()}"
    elif kind is IdentifierType.ADDRESS:
        yield from (f"street {number} {word}" for number, word in streets(text))
    elif kind in _ID_KINDS:
        yield from (f"{kind} {form}" for form in _number_forms(kind, _alphanumeric(text)))


def _slips(word: str) -> Iterator[str]:
    """Yield what one wrong, missing or swapped letter makes of a long word."""
    if len(word) < FORGIVEN_FROM:
        return
    for at in range(len(word)):
        rest = word[:at] + word[at + 1 :]
        yield f"slip {rest}"
        yield f"slip {at} {rest}"
        yield f"slip {word[:at]}{word[at : at + 2][::-1]}{word[at + 2 :]}"


def _number_forms(kind: IdentifierType, text: str) -> Iterator[str]:
    digits = "".join(filter(str.isdigit, text))
    if kind is IdentifierType.PHONE:
        # With and without country code, and as a neighbour would say it.
        yield from (digits[-size:] for size in (10, 7) if len(digits) >= size)
        yield digits
    elif len(text) >= 4:
        yield text
        if len(digits) >= 5:
            yield digits


def _alphanumeric(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _digest(key: bytes, entry: str) -> int:
    found = blake2b(entry.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(found, "big")
