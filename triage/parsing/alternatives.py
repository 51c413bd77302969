"""Chooses among the texts in which one mail says the same thing twice.

Rule of the room: a text gives way only where the other repeats it, or where it merely asks for
another program; two that disagree are both shown, because either may be what the patient wrote.
"""

import re
from collections.abc import Sequence

#: With at least this share of the other's words a text is more than a preview of it.
_STUB = 0.3
#: With at least this share of its words in the other, a text says the same.
_SHARED = 0.5
#: Of a text no more is compared: a longer one is not shown as a whole either.
_COMPARED = 200_000
_TELLING = re.compile(r"\w{4,}")
_WORD = re.compile(r"\w+")
#: A mail program writes out where a link leads; in the other text only its words can be seen.
_LINK = re.compile(r"\b(?:https?://|www\.)\S+", re.I)
_SENTENCES = re.compile(r"[.!?:](?=\s)|\n[ \t\r]*\n")
#: What is said of programs, and what only of those that show mail.
_PROGRAM = re.compile(
    r"\b(?:x?html|mime|browser|webbrowser|navegador|navigateur|program|programme|programm|programa"
    r"|programma|client|cliente|reader|viewer|lector|software|logiciel"
    r"|e-?mail-?(?:programm|client)|mail-?(?:programm|client))\b",
    re.I,
)
_MAIL_PROGRAM = re.compile(
    r"\b(?:x?html|mime|browser|webbrowser|navegador|navigateur|(?:e-?mail|mail)-?(?:programm|client)"
    r"|(?:e-?mail|mail) (?:program|programme|client|reader|viewer|software)"
    r"|(?:programa|cliente|lector) de (?:correo|e-?mail)|(?:logiciel|client) de messagerie"
    r"|programma di posta)\b",
    re.I,
)
#: A program says "you"; somebody who writes about a program says "I".
_MYSELF = re.compile(
    r"\b(?:i|me|my|mine|we|our|yo|mi|mis|mí|conmigo|nosotros|ich|mir|mich|mein\w*|wir|je|j|moi|mon"
    r"|ma|mes|nous|io|mio|mia|eu|meu|minha)\b",
    re.I,
)
#: No program needs more words to ask for another.
_LONGEST_REQUEST = 60


def best_of(texts: Sequence[str]) -> list[str]:
    """Return the texts to show of those in one alternative; more than one where they disagree."""
    kept: list[str] = []
    for text in texts:
        if text.strip():
            kept = [*kept[:-1], *_of_two(kept[-1], text)] if kept else [text]
    return kept


def _of_two(first: str, other: str) -> list[str]:
    if asks_for_another_program(first):
        return [other]
    said, there = len(first.split()), len(other.split())
    if there <= said:
        return [first] if _repeated(other, first) >= _SHARED else [first, other]
    if said >= _STUB * there:
        return [first] if _says_the_same(first, other) else [first, other]
    return [other] if _repeated(first, other) == 1 else [first, other]


def asks_for_another_program(text: str) -> bool:
    """Whether a text is nothing but a mail program's request to be read in another one."""
    bare = _LINK.sub(" ", text[:_COMPARED])
    if len(_WORD.findall(bare)) > _LONGEST_REQUEST or _MYSELF.search(bare):
        return False
    sentences = [one for one in _SENTENCES.split(bare) if _WORD.search(one)]
    return bool(_MAIL_PROGRAM.search(bare)) and all(map(_PROGRAM.search, sentences))


def _says_the_same(text: str, other: str) -> bool:
    """Whether a text has most of its telling words in common with another."""
    words = _TELLING if _TELLING.search(text) else _WORD
    said, there = (set(words.findall(one.lower())) for one in (text, other))
    return len(said & there) >= _SHARED * len(said)


def _repeated(text: str, other: str) -> float:
    """Return which share of a text stands word by word in another, links aside.

    Three words in a row are compared: single ones are all found in a long text by chance.
    """
    words, there = (_WORD.findall(_LINK.sub(" ", one[:_COMPARED]).lower()) for one in (text, other))
    row = min(3, len(words))
    rows = _rows(words, row)
    return len(rows & _rows(there, row)) / len(rows) if row else 1.0


def _rows(words: Sequence[str], row: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + row]) for at in range(len(words) - row + 1)}
