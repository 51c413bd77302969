"""What of a draft only may name somebody else, so that a person answers for it by a tick.

Rule of the room: it turns a stop into a question only for a name the person who wrote uses, never
for a number, an address or a birth date.
"""

from collections.abc import Collection
from dataclasses import replace

from triage.domain import (
    CaseFile,
    FactKind,
    IdentifierType,
    Protected,
    Stated,
    Stranger,
    newest_from_person,
)
from triage.drafting.spots import same_words, words_of_all


def told_apart(
    strangers: Collection[Stranger], file: CaseFile
) -> tuple[tuple[Stranger, ...], tuple[Stranger, ...]]:
    """Return what stops a draft, and the certain names that are asked about instead.

    Asked about is a name the answered message or a contact of the patient uses: a single word, or
    with a word of the patient's own name. A whole name of somebody else stops: the case may be
    linked to the wrong person.
    """
    answered = newest_from_person(file.messages)
    readers = [one.name for one in (file.contact, *file.contacts) if one is not None]
    said = words_of_all(
        answered.subject, answered.body, answered.signature, answered.sender_name, *readers
    )
    own = words_of_all(file.patient.name) if file.patient else frozenset()

    def is_asked(one: Stranger) -> bool:
        words = words_of_all(one.words)
        near = len(words) == 1 or bool(words & own)
        return one.kind is IdentifierType.NAME and near and words <= said

    certain = [one for one in strangers if one.sure]
    stops = tuple(one for one in certain if not is_asked(one))
    return stops, tuple(one for one in certain if is_asked(one))


def with_births(facts: tuple[Stated, ...], strangers: Collection[Stranger]) -> tuple[Stated, ...]:
    """Say of a date without a source that somebody else was born on it."""
    births = {one.words for one in strangers if one.kind is IdentifierType.DATE and not one.sure}
    return tuple(
        replace(fact, kind=FactKind.BIRTH)
        if fact.source is None and fact.kind is FactKind.DATE and fact.words in births
        else fact
        for fact in facts
    )


def with_numbers(facts: tuple[Stated, ...], strangers: Collection[Stranger]) -> tuple[Stated, ...]:
    """Add the bare numbers that are another patient's record number."""
    kind = IdentifierType.MRN
    return (
        *facts,
        *_stated(FactKind.NUMBER, [one for one in strangers if one.kind is kind and not one.sure]),
    )


def with_names(
    facts: tuple[Stated, ...],
    strangers: Collection[Stranger],
    certain: Collection[Stranger],
    asked: Collection[Stranger],
    said: frozenset[str],
) -> tuple[Stated, ...]:
    """Add the single words that are names of others, unless the messages or the clinic use them.

    What is in `asked` is added whoever uses it; words within a `certain` one are not said twice.
    """
    known = said | words_of_all(*(one.words for one in (*certain, *asked)))
    names = [
        one
        for one in strangers
        if one.kind is IdentifierType.NAME and not one.sure and not same_words(one.words, known)
    ]
    return (*facts, *_stated(FactKind.NAME, (*asked, *names)))


def _stated(kind: FactKind, found: Collection[Stranger]) -> list[Stated]:
    words: dict[Protected, None] = dict.fromkeys(one.words for one in found)
    return [Stated(f"{kind.value}-{at}", kind, one) for at, one in enumerate(words, 1)]
