"""Puts typed, numbered placeholders where identifiers stood.

Rule of the room: in a conversation one person has one placeholder, in subject, body and names of
files alike; a placeholder that a patient typed is itself replaced, so only ours look like ours.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from triage.domain import IdentifierType, Protected, Redaction, fold, name_words
from triage.redaction.finding import Found

_TYPES = "|".join(IdentifierType)
_TYPED = re.compile(rf"\[\s*(?:{_TYPES})[\s_-]*\d+\s*\]", re.IGNORECASE)
_INITIAL = re.compile(r"(?<![^\W\d_])([^\W\d_])(?![^\W\d_'’])")


def typed_placeholders(text: str) -> list[Found]:
    """Find what looks like one of our placeholders in what somebody wrote."""
    return [
        Found(match.start(), match.end(), IdentifierType.OTHER_ID, 1.0, "placeholder")
        for match in _TYPED.finditer(text)
    ]


@dataclass(frozen=True, slots=True)
class Surface:
    """One identifier as it was written: the original, and its plain reading."""

    type: IdentifierType
    original: str
    plain: str


@dataclass(slots=True)
class Naming:
    """The placeholders of one message, which go on where its conversation left off.

    `surfaces` is everything that will be hidden, so that "Maria" on the first line is known to be
    the Maria Lopez who signs below.
    """

    earlier: Sequence[Redaction] = ()
    surfaces: Iterable[Surface] = ()
    _persons: "_Persons" = field(init=False)
    #: Key of an identifier -> its placeholder, in the whole conversation.
    _known: dict[tuple[IdentifierType, str], str] = field(default_factory=dict)
    #: Placeholder -> what it stands for in this message.
    _given: dict[str, Redaction] = field(default_factory=dict)
    _counts: dict[IdentifierType, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count on from the conversation's placeholders."""
        said = [
            Surface(one.type, one.original.reveal(), one.original.reveal()) for one in self.earlier
        ]
        names = [one.plain for one in (*said, *self.surfaces) if one.type is IdentifierType.NAME]
        self._persons = _Persons(names)
        for one, surface in zip(self.earlier, said, strict=True):
            self._known.setdefault(self._key(surface), one.placeholder)
            number = int(one.placeholder.rstrip("]").rpartition("_")[2])
            self._counts[one.type] = max(self._counts.get(one.type, 0), number)

    def placeholder(self, surface: Surface) -> str:
        """Return the placeholder of a surface, the same for the same person or number."""
        key = self._key(surface)
        if key not in self._known:
            number = self._counts.get(surface.type, 0) + 1
            self._counts[surface.type] = number
            self._known[key] = f"[{surface.type}_{number}]"
        placeholder = self._known[key]
        given = self._given.get(placeholder)
        # The fullest form of a name is the one a draft will say.
        if given is None or _words(surface.original) > _words(given.original.reveal()):
            self._given[placeholder] = Redaction(
                placeholder, surface.type, Protected(surface.original)
            )
        return placeholder

    def redactions(self) -> tuple[Redaction, ...]:
        """Return what each placeholder stands for.

        Originals that hold a bracket come last: put back one after another, they cannot be taken
        for a placeholder themselves.
        """
        given = list(self._given.values())
        return tuple(sorted(given, key=lambda redaction: "[" in redaction.original.reveal()))

    def _key(self, surface: Surface) -> tuple[IdentifierType, str]:
        if surface.type is IdentifierType.NAME:
            return surface.type, self._persons.of(surface.plain)
        return surface.type, _normal(surface.plain)


def _said(earlier: Redaction) -> Surface:
    original = earlier.original.reveal()
    return Surface(earlier.type, original, original)


class _Persons:
    """Who is who among the written names of a conversation."""

    def __init__(self, names: Iterable[str]) -> None:
        sets = {frozenset(name_words(name)) for name in names}
        self._full = [words for words in sets if len(words) > 1]

    def of(self, name: str) -> str:
        """Return the person's key: all their name words, or the name itself when in doubt.

        A shorter form belongs to a full name when it belongs to no other: "Lopez" between Maria
        Lopez and Juan Lopez stays a name of its own.
        """
        words, initials = frozenset(name_words(name)), _initials(name)
        if not words:
            return _normal(name)
        whole = [full for full in self._full if words <= full and _fits(initials, full - words)]
        widest = max(whole, key=len, default=words)
        mine = widest if all(full <= widest for full in whole) else words
        return " ".join(sorted(mine))


def _initials(name: str) -> frozenset[str]:
    return frozenset(fold(letter) for letter in _INITIAL.findall(name))


def _fits(initials: frozenset[str], rest: frozenset[str]) -> bool:
    """Whether every initial can be one of the remaining words; a middle initial may be unsaid."""
    if not rest:
        return True
    starts = {word[0] for word in rest}
    return not initials or bool(initials & starts)


def _words(name: str) -> int:
    return len(name_words(name))


def _normal(surface: str) -> str:
    return re.sub(r"[\W_]+", " ", surface.casefold()).strip() or surface
