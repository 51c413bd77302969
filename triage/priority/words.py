"""Text becomes plain, comparable words: no case, no accents, no endings, typing slips mended.

Rule of the room: only words of the rule table are kept as they are; every other word becomes a
blank, so that no patient's word is remembered beyond its own message.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’ʼ`´][^\W\d_]+)*")
_APOSTROPHES = re.compile(r"['’ʼ`´]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]"
)
#: A line this short before a break is a finished thought, not a wrapped one.
_SHORT_LINE = 60
#: The full stop after these ends no sentence ("on Jan. 17", "Dr. Young").
_SHORTENED = frozenset(
    (
        *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "nov", "dec"),
        *("dr", "dra", "mr", "mrs", "ms", "sra", "st", "vs", "approx"),
    )
)
#: Words shorter than this are never taken for a mistyped other word.
_MENDED_FROM = 6


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its stem or a blank, where it stands in the text, and in which sentence."""

    stem: str
    exact: str
    start: int
    end: int
    sentence: int
    #: A comma, colon or the like stands before it.
    paused: bool
    number: float | None = None


def visible(text: str) -> str:
    """Return the text in its plainest form, without characters nobody sees."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def fold(word: str) -> str:
    """Return a word in lower case without accents and apostrophes."""
    if not word.isascii():
        word = _APOSTROPHES.sub("", word)
        word = "".join(one for one in unicodedata.normalize("NFKD", word) if one.isalnum())
        return word.lower()
    return word.replace("'", "").replace("`", "").lower()


def stem(word: str) -> str:
    """Return a folded word without the endings of English and Spanish; crude but the same for all.

    >>> [stem(word) for word in ("breathing", "breathes", "vomited", "hinchadas", "choke")]
    ['breath', 'breath', 'vomit', 'hinchad', 'chok']
    """
    if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending, least in (("ing", 6), ("ed", 5)):
        if len(word) >= least and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if len(word) >= 5 and word.endswith("e"):
        return word[:-1]
    if len(word) >= 6 and word.endswith(("o", "a")):
        return word[:-1]
    return word


def _slips(word: str) -> set[str]:
    """Return the word and every form with one letter left out."""
    return {word} | {word[:at] + word[at + 1 :] for at in range(len(word))}


class Vocabulary:
    """The words of the rule table, and how to find them behind typing slips."""

    def __init__(self, words: Iterable[str], never_slips: Iterable[str] = ()) -> None:
        self._stems = {folded: stem(folded) for folded in {fold(word) for word in words}}
        self._known = frozenset(self._stems.values())
        self._never = frozenset(fold(word) for word in never_slips)
        by_slip: dict[str, set[str]] = {}
        for word in self._stems:
            if len(word) >= _MENDED_FROM:
                for slip in _slips(word):
                    by_slip.setdefault(slip, set()).add(word)
        self._by_slip = {slip: sorted(known) for slip, known in by_slip.items()}

    def read(self, folded: str) -> str:
        """Return the stem of a table word, also when it is mistyped by one letter, or a blank."""
        plain = stem(folded)
        if plain in self._known:
            return plain
        if len(folded) < _MENDED_FROM - 1 or folded in self._never:
            return ""
        return self._mended(folded)

    def _mended(self, folded: str) -> str:
        for slip in sorted(_slips(folded) & self._by_slip.keys()):
            for word in self._by_slip[slip]:
                if word[0] == folded[0] and _one_slip(folded, word):
                    return self._stems[word]
        return ""

    def words(self, text: str) -> list[Word]:
        """Split a visible text into words and sentences."""
        found: list[Word] = []
        sentence, last, line_start = 0, 0, 0
        read: dict[str, str] = {}
        for match in _TOKEN.finditer(text):
            between, shown = text[last : match.start()], match[0]
            if found and between != " ":
                # "At 3 a.m. after ..." is one sentence, too.
                hour = shown in {"m", "M"} and found[-1].exact in {"a", "p"}
                hour = hour or (found[-1].exact == "m" and shown[0].islower())
                if (hour or found[-1].exact in _SHORTENED) and between[:1] == ".":
                    between = between[1:]
                breaks, line_start = _breaks(between, last, line_start)
                sentence += breaks
            if shown[0].isdigit():
                # A price is no temperature.
                number = None if between.endswith(("$", "€", "£")) else _number(shown)
                found.append(Word("", shown, *match.span(), sentence, _pause(between), number))
            else:
                folded = fold(shown)
                if folded not in read:
                    read[folded] = self.read(folded)
                found.append(Word(read[folded], folded, *match.span(), sentence, _pause(between)))
            last = match.end()
        return found


def _pause(between: str) -> bool:
    return between not in {"", " ", "-"} and any(one in between for one in ",:;()-–—/")


def _breaks(between: str, last: int, line_start: int) -> tuple[int, int]:
    line_feed = between.find("\n")
    ends = any(one in between for one in ".!?…;•")
    if line_feed < 0:
        return int(ends), line_start
    short = last + line_feed - line_start < _SHORT_LINE
    ends = ends or short or between.count("\n") > 1
    return int(ends), last + between.rfind("\n") + 1


def _number(shown: str) -> float:
    whole, _, part = shown.replace(",", ".").partition(".")
    if len(part) == 3 and "," in shown:
        # A comma before three digits marks thousands.
        return float(whole + part)
    return float(f"{whole}.{part or 0}")


def _one_slip(typed: str, word: str) -> bool:
    """One letter too many, too few or wrong, or two neighbours swapped."""
    if len(typed) == len(word):
        wrong = [at for at in range(len(word)) if typed[at] != word[at]]
        swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1
        return len(wrong) == 1 or (
            swapped and typed[wrong[0]] == word[wrong[1]] and typed[wrong[1]] == word[wrong[0]]
        )
    if abs(len(typed) - len(word)) != 1:
        return False
    short, long = sorted((typed, word), key=len)
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
