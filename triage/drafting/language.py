"""English or Spanish, guessed from small words.

Rule of the room: a guess that is not clear is no guess; the caller's own language then holds.
"""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-záéíóúüñ']+")
_SMALL_WORDS = {
    "en": (
        "the and to of is it my for you that in was have this are not with be on can please from "
        "would i'm it's she he has had but what when they me do does your our"
    ),
    "es": (
        "el la los las de que y en un una por para con mi su se lo le no es me como pero más ya "
        "está usted gracias hola favor del al qué cuándo tengo puede soy cita receta"
    ),
}
#: Words both languages write alike say nothing.
_SHARED = frozenset({"me", "no", "he", "has"})
#: One language must have this many times the small words of the other.
_CLEARLY = 2
_ENOUGH = 2


def guess(text: str) -> str | None:
    """Return `en` or `es`, or None when the text does not say clearly."""
    words = [word for word in _WORD.findall(text.lower()) if word not in _SHARED]
    counts = {code: _count(words, small.split()) for code, small in _SMALL_WORDS.items()}
    first, second = sorted(counts, key=lambda code: -counts[code])[:2]
    if counts[first] < _ENOUGH or counts[first] < _CLEARLY * max(counts[second], 1):
        return None
    return first


def _count(words: Sequence[str], small: Sequence[str]) -> int:
    return sum(word in small for word in words)
