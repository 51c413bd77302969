"""Who is who among the written names of a conversation.

Rule of the room: two names are one person only when nothing speaks against it; in doubt each keeps
a placeholder of its own, because a reply must never greet somebody else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from triage.domain import fold
from triage.domain.known import SMALL_WORDS

#: With more names than this in a conversation nobody is recognised again by a shorter form.
MOST_NAMES = 200
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GENERATIONS = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "ii": "ii", "iii": "iii"}
#: What keeps apart a Mr. and a Mrs. of one family.
_TITLES = {
    **dict.fromkeys(("mr", "sr", "senor", "don", "uncle", "brother", "father"), "m"),
    **dict.fromkeys(("mrs", "ms", "miss", "sra", "srta", "senora", "dona", "aunt", "sister"), "f"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A name as it is compared: its words in order, given name first."""

    words: tuple[str, ...]
    generation: str = ""
    title: str = ""

    @property
    def key(self) -> str:
        """The person's key when the name stands for nobody else."""
        return " ".join((self.title, *self.words, self.generation)).strip()

    @property
    def weight(self) -> tuple[int, int, bool]:
        """More is more telling: words that are no initials, words at all, a generation."""
        whole = sum(len(word) > 1 for word in self.words)
        return whole, len(self.words), bool(self.generation)

    @classmethod
    def of(cls, name: str, before: str = "") -> "Written":
        """Read a name; `before` is the text in front of it, for a title."""
        family, comma, given = re.sub(r"\^", ",", name).partition(",")
        parts = [*_words(given), *_words(family)] if comma and _words(given) else _words(name)
        generation = next((_GENERATIONS[word] for word in parts if word in _GENERATIONS), "")
        words = tuple(
            word for word in parts if word not in _GENERATIONS and word not in SMALL_WORDS
        )
        title = _TITLES.get(fold(before.rsplit(maxsplit=1)[-1]), "") if before.split() else ""
        return cls(words, generation, title if len(words) == 1 else "")


class Persons:
    """Gives every written name the key of its person."""

    def __init__(self, names: Iterable[Written]) -> None:
        self._names = list(dict.fromkeys(names))

    @cached_property
    def _full(self) -> list[Written]:
        full = [name for name in self._names if len(name.words) > 1]
        return full if len(full) <= MOST_NAMES else []

    def key(self, name: Written) -> str:
        """Return the key of the one fuller name this can be, else the name's own."""
        longer = [full for full in self._full if full.weight > name.weight and _fits(name, full)]
        if not longer:
            return name.key
        widest = max(longer, key=lambda full: full.weight)
        one_person = all(full == widest or _fits(full, widest) for full in longer)
        return widest.key if one_person else name.key


def _fits(short: Written, full: Written) -> bool:
    """Whether a name can be a shorter form of a fuller one."""
    if short.title or (short.generation and short.generation != full.generation):
        return False
    if len(short.words) == 1:
        return len(short.words[0]) > 1 and short.words[0] in full.words
    first, *middle, last = short.words
    whole_first, *whole_middle, whole_last = full.words
    if not (_same(first, whole_first) and _same(last, whole_last)):
        return False
    rest = iter(whole_middle)
    return all(any(_same(word, other) for other in rest) for word in middle)


def _same(word: str, other: str) -> bool:
    """Whether two words are one, or one is the other's initial."""
    return word == other or (min(len(word), len(other)) == 1 and word[0] == other[0])


def _words(name: str) -> list[str]:
    # An apostrophe joins (O'Brien); a hyphen parts (Lopez-Garcia).
    return [word for word in map(fold, _WORD.findall(name)) if word]
