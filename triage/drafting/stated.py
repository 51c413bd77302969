"""Finds what a draft states and looks for where it comes from.

Rule of the room: a fact has a source only where somebody or something other than the draft says
it; the words of a language model are none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from triage.domain import FactKind, FactSource, PortalFacts, Protected, Stated
from triage.drafting.dating import dated, is_opening, weekday_of
from triage.drafting.facts import facts
from triage.drafting.shapes import Meaning, bare_numbers, day, found, minute
from triage.drafting.wording import wordings

#: Our own words, which may repeat the opening hours.
_OURS = frozenset({FactSource.REPLY, FactSource.TEMPLATE})
#: What a date implies and does not say.
_VAGUE = ("weekday ", "month ")


@dataclass(frozen=True, slots=True)
class Source:
    """Something a fact may come from."""

    kind: FactSource
    words: Protected
    message_id: str = ""
    #: Days and times that stand in it as such.
    moments: tuple[datetime, ...] = ()
    #: Days only: when a message came.
    days: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class _Given:
    """What one source gives: anywhere, and in sentences about opening hours only."""

    source: Source
    keys: frozenset[str]
    opening: frozenset[str]

    def at(self, *, opens: bool) -> frozenset[str]:
        """Return what it gives to a sentence that is about opening hours, or is not."""
        return self.keys | self.opening if opens else self.keys


def facts_of(
    subject: Protected, body: Protected, sources: Sequence[Source], today: date | None = None
) -> tuple[Stated, ...]:
    """Return every fact of a draft once, in the order of the text, with its first source.

    `today` tells which year a date without one means.
    """
    given = [_gives(source) for source in sources]
    text = f"{subject.reveal()}\n{body.reveal()}"
    every = frozenset().union(*(one.keys for one in given))
    seen: set[tuple[FactKind, frozenset[str], int | None]] = set()
    count: Counter[FactKind] = Counter()
    stated = []
    for kind, start, end, meaning, claimed in dated(text):
        really = weekday_of(meaning, every, today) if claimed is not None else frozenset()
        wrong = min(really) if really and claimed not in really else None
        if (kind, meaning.asks, wrong) in seen:
            continue
        seen.add((kind, meaning.asks, wrong))
        count[kind] += 1
        opens = is_opening(text, start)
        having = [one.source for one in given if meaning.asks & one.at(opens=opens)]
        one = having[0] if having and wrong is None else None
        stated.append(
            Stated(
                id=f"{kind.value}-{count[kind]}",
                kind=kind,
                words=Protected(" ".join(text[start:end].split())),
                source=one.kind if one else None,
                message_id=one.message_id if one else "",
                weekday=wrong,
            )
        )
    return tuple(stated)


def keys_of(text: Protected) -> frozenset[tuple[FactKind, frozenset[str]]]:
    """Return what a text states, without its wording: two texts that say the same are equal."""
    return frozenset((kind, meaning.asks) for kind, _, _, meaning in found(text.reveal()))


def clinic_words(settings: Mapping[str, object]) -> Protected:
    """Return all a clinic says about itself in every language that ships, opening hours too."""
    texts, neutral = wordings()
    said = [
        value
        for language, wording in texts.items()
        for value in facts(settings, language, neutral=neutral, days=wording.days).values()
    ]
    return Protected("\n".join(dict.fromkeys(said)))


def portal_words(known: PortalFacts) -> Source:
    """Return what a portal said of a patient as a source."""
    lines = [one.what.reveal() for one in known.appointments]
    lines += [f"{one.name.reveal()} {one.dose.reveal()}" for one in known.medications]
    lines += [f"{one.payer.reveal()} {one.member.reveal()}" for one in known.coverages]
    moments = tuple(one.start for one in known.appointments)
    return Source(FactSource.PORTAL, Protected("\n".join(lines)), moments=moments)


def _gives(source: Source) -> _Given:
    text = source.words.reveal()
    keys, opening = set(bare_numbers(text)), set[str]()
    for _, start, _, meaning in found(text):
        limited = source.kind is FactSource.CLINIC or (
            source.kind in _OURS and is_opening(text, start)
        )
        for key in meaning.gives:
            hours = key.startswith(("weekday ", "time "))
            (opening if limited and hours else keys).add(key)
    if source.kind is FactSource.RECORD:
        # The day somebody was born on says nothing of a Friday.
        keys = {key for key in keys if not key.startswith(_VAGUE)}
    for moment in source.days:
        known = _keys(day(moment.year, moment.month, moment.day))
        keys |= {key for key in known if not key.startswith(_VAGUE)}
    for moment in source.moments:
        keys |= _keys(day(moment.year, moment.month, moment.day))
        half = "p" if moment.hour >= 12 else "a"
        keys |= _keys(minute(moment.hour % 12 or 12, moment.minute, half))
    return _Given(source, frozenset(keys), frozenset(opening))


def _keys(meaning: Meaning | None) -> frozenset[str]:
    return meaning.gives if meaning else frozenset()
