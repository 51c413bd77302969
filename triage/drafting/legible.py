"""How long a text is and how many years of school it takes to read it, in English and Spanish.

Rule of the room: a figure for people to look at; it decides nothing. English by Flesch and
Kincaid, Spanish by Crawford; both are known to be rough on texts under a hundred words.
"""

import re

from triage.domain import Legible, Protected
from triage.drafting.language import guess

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)|\n\s*\n|:\n")
_VOWELS = re.compile(r"[aeiouyáéíóúü]+")
#: Spanish: two strong vowels, or an accented weak one beside another, are two syllables.
_SPANISH = re.compile(r"[aeoáéó]|[iuü](?![aeoáéóiuíú])|[íú]")
_ENOUGH = 12


def legible(body: Protected, *, language: str = "en") -> Legible:
    """Return words and school years; `language` holds where the words do not clearly say."""
    text = body.reveal()
    words = [word.lower() for word in _WORD.findall(text)]
    spoken = guess(text) or language
    if len(words) < _ENOUGH:
        return Legible(len(words), None, spoken)
    parts = [part for part in _SENTENCE.split(text) if _WORD.search(part)]
    sentences = max(len(parts), 1)
    if spoken == "es":
        syllables = sum(max(len(_SPANISH.findall(word)), 1) for word in words)
        each = 100 / len(words)
        grade = -0.205 * sentences * each + 0.049 * syllables * each - 3.407
    else:
        syllables = sum(map(_english, words))
        grade = 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59
    return Legible(len(words), min(max(round(grade), 0), 16), spoken)


def _english(word: str) -> int:
    count = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith(("le", "ee")) and count > 1
    return max(count - silent, 1)
