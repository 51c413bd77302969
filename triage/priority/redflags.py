"""The red-flag rules run on the original text; they can raise an urgency, never lower one.

Rule of the room: they read subject, newest body and every other reading, but no quoted older
text; they need no model; the table they run is `redflags/`, and its digest is what a
clinician signs.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from triage.domain import Flag, Message, Protected, Urgency
from triage.priority.context import SOFT, Context
from triage.priority.matching import Finder, Hit, Text, everything
from triage.priority.scorecard import Scorecard
from triage.priority.table import ANYWHERE, CONTEXT, Rule, Table, load
from triage.priority.words import visible

TABLE = Path(__file__).with_name("redflags")
#: Of one text no more than this is searched in one go; longer texts are searched in pieces.
_PIECE = 20_000
_OVERLAP = 500
_ANSWER = re.compile(r"\s*(re|aw|sv|rif)\s*:", re.I)
_ENOUGH_WORDS = 4
#: The flag of signs that come to enough although no rule fired; so many of them are quoted.
TOGETHER = "signs_together"
_SHOWN = 3
_QUOTED_LINE = re.compile(r"^[ \t]{0,3}>[^\n]*\n?", re.M)


class RedFlags:
    """The rules, loaded once; `flags` may be called from several threads.

    Raises BadRules when the table cannot be used.
    """

    #: No table of ours counts as reviewed until a named clinician signs its digest in the app.
    reviewed = False

    def __init__(self, path: Path | None = None) -> None:
        table = load(path or TABLE)
        self.digest = table.digest
        self.rules: tuple[Rule, ...] = table.rules
        self._finder = _finder(table)

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Return the rules that fire on a message, most urgent first, each once.

        They are weak where all that was found comes to less than the score asks for, or where a
        machine or a seller seems to say it; weak ones raise a message only when no model read it
        and all but ruled danger out.
        """
        found: dict[str, Flag] = {}
        most = 0
        for text in _texts(message):
            for piece in self._pieces(text, automatic=message.automatic):
                flags, total = self._found(*piece)
                most = max(most, total)
                for flag in flags:
                    if flag.rule not in found or found[flag.rule].weak:
                        found[flag.rule] = flag
        weak = most < self._score.raises_at
        flags = sorted(found.values(), key=lambda flag: -flag.urgency)
        return tuple(replace(flag, weak=weak or flag.weak) for flag in flags)

    def fires(self, text: str) -> dict[str, str]:
        """Return rule name to quoted words for one bare text, for the table's own examples."""
        return {
            rule.name: read.quote(hits)
            for read, context in self._pieces(visible(text))
            for rule, hits in self._fired(read, context)
        }

    def evidence(self, message: Message) -> tuple[frozenset[str], frozenset[str]]:
        """Return the rules that fire on the newest words and the lists with a sign, to weigh."""
        newest = next(_texts(message))[:_PIECE]
        (piece, *_) = self._pieces(newest, automatic=message.automatic)
        rules = frozenset(rule.name for rule, _ in self._fired(*piece))
        return rules, frozenset(name for name, _ in _signs(self.weighable, *piece))

    @property
    def weighable(self) -> tuple[str, ...]:
        """The lists of facts and signs, without those that describe the context."""
        return tuple(name for name in self._finder.table.lists if name not in CONTEXT)

    @property
    def _score(self) -> Scorecard:
        return self._finder.table.score

    def _pieces(self, whole: str, *, automatic: bool = False) -> Iterator[tuple[Text, Context]]:
        for start in range(0, max(len(whole), 1), _PIECE):
            text = Text(self._finder, whole[max(0, start - _OVERLAP) : start + _PIECE])
            yield text, Context(text, self._finder.table, automatic=automatic)

    def _fired(
        self, text: Text, context: Context, but: frozenset[str] = frozenset()
    ) -> Iterator[tuple[Rule, tuple[Hit, ...]]]:
        for rule in self.rules:
            if not (text.when(rule) or rule.several):
                continue
            hits = _first_hits(rule, text, context, but)
            if hits and not _excused(rule, text, from_afar=not but):
                yield rule, hits

    def _found(self, text: Text, context: Context) -> tuple[list[Flag], int]:
        """Return the flags of one piece of text, and what rules and signs in it come to."""
        fired = list(self._fired(text, context))
        signs = list(_signs(self._score.signs, text, context))
        total = self._score.total([rule.name for rule, _ in fired], [name for name, _ in signs])
        flags = [
            Flag(rule.name, rule.urgency, Protected(text.quote(hits)), rule.because)
            for rule, hits in fired
        ]
        sure = {flag.rule for flag in flags}
        flags += [
            Flag(rule.name, rule.urgency, Protected(text.quote(hits)), rule.because, weak=True)
            for rule, hits in self._fired(text, context, SOFT)
            if rule.name not in sure
        ]
        if not flags and total >= self._score.alone_at:
            heaviest = sorted(signs, key=lambda sign: -self._score.signs[sign[0]])[:_SHOWN]
            quote = Protected(text.quote(tuple(hit for _, hit in heaviest)))
            because = "several signs that together may mean danger"
            flags = [Flag(TOGETHER, Urgency.TODAY, quote, because)]
        return flags, total


@lru_cache(maxsize=2)
def _finder(table: Table) -> Finder:
    """Return the matchers of a table; like the table itself, they are made once and shared."""
    return Finder(table)


def _first_hits(rule: Rule, text: Text, context: Context, but: frozenset[str]) -> tuple[Hit, ...]:
    counts = context.counts_for(rule, but)
    for pattern in text.when(rule):
        for hits in text.combinations(pattern, counts):
            return hits
    if not rule.several:
        return ()
    seen: list[Hit] = []
    for name in rule.several:
        fitting = (hit for hit in text.hits(name) if not context.against(hit) - but)
        fresh = next(
            (
                hit
                for hit in fitting
                if not any(hit.start < s.end and s.start < hit.end for s in seen)
            ),
            None,
        )
        if fresh is not None:
            seen.append(fresh)
    return tuple(seen) if len(seen) >= rule.least else ()


def _signs(names: Iterable[str], text: Text, context: Context) -> Iterator[tuple[str, Hit]]:
    """Yield each of the lists that has a sign which counts now, with the first such sign."""
    for name in names:
        hits = text.hits(name)
        if not hits:
            continue
        fitting = (hit for hit in hits if name in context.facts or not context.against(hit))
        first = next(fitting, None)
        if first is not None:
            yield name, first


def _excused(rule: Rule, text: Text, *, from_afar: bool) -> bool:
    """Whether words that excuse a rule stand there; those of anywhere only if `from_afar`."""
    excuses = (one for one in text.unless(rule) if from_afar or one.window < ANYWHERE)
    return any(next(text.combinations(one, everything), None) for one in excuses)


def _texts(message: Message) -> Iterator[str]:
    """Yield the newest words, then every reading that says something else."""
    subject, body = visible(message.subject.reveal()), visible(message.body.reveal())
    # The subject of an answer was written earlier; it counts only where there is little else.
    old_subject = _ANSWER.match(subject) and len(body.split()) >= _ENOUGH_WORDS
    newest = body if old_subject else f"{subject}\n\n{body}"
    yield newest
    seen = _squeezed(f"{subject} {newest}")
    older = _squeezed(visible(message.quoted.reveal()))
    for reading in message.readings:
        text = visible(reading.reveal())
        plain = _squeezed(text)
        if older and older in plain:
            # This reading repeats the quoted text: only what is around it is new.
            text = _QUOTED_LINE.sub("", text)
            plain = _squeezed(text)
            if older in plain:
                text = plain = plain.replace(older, " ")
        if plain and plain not in seen:
            seen += f" {plain}"
            yield text


def _squeezed(text: str) -> str:
    """Return the text without quotation marks and line breaks, to compare two readings."""
    return " ".join(text.replace(">", " ").split())
