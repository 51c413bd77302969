"""Finds the clinic's own patients and staff by the keyed digests of the roster.

Rule of the room: a full name, and a part of one that is no dictionary word, is always hidden; a
part that is also a word, or shorter than five letters, only where something beside it says that a
person is meant. The redactor and the leak meter ask by this one rule.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from triage.domain import Background, IdentifierType, KnownPeople, fold
from triage.domain.known import LONGEST_WORD
from triage.redaction.finding import Found
from triage.redaction.table import word_list

_DICTIONARY = Path(__file__).with_name("dictionary.txt")
#: Shorter parts need a cue even when they are no word.
_LONG_ENOUGH = 5
#: Run-on names are looked for from this length on.
_RUN_ON = 7
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: What may stand between the parts of one name.
_JOINT = re.compile(r"(?:[ \t._-]{1,2}|,[ \t]?|[ \t][^\W\d_]\.?[ \t])")
_BEFORE = re.compile(
    r"(?:\b(?:hi|hello|hey|dear|hola|estimad[oa]|querid[oa]|good (?:morning|afternoon|evening)"
    r"|thanks|thank you|gracias|regards|sincerely|best|atentamente|from|de parte de|attn:?|cc:?"
    r"|this is|name is|me llamo|soy|name:|patient:|pt:?|re:)[ ,]*"
    r"|\b(?:mr|mrs|ms|miss|dr|sr|sra|don|doña|nurse|aunt|uncle|coach|grandma|grandpa)\.? )$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w-])(?:[A-Za-z]{1,5}[ #-])?(?P<x>[A-Za-z]{0,5}\d[\dA-Za-z-]{2,20})(?!\w)"
)
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d(?:[ ().-]{0,2}\d){6,14}(?!\w)")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_HOUSE = re.compile(r"\b(\d{1,6})[A-Za-z]?[ \t]+(?:[NSEWnsew]{1,2}\.?[ \t]+)?([^\W\d_]+)")
_IDS = tuple(
    IdentifierType(name)
    for name in ("MRN", "MEMBER_ID", "ACCOUNT", "OTHER_ID", "LICENSE", "DEVICE", "SSN")
)
#: Longest line that is a signature, and how far from the end of a message it may stand.
_LINE, _SIGNATURE = 60, 600
BY = "roster"


@dataclass(frozen=True, slots=True)
class _Part:
    """One word of the text that is a part of a known name."""

    start: int
    end: int
    word: str
    #: Whether it is hidden for its own sake.
    sure: bool
    capital: bool


def known_people(text: str, background: Background) -> list[Found]:
    """Return every place of a plain text where the roster's people stand."""
    # Everybody of the roster, the writer's patient included; that one alone when there is none.
    people = background.known or background.patient
    if not people:
        return []
    return [*_names(text, people, background.patient), *_numbers(text, people)]


def _names(text: str, people: KnownPeople, patient: KnownPeople) -> Iterator[Found]:
    parts = list(_parts(text, people))
    for at, part in enumerate(parts):
        beside = parts[at + 1 : at + 2]
        if beside and _one_person(text, part, beside[0], people):
            yield _found(IdentifierType.NAME, part.start, beside[0].end)
        elif part.sure or _cued(text, parts, at, patient):
            yield _found(IdentifierType.NAME, part.start, part.end)


def _parts(text: str, people: KnownPeople) -> Iterator[_Part]:
    for match in _WORD.finditer(text):
        written = match[0].removesuffix("'s").removesuffix("’s")
        word = fold(written)
        if not 2 <= len(word) <= LONGEST_WORD or not _is_known(word, people):
            continue
        sure = word not in dictionary() and (len(word) >= _LONG_ENOUGH)
        start = match.start()
        yield _Part(start, start + len(written), word, sure, written[0].isupper())


def _is_known(word: str, people: KnownPeople) -> bool:
    if word in dictionary():
        answers = _answers(people)
        if word not in answers:
            answers[word] = people.name_part(word) or (
                len(word) >= _RUN_ON and people.together(word)
            )
        return answers[word]
    return (
        people.name_part(word)
        or (len(word) >= _RUN_ON and people.together(word))
        or people.nearly(word)
    )


@lru_cache(maxsize=4)
def _answers(people: KnownPeople) -> dict[str, bool]:
    """Return which of the dictionary's words were found to be parts of a known name, or none.

    Each is asked about once for a roster: most words of a message are in the dictionary.
    """
    del people
    return {}


def _one_person(text: str, part: _Part, beside: _Part, people: KnownPeople) -> bool:
    """Whether two neighbouring words are parts of the same person's name."""
    joined = _JOINT.fullmatch(text, part.end, beside.start) is not None
    return joined and people.together(part.word, beside.word)


def _cued(text: str, parts: Sequence[_Part], at: int, patient: KnownPeople) -> bool:
    """Whether something beside a doubtful part says that it is a name."""
    part = parts[at]
    if _BEFORE.search(text, max(part.start - 30, 0), part.start) or _signs(text, part):
        return True
    if patient.name_part(part.word) and (part.capital or part.word not in _ambiguous()):
        return True
    for beside in parts[max(at - 1, 0) : at + 2]:
        low, high = sorted((part, beside), key=lambda one: one.start)
        joined = beside is not part and _JOINT.fullmatch(text, low.end, high.start)
        if joined and (beside.sure or (part.capital and beside.capital)):
            return True
    return False


def _signs(text: str, part: _Part) -> bool:
    """Whether the part stands on one of the last lines with hardly anything beside it."""
    low = text.rfind("\n", max(part.start - _LINE, 0), part.start) + 1
    high = text.find("\n", part.end, part.end + _LINE)
    if high < 0 and part.end + _LINE < len(text):
        return False
    high = len(text) if high < 0 else high
    line = text[low:high].strip(" \t-–—~*,.")
    near_the_end = len(text) - high <= _SIGNATURE and text.count("\n", high) <= 6
    return low > 0 and near_the_end and len(line.split()) <= 3


def _numbers(text: str, people: KnownPeople) -> Iterator[Found]:
    for match in _NUMBER.finditer(text):
        # A short word before it is a label, or the letters the number begins with.
        for start in {match.start(), match.start("x")}:
            for kind in _IDS:
                if people.number(kind, text[start : match.end()]):
                    yield _found(kind, start, match.end())
    for match in _PHONE.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if people.number(IdentifierType.PHONE, digits[-10:]):
            yield _found(IdentifierType.PHONE, *match.span())
    for match in _EMAIL.finditer(text):
        if people.email(match[0]):
            yield _found(IdentifierType.EMAIL, *match.span())
    for match in _HOUSE.finditer(text):
        if people.street(match[1], match[2]):
            yield _found(IdentifierType.ADDRESS, *match.span())


def _found(kind: IdentifierType, start: int, end: int) -> Found:
    return Found(start, end, kind, 1.0, BY)


@cache
def dictionary() -> frozenset[str]:
    """Return ordinary words, folded; a part of a name among them needs a cue."""
    lines = _DICTIONARY.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def _ambiguous() -> frozenset[str]:
    return dictionary() | frozenset(map(fold, word_list("readable.yaml")["words_and_names"]))
