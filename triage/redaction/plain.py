"""The plain reading of a text: what a person sees, in letters that patterns understand.

Rule of the room: recognisers read the plain text only, and every position in it leads back to
code points of the original. Invisible characters, odd spaces, dashes and digits, full-width and
decorated letters are how an identifier slips past a pattern, by accident or on purpose.
"""

import re
import unicodedata
from dataclasses import dataclass

_QUOTES = dict.fromkeys("‘’‚‛ʼʹˈ′`´＇", "'") | dict.fromkeys("“”„‟″«»＂", '"')
#: Characters that show nothing and are not of a category that says so.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: Tag letters spell out any text without showing it; they are at home in three flags only.
_TAGS = re.compile(r"[\U000e0000-\U000e007f]")
_FLAGS = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
#: Invisible characters that mail programs leave in an empty text.
_LEFT_OVER = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
_LINE_ENDS = frozenset("\x85\u2028\u2029")
#: A letter with more marks than this is decoration, not writing.
_MARKS_COMPOSED = 3


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain text and where in the original each of its characters stood."""

    text: str
    #: For each plain character, start and end of its original code points; None when identical.
    places: tuple[tuple[int, int], ...] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the original code points behind plain characters `start` to `end`."""
        if self.places is None:
            return start, end
        return self.places[start][0], self.places[end - 1][1]


def plain(text: str) -> Plain:
    """Return the plain reading of `text`; linear in its length."""
    if text.isascii() and not _CONTROLS.search(text):
        return Plain(text)
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    for start, end in _clusters(text):
        for letter in _letters(text[start:end]):
            letters.append(letter)
            places.append((start, end))
    return Plain("".join(letters), tuple(places))


def hides(text: str, shown: Plain) -> bool:
    """Whether `text` says something that its plain reading `shown` does not show."""
    if text.isascii():
        return False
    if _TAGS.search(text) and _TAGS.search(_FLAGS.sub("", text)):
        return True
    return not shown.text.strip() and any(
        unicodedata.category(letter) == "Cf" and letter not in _LEFT_OVER for letter in text
    )


def _clusters(text: str) -> list[tuple[int, int]]:
    """Cut into visible characters, each with the marks and invisible characters after it."""
    clusters: list[tuple[int, int]] = []
    start = 0
    for position, letter in enumerate(text):
        if position and not _trails(letter):
            clusters.append((start, position))
            start = position
    if text:
        clusters.append((start, len(text)))
    return clusters


def _trails(letter: str) -> bool:
    if letter < "\x7f":
        return False
    return letter in _FILLERS or unicodedata.category(letter) in ("Mn", "Me", "Cf")


def _letters(cluster: str) -> str:
    """Return the plain characters of one cluster; empty when nothing can be seen."""
    base, marks = cluster[0], cluster[1:]
    if base < "\x7f" and not marks:
        return base if base.isprintable() or base in "\n\t" else " "
    if base in _LINE_ENDS:
        return "\n"
    if _trails(base):
        return ""
    shown = [mark for mark in marks if unicodedata.category(mark) == "Mn"]
    if 0 < len(shown) <= _MARKS_COMPOSED:
        composed = unicodedata.normalize("NFC", base + "".join(shown))
        base = composed if len(composed) == 1 else base
    return "".join(map(_letter, unicodedata.normalize("NFKC", base)))


def _letter(letter: str) -> str:
    if letter in _QUOTES:
        return _QUOTES[letter]
    category = unicodedata.category(letter)
    if category == "Nd":
        return str(unicodedata.digit(letter))
    if category == "Pd" or letter in "−⁃˗":
        return "-"
    if category == "Zs":
        return " "
    return " " if category in ("Cc", "Mn", "Me", "Cf") else letter
