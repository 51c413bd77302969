"""Finds what a draft states and looks for where it comes from.

Rule of the room: a fact has a source only where somebody or something other than the draft says
it; the words of a language model are none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.domain import FactKind, FactSource, PortalFacts, Protected, Stated
from triage.drafting.facts import facts
from triage.drafting.shapes import Meaning, bare_numbers, day, found, minute
from triage.drafting.wording import wordings


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


def facts_of(subject: Protected, body: Protected, sources: Sequence[Source]) -> tuple[Stated, ...]:
    """Return every fact of a draft once, in the order of the text, with its first source."""
    given = [(source, _gives(source)) for source in sources]
    text = f"{subject.reveal()}\n{body.reveal()}"
    seen: set[tuple[FactKind, frozenset[str]]] = set()
    count: Counter[FactKind] = Counter()
    stated = []
    for kind, start, end, meaning in sorted(found(text), key=lambda one: one[1]):
        if (kind, meaning.asks) in seen:
            continue
        seen.add((kind, meaning.asks))
        count[kind] += 1
        source = next((one for one, keys in given if keys & meaning.asks), None)
        stated.append(
            Stated(
                id=f"{kind.value}-{count[kind]}",
                kind=kind,
                words=Protected(" ".join(text[start:end].split())),
                source=source.kind if source else None,
                message_id=source.message_id if source else "",
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


def _gives(source: Source) -> frozenset[str]:
    text = source.words.reveal()
    keys = {key for _, _, _, meaning in found(text) for key in meaning.gives}
    keys |= set(bare_numbers(text))
    for moment in (*source.moments, *source.days):
        keys |= _keys(day(moment.year, moment.month, moment.day))
    for moment in source.moments:
        half = "p" if moment.hour >= 12 else "a"
        keys |= _keys(minute(moment.hour % 12 or 12, moment.minute, half))
    return frozenset(keys)


def _keys(meaning: Meaning | None) -> frozenset[str]:
    return meaning.gives if meaning else frozenset()
