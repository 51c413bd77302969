"""The red-flag rules run on the original text; they can raise an urgency, never lower one.

Rule of the room: they read subject, newest body and every other reading, but no quoted older
text; they need no model; the table they run is `redflags/`, and its digest is what a
clinician signs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from triage.domain import Flag, Message, Protected
from triage.priority.context import Context
from triage.priority.matching import Finder, Hit, Text, everything
from triage.priority.table import CONTEXT, Rule, load
from triage.priority.words import visible

TABLE = Path(__file__).with_name("redflags")
#: Of one text no more than this is searched in one go; longer texts are searched in pieces.
_PIECE = 20_000
_OVERLAP = 500
_ANSWER = re.compile(r"\s*(re|aw|sv|rif)\s*:", re.I)
_ENOUGH_WORDS = 4
#: Of the signs that came to enough together so many are quoted.
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
        self._finder = Finder(table)

    def flags(self, message: Message) -> tuple[Flag, ...]:
        """Return the rules that fire on a message, most urgent first, each once."""
        found: dict[str, Flag] = {}
        for text in _texts(message):
            for rule, quote in self._fired(text, automatic=message.automatic):
                found.setdefault(
                    rule.name, Flag(rule.name, rule.urgency, Protected(quote), rule.because)
                )
        return tuple(sorted(found.values(), key=lambda flag: -flag.urgency))

    def fires(self, text: str) -> dict[str, str]:
        """Return rule name to quoted words for one bare text, for the table's own examples."""
        return {rule.name: quote for rule, quote in self._fired(visible(text))}

    def signs(self, message: Message) -> frozenset[str]:
        """Return the lists with a sign that counts in the newest words, to weigh them."""
        text = Text(self._finder, next(_texts(message))[:_PIECE])
        context = Context(text, self._finder.table, automatic=message.automatic)
        return frozenset(name for name, _ in _signs(self.weighable, text, context))

    def weight(self, message: Message, points: Mapping[str, int]) -> int:
        """Return what the signs of the newest words come to."""
        text = Text(self._finder, next(_texts(message))[:_PIECE])
        context = Context(text, self._finder.table, automatic=message.automatic)
        return sum(count for count, _ in _apart(points, text, context))

    @property
    def weighable(self) -> tuple[str, ...]:
        """The lists of facts and signs, without those that describe the context."""
        return tuple(name for name in self._finder.table.lists if name not in CONTEXT)

    def _fired(self, whole: str, *, automatic: bool = False) -> Iterator[tuple[Rule, str]]:
        for start in range(0, max(len(whole), 1), _PIECE):
            text = Text(self._finder, whole[max(0, start - _OVERLAP) : start + _PIECE])
            context = Context(text, self._finder.table, automatic=automatic)
            for rule in self.rules:
                hits = _first_hits(rule, text, context)
                if hits and not _excused(rule, text):
                    yield rule, text.quote(hits)


def _first_hits(rule: Rule, text: Text, context: Context) -> tuple[Hit, ...]:
    counts = context.counts_for(rule)
    for pattern in rule.when:
        for hits in text.combinations(pattern, counts):
            return hits
    if rule.points:
        return _weighty(rule, text, context)
    if not rule.several:
        return ()
    seen: list[Hit] = []
    for name in rule.several:
        fitting = (hit for hit in text.hits(name) if not context.against(hit))
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


def _weighty(rule: Rule, text: Text, context: Context) -> tuple[Hit, ...]:
    """Return the signs that count most when all together come to enough."""
    found = _apart(rule.points, text, context)
    if sum(points for points, _ in found) < rule.raises_at:
        return ()
    return tuple(hit for _, hit in found[:_SHOWN])


def _apart(points: Mapping[str, int], text: Text, context: Context) -> list[tuple[int, Hit]]:
    """Return what each list counts and its sign, most first; the same words count only once."""
    found = sorted((-points[name], hit) for name, hit in _signs(points, text, context))
    kept: list[tuple[int, Hit]] = []
    for count, hit in found:
        if not any(hit.start < one.end and one.start < hit.end for _, one in kept):
            kept.append((-count, hit))
    return kept


def _signs(names: Iterable[str], text: Text, context: Context) -> Iterator[tuple[str, Hit]]:
    """Yield each of the lists that has a sign which counts now, with the first such sign."""
    for name in names:
        fitting = (
            hit for hit in text.hits(name) if name in context.facts or not context.against(hit)
        )
        first = next(fitting, None)
        if first is not None:
            yield name, first


def _excused(rule: Rule, text: Text) -> bool:
    return any(next(text.combinations(one, everything), None) for one in rule.unless)


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
