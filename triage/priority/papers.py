"""Whether a sign is only printed: in a form, a leaflet, a bill, or a seller's questions.

Rule of the room: what a person is quoted as saying is told, not printed.
"""

import re
from itertools import pairwise

from triage.priority.clauses import one_of, overlap
from triage.priority.matching import Hit, Text

_QUOTATION = re.compile(r'"[^"\n]{3,300}"|“[^”\n]{3,300}”|«[^»\n]{3,300}»')
#: How far before a quotation the paper is named, and how far its question mark is looked for.
_PAPER_REACH, _QUESTION_REACH = 30, 16
#: What a person may have written, too: a note left behind is told.
_BY_HAND = one_of("note notes letter letters carta record")
_SAID = one_of(
    "said says say saying told tells telling screaming text texted wrote writes dijo dice grito "
    "me repeating yelled shouted answered like called"
)


class Papers:
    """The printed words in one text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._asked = _bare_questions(text)
        self._quotes = _quoted(text)

    def on(self, hit: Hit) -> bool:
        """The words stand in a quotation from a form, a bill or a leaflet, or ask "ever ... ?"."""
        words = self._text.words
        if words[hit.start].sentence in self._asked or self._asks_ever(hit):
            return True
        opened = self._quotes.get(hit.start)
        if opened is None:
            return False
        before = {word.exact for word in words[max(0, opened - 3) : opened]}
        if before & _SAID:
            return False
        around = Hit(max(0, opened - _PAPER_REACH), opened)
        return any(
            overlap(one, around) and words[one.start].exact not in _BY_HAND
            for name in ("papers", "hypothetical")
            for one in self._text.hits(name)
        )

    def _asks_ever(self, hit: Hit) -> bool:
        """ "Has the insured ever lost consciousness?", "Suicidal thoughts? (Y/N)"."""
        words = self._text.words
        after = [word.exact for word in words[hit.end : hit.end + 4]]
        if any(pair == ("y", "n") for pair in pairwise(after)):
            return True
        before = words[max(0, hit.start - 5) : hit.start]
        return any(
            word.exact == "ever" and word.sentence == words[hit.start].sentence for word in before
        ) and self._is_question(hit)

    def _is_question(self, hit: Hit) -> bool:
        words, at = self._text.words, hit.end - 1
        end = min(len(words) - 1, at + _QUESTION_REACH)
        while at < end and words[at + 1].sentence == words[hit.start].sentence:
            at += 1
        return self._text.text[words[at].end : words[at].end + 2].strip()[:1] == "?"


def _bare_questions(text: Text) -> frozenset[int]:
    """Return the sentences of a questionnaire or a seller: "Chest pain? Numb arm?"."""
    people = {hit.start for hit in text.hits("first_person")}
    words = text.words
    bare, start = set(), 0
    for at, word in enumerate(words):
        last = at + 1 == len(words)
        if not last and words[at + 1].sentence == word.sentence:
            continue
        after = text.text[word.end : words[at + 1].start] if not last else text.text[word.end :]
        if "?" in after[:3] and at - start < 12 and not people & set(range(start, at + 1)):
            bare.add(word.sentence)
        start = at + 1
    return frozenset(bare) if len(bare) >= 2 else frozenset()


def _quoted(text: Text) -> dict[int, int]:
    """Return the words inside short quotation marks, each with the first word of its quotation."""
    found: dict[int, int] = {}
    spans = [(one.start(), one.end()) for one in _QUOTATION.finditer(text.text)]
    if not spans:
        return found
    place, first = 0, 0
    for at, word in enumerate(text.words):
        while place < len(spans) and word.start >= spans[place][1]:
            place += 1
        if place == len(spans):
            break
        if word.start < spans[place][0]:
            first = at + 1
            continue
        if at and text.words[at - 1].start < spans[place][0]:
            first = at
        found[at] = first
    return found
