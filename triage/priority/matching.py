"""Where the table's words stand in one text, and which of its patterns hold there.

Rule of the room: spaCy finds the phrases; the document it sees holds words of the table and
blanks only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from triage.encoder.absent import without_torch
from triage.priority.sieve import LIST, UNLESS, WHEN, Sieve
from triage.priority.table import ANYWHERE, ONE_SENTENCE, Part, Pattern, Rule, Table, every_pattern
from triage.priority.words import Vocabulary, Word

#: Of one word list no more hits than this are weighed in one text.
MOST_HITS = 40
_BLANK = "·"


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A stretch of words, end exclusive, that a part or pattern of the table describes."""

    start: int
    end: int


class Finder:
    """Compiles the table's phrases once and finds them in texts; holds no text."""

    def __init__(self, table: Table) -> None:
        with without_torch():
            from spacy.matcher import PhraseMatcher
            from spacy.tokens import Doc
            from spacy.vocab import Vocab

        self.table = table
        self.vocabulary = Vocabulary(table.words, table.never_slips)
        self._vocab = Vocab()
        self._doc = Doc
        self._matcher: Any = PhraseMatcher(self._vocab)
        self._phrase_of: dict[int, str] = {}
        phrases = {p.phrase for one in every_pattern(table) for p in one.parts if p.phrase}
        for phrase in sorted(phrases):
            key = " ".join(phrase)
            self._matcher.add(key, [Doc(self._vocab, words=list(phrase))])
            self._phrase_of[self._vocab.strings[key]] = key
        #: Which lists a phrase belongs to; entries that are more than a phrase go to the sieve.
        self.lists_of: dict[str, list[str]] = {}
        longer: dict[str, list[Pattern]] = {}
        for name, patterns in table.lists.items():
            for pattern in patterns:
                if len(pattern.parts) == 1 and pattern.parts[0].phrase:
                    self.lists_of.setdefault(pattern.parts[0].key, []).append(name)
                else:
                    longer.setdefault(name, []).append(pattern)
        self.sieve = Sieve(table, longer)

    def find(self, words: Sequence[Word]) -> dict[str, list[Hit]]:
        """Return the hits of every phrase of the table, by phrase."""
        doc = self._doc(self._vocab, words=[word.stem or _BLANK for word in words])
        found: dict[str, list[Hit]] = {}
        for key, start, end in self._matcher(doc):
            hits = found.setdefault(self._phrase_of[key], [])
            if len(hits) < MOST_HITS:
                hits.append(Hit(start, end))
        return found


class Text:
    """One text with its words, the phrases found in it, and the answers already worked out."""

    def __init__(self, finder: Finder, text: str) -> None:
        self.text = text
        self.words = finder.vocabulary.words(text)
        self._phrases = finder.find(self.words)
        self._in_list: dict[str, set[Hit]] = {}
        for phrase, hits in self._phrases.items():
            for name in finder.lists_of.get(phrase, ()):
                self._in_list.setdefault(name, set()).update(hits)
        self._lists: dict[str, list[Hit]] = {}
        self._parts: dict[str, list[Hit]] = {}
        self._numbers = [at for at, word in enumerate(self.words) if word.number is not None]
        numbers = [self.words[at].number or 0.0 for at in self._numbers]
        self._possible = finder.sieve.possible(self._phrases, self._in_list, numbers)
        #: What stands between the parts of a longer entry ("lips + blue"), by its hit.
        self.gaps: dict[Hit, Hit] = {}

    def hits(self, name: str) -> list[Hit]:
        """Return where any entry of a named list stands, first to last."""
        if name not in self._possible.lists:
            return []
        if name not in self._lists:
            # Set before it is worked out, so that a list that names itself ends.
            self._lists[name] = []
            found = set(self._in_list.get(name, ()))
            for pattern in self._possible.patterns.get((LIST, name), ()):
                for combination in self.combinations(pattern, everything):
                    ordered = sorted(combination)
                    hit = Hit(ordered[0].start, max(one.end for one in ordered))
                    found.add(hit)
                    if len(ordered) > 1:
                        self.gaps[hit] = Hit(ordered[0].end, ordered[-1].start)
            self._lists[name] = sorted(found)[:MOST_HITS]
        return self._lists[name]

    def when(self, rule: Rule) -> Sequence[Pattern]:
        """Return the patterns of a rule that may hold here, in their order."""
        return self._possible.patterns.get((WHEN, rule.name), ())

    def unless(self, rule: Rule) -> Sequence[Pattern]:
        """Return the excuses of a rule that may hold here, in their order."""
        return self._possible.patterns.get((UNLESS, rule.name), ())

    def part_hits(self, part: Part) -> list[Hit]:
        """Return where one part of a pattern stands."""
        if part.phrase:
            return self._phrases.get(part.key, [])
        found = self._parts.get(part.key)
        if found is None:
            found = self._parts[part.key] = self._find_part(part)
        return found

    def _find_part(self, part: Part) -> list[Hit]:
        if len(part.names) == 1:
            return self.hits(part.names[0])
        if part.names:
            return sorted({hit for name in part.names for hit in self.hits(name)})[:MOST_HITS]
        return [
            Hit(at, at + 1)
            for at in self._numbers
            if part.low <= (self.words[at].number or 0.0) <= part.high
        ][:MOST_HITS]

    def combinations(self, pattern: Pattern, counts: "Counts") -> Iterator[tuple[Hit, ...]]:
        """Yield the ways a pattern holds, of hits that count."""
        if len(pattern.parts) == 1:
            part = pattern.parts[0]
            yield from ((hit,) for hit in self.part_hits(part) if counts(part, hit))
            return
        if not all(self.part_hits(part) for part in pattern.parts):
            return
        choices = []
        for part in pattern.parts:
            usable = [hit for hit in self.part_hits(part) if counts(part, hit)]
            if not usable:
                return
            choices.append(usable)
        for first in choices[0]:
            rest = self._near(first, choices[1:], pattern)
            if rest is not None:
                yield (first, *rest)

    def _near(
        self, last: Hit, choices: list[list[Hit]], pattern: Pattern
    ) -> tuple[Hit, ...] | None:
        if not choices:
            return ()
        for hit in choices[0]:
            if self._close(last, hit, pattern):
                rest = self._near(hit, choices[1:], pattern)
                if rest is not None:
                    return (hit, *rest)
        return None

    def _close(self, one: Hit, other: Hit, pattern: Pattern) -> bool:
        if one.start < other.end and other.start < one.end:
            return False
        if pattern.ordered and other.start < one.end:
            return False
        if pattern.window == ANYWHERE:
            return True
        first, second = (one, other) if one < other else (other, one)
        if second.start - first.end > pattern.window:
            return False
        same = self.words[first.end - 1].sentence == self.words[second.start].sentence
        return same or pattern.window > ONE_SENTENCE

    def quote(self, hits: Sequence[Hit]) -> str:
        """Return the words of the text from the first hit to the last, at most 160 characters."""
        start = self.words[min(hit.start for hit in hits)].start
        end = self.words[max(hit.end for hit in hits) - 1].end
        if end - start > 160:
            first = min(hits)
            start, end = self.words[first.start].start, self.words[first.end - 1].end
        return " ".join(self.text[start:end].split())[:160]


class Counts:
    """Decides whether a hit of a part counts; the plain one lets everything count."""

    def __call__(self, part: Part, hit: Hit) -> bool:
        """Say whether this hit may be used."""
        del part, hit
        return True


everything = Counts()
