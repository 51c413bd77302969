"""Finds numbers and names that somebody dictates: digits in words, letters one by one.

Rule of the room: a run of digits and letters is read from left to right once; the words before it
say what it is, and without such words its make does: letters are a name, ten digits a telephone.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from triage.domain import IdentifierType as Type
from triage.domain import fold
from triage.redaction.finding import Found

#: Says which type of number the words beside a place name, if they name one.
Labels = Callable[[str, int, int], Type | None]

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
#: What stands between two tokens of a run; more than this ends it.
_GAP = re.compile(r"[ ,.;-]{0,3}\n?[ ]{0,2}")
_LETTER_GAP = re.compile(r"(?:[,.]? |-|, ?|\. ?|…)")
_SHORTEST_NAME, _SHORTEST_PHONE, _SHORTEST_CODE = 3, 7, 4
#: Before a spelled name; here even letters with other meanings are letters.
_SPELLS = re.compile(
    r"(?:spell\w*|deletre\w*|se escribe|letters?|letras?|last name|apellido)[^.\n]{0,24}$",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"(?:birth\s?da(?:y|te)|date of birth|\bdob|d\.o\.b\.?|\bborn(?: on)?|nacimiento|nací(?: el)?"
    r"|cumpleaños)[^.\n\d]{0,16}$",
    re.IGNORECASE,
)
_AREA = re.compile(
    r"(?:area code|extension|\bext\.?|código de área|clave lada|lada)(?: is| es)? ?$", re.IGNORECASE
)
_AGAIN = re.compile(
    r"(?:\brepit\w*|\brepeat\w*|\bonce more|\botra vez)[^.\n\d]{0,24}$", re.IGNORECASE
)
_PLUS = re.compile(r"\b(?:plus|más|mas) $", re.IGNORECASE)
#: `3 a.m.` is a time.
_TIME = re.compile(r"[ap]\.? ?m\b", re.IGNORECASE)
_SURE = 0.8


@dataclass(frozen=True, slots=True)
class Words:
    """The table of what is dictated."""

    digits: Mapping[str, int]
    tens: frozenset[str]
    again: Mapping[str, int]
    letters: frozenset[str]
    strong: frozenset[str]
    radio: frozenset[str]
    joints: frozenset[str]
    abbreviations: frozenset[str]


def words(table: Mapping[str, Sequence[str] | Mapping[str, int]]) -> Words:
    """Return the table with its words folded."""

    def counts(name: str) -> dict[str, int]:
        return {
            fold(word): count
            for word, count in dict(cast("Mapping[str, int]", table[name])).items()
        }

    def folded(name: str) -> frozenset[str]:
        return frozenset(map(fold, table[name]))

    return Words(
        counts("digits"),
        folded("tens"),
        counts("again"),
        folded("letters"),
        folded("strong"),
        folded("radio"),
        folded("joints"),
        folded("abbreviations"),
    )


@dataclass(slots=True)
class _Run:
    """Digits and letters that follow each other."""

    start: int
    end: int
    digits: int = 0
    #: Digits that stand in figures.
    figures: int = 0
    letters: str = ""
    strong: int = 0
    radio: int = 0
    spanish: int = 0
    after_tens: bool = False
    again: int = 0
    #: How many words, and how many of them for one digit.
    words: int = 0
    ones: int = 0
    #: Where the letters end before the first digit, when they are enough for a name.
    spelled_to: int = 0


class SpokenFinder:
    """Finds dictated numbers and spelled names."""

    name = "spoken"
    context: tuple[str, ...] = ()
    types = (
        Type.NAME,
        Type.PHONE,
        Type.DATE,
        Type.SSN,
        Type.MRN,
        Type.MEMBER_ID,
        Type.ACCOUNT,
        Type.LICENSE,
        Type.DEVICE,
        Type.OTHER_ID,
    )

    def __init__(self, table: Words, label: Labels) -> None:
        self._table, self._label = table, label

    def find(self, text: str) -> list[Found]:
        """Return dictated numbers and spelled names."""
        found = []
        for run in self._runs(text):
            type = self._type(run, text)
            if type is not None:
                plus = _PLUS.search(text, max(0, run.start - 8), run.start)
                start = plus.start() if plus and type is Type.PHONE else run.start
                found.append(Found(start, run.end, type, _SURE, self.name))
        return found

    def _type(self, run: _Run, text: str) -> Type | None:
        before = text[max(0, run.start - 40) : run.start]
        if run.spelled_to and run.digits < 3:
            # `t o l l a n, two children`: what follows the letters is another thing.
            run.end, run.digits = run.spelled_to, 0
        if not run.digits:
            return Type.NAME if self._spelled(run, before) else None
        if run.words == 0 and (len(run.letters) < 2 or run.figures < 3):
            # Figures alone have recognisers of their own.
            return None
        return _cued(run, before) or self._labelled(run, text)

    def _labelled(self, run: _Run, text: str) -> Type | None:
        label = self._label(text, run.start, run.end)
        size = run.digits + len(run.letters)
        telephone = run.digits >= _SHORTEST_PHONE and run.ones + run.figures >= 3
        if label is Type.OTHER_ID and telephone and not run.letters:
            return Type.PHONE
        if label is not None and size >= _SHORTEST_CODE and (run.letters or run.words >= 3):
            return label
        if telephone:
            return Type.PHONE
        return Type.OTHER_ID if run.ones >= 4 and run.letters else None

    def _spelled(self, run: _Run, before: str) -> bool:
        letters = run.letters
        if len(letters) < _SHORTEST_NAME or letters in self._table.abbreviations:
            return False
        if not run.spanish:
            return len(set(letters)) > 1
        return run.strong >= 2 or (len(letters) > 3 and _SPELLS.search(before) is not None)

    def _runs(self, text: str) -> Iterator[_Run]:
        """Yield every run of at least two tokens."""
        run: _Run | None = None
        tokens = list(_TOKEN.finditer(text))
        at, loose = 0, 0
        while at < len(tokens):
            token = tokens[at]
            word = fold(token[0]) or token[0]
            if run and _parted(text, tokens[at - 1], token):
                yield run
                run, loose = None, 0
            taken = self._take(run, token, word, text)
            if taken:
                run, loose = taken, 0
                skip = _as_in(tokens, at)
                if skip and run.letters:
                    at += skip
                    run.end = tokens[at].end()
            elif run and word in self._table.joints and loose < 2 and run.digits + run.spanish:
                loose += 1
            elif run:
                yield run
                run, loose = None, 0
            at += 1
        if run:
            yield run

    def _take(self, run: _Run | None, token: re.Match[str], word: str, text: str) -> _Run | None:
        """Return the run with this token, or None when it is no digit and no letter."""
        table = self._table
        now = run or _Run(token.start(), token.end())
        if word.isdigit():
            if len(word) > 4 or _part_of_more(text, token):
                return None
            now.digits += len(word)
            now.figures += len(word)
            now.after_tens = False
        elif len(word) == 1 and not self._is_word_here(run, word, token, text):
            # `o` among digits is a nought.
            if word == "o" and run and run.digits:
                now.digits, now.words, now.ones = now.digits + 1, now.words + 1, now.ones + 1
            else:
                now.letters += word
            now.after_tens = False
        elif word in table.tens:
            now.digits, now.words, now.after_tens = now.digits + 2, now.words + 1, True
        elif word in table.digits:
            more = 0 if now.after_tens and table.digits[word] == 1 else table.digits[word]
            now.digits, now.words = now.digits + more + now.again, now.words + 1
            now.ones += table.digits[word] == 1
            now.after_tens, now.again = False, 0
        elif word in table.again:
            now.again, now.words = table.again[word], now.words + 1
        elif word in table.radio and (run or self._goes_on(token, text)):
            now.letters, now.radio = now.letters + word[0], now.radio + 1
        elif word in table.letters and self._is_letter(run, word, token, text):
            now.letters, now.spanish = now.letters + word[0], now.spanish + 1
            now.strong += word in table.strong
        else:
            return None
        now.end = token.end()
        if not now.digits and len(now.letters) >= _SHORTEST_NAME:
            now.spelled_to = now.end
        return now

    def _is_word_here(self, run: _Run | None, word: str, token: re.Match[str], text: str) -> bool:
        """Whether `a`, `I`, `y` and the like are words: nothing spelled stands beside them."""
        if word not in "aioyeup":
            return False
        if word in "ye" and run and run.after_tens:
            return True
        if run and run.digits:
            return word != "o" and not self._goes_on(token, text)
        if _TIME.match(text, token.start()):
            return True
        if run and run.letters:
            return False
        return not self._goes_on(token, text)

    def _is_letter(self, run: _Run | None, word: str, token: re.Match[str], text: str) -> bool:
        """Whether a word is the Spanish name of a letter here."""
        if word in self._table.strong or self._goes_on(token, text):
            return True
        if run:
            return run.spanish > 0 and not run.digits
        return _SPELLS.search(text, max(0, token.start() - 40), token.start()) is not None

    def _goes_on(self, token: re.Match[str], text: str) -> bool:
        """Whether a letter or a digit comes right after a token."""
        gap = _LETTER_GAP.match(text, token.end())
        following = _TOKEN.match(text, gap.end()) if gap else None
        if following is None:
            return False
        word = fold(following[0]) or following[0]
        table = self._table
        return (
            (len(word) == 1 and word not in "aiy")
            or word in table.strong
            or word in table.radio
            or (word in table.digits and table.digits[word] == 1 and word not in ("one", "una"))
        )


def _as_in(tokens: Sequence[re.Match[str]], at: int) -> int:
    """Return how many tokens `as in boy` takes after a letter; 0 when there is none."""
    letter = fold(tokens[at][0])[:1]
    following = [fold(token[0]) for token in tokens[at + 1 : at + 4]]
    if following[:2] == ["as", "in"] and len(following) == 3:
        return 3
    if len(following) >= 2 and following[0] in ("like", "for", "como", "de", "is"):
        word = following[1]
        return 2 if letter and len(word) > 2 and word.startswith(letter) else 0
    return 0


def _cued(run: _Run, before: str) -> Type | None:
    """Return what the words right before a number say that it is."""
    if _BORN.search(before) and run.digits >= 3 and not run.letters:
        return Type.DATE
    again = _AGAIN.search(before) is not None and run.digits >= _SHORTEST_CODE
    return Type.PHONE if again or _AREA.search(before) else None


def _parted(text: str, before: re.Match[str], token: re.Match[str]) -> bool:
    """Whether more stands between two tokens than a breath: other signs, or a sentence's end."""
    if _GAP.fullmatch(text, before.end(), token.start()) is None:
        return True
    ends = text[before.end() : token.start()].startswith((". ", "; "))
    return ends and len(token[0]) > 1 and token[0][0].isupper()


def _part_of_more(text: str, token: re.Match[str]) -> bool:
    """Whether figures are part of a time, date, sum or measure."""
    before, after = text[token.start() - 1 : token.start()], text[token.end() : token.end() + 2]
    return (
        before in ("$", ":", "/", "#", "_", "@") or re.match(r"[:/%_]|[.,]\d|\w", after) is not None
    )
