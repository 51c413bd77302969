"""Puts typed, numbered placeholders where identifiers stood.

Rule of the room: in a conversation one person has one placeholder, in subject, body and names of
files alike; a placeholder that a patient typed is itself replaced, so only ours look like ours.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from triage.domain import IdentifierType, Protected, Redaction
from triage.domain.known import number_of
from triage.redaction.finding import Found
from triage.redaction.persons import Persons, Written

_TYPES = "|".join(IdentifierType)
#: Numbers that are the same whatever stands between their letters and digits.
_NUMBERS = frozenset(
    {
        IdentifierType.PHONE,
        IdentifierType.SSN,
        IdentifierType.MRN,
        IdentifierType.MEMBER_ID,
        IdentifierType.ACCOUNT,
    }
)
_TYPED = re.compile(rf"\[\s*(?:{_TYPES})[\s_-]*\d+\s*\]", re.IGNORECASE)


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
    #: What stands in front of it; a title tells a Mr. from a Mrs.
    before: str = ""

    @property
    def written(self) -> Written:
        """A name as it is compared with others."""
        return Written.of(self.plain, self.before)


@dataclass(slots=True)
class Naming:
    """The placeholders of one message, which go on where its conversation left off.

    `surfaces` is everything that will be hidden, so that "Maria" on the first line is known to be
    the Maria Lopez who signs below. `counts` are the numbers the conversation has used up.
    """

    earlier: Sequence[Redaction] = ()
    surfaces: Iterable[Surface] = ()
    counts: Mapping[IdentifierType, int] = field(default_factory=dict)
    _persons: Persons = field(init=False)
    #: Key of an identifier -> its placeholder, in the whole conversation.
    _known: dict[tuple[IdentifierType, str], str] = field(default_factory=dict)
    #: Placeholder -> what it stands for in this message.
    _given: dict[str, Redaction] = field(default_factory=dict)
    _used: dict[IdentifierType, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count on from the conversation's placeholders."""
        said = [_said(one) for one in self.earlier]
        names = (*said, *self.surfaces)
        self._persons = Persons(one.written for one in names if one.type is IdentifierType.NAME)
        self._used = dict(self.counts)
        for one, surface in zip(self.earlier, said, strict=True):
            self._known.setdefault(self._key(surface), one.placeholder)
            number = number_of(one.placeholder)
            self._used[one.type] = max(self._used.get(one.type, 0), number)

    def placeholder(self, surface: Surface) -> str:
        """Return the placeholder of a surface, the same for the same person or number."""
        key = self._key(surface)
        if key not in self._known:
            number = self._used.get(surface.type, 0) + 1
            self._used[surface.type] = number
            self._known[key] = f"[{surface.type}_{number}]"
        placeholder = self._known[key]
        given = self._given.get(placeholder)
        if given is None or _fuller(surface, given):
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
        if surface.type is IdentifierType.NAME and surface.written.words:
            return surface.type, self._persons.key(surface.written)
        return surface.type, _normal(surface.type, surface.plain)


def _said(earlier: Redaction) -> Surface:
    original = earlier.original.reveal()
    return Surface(earlier.type, original, original)


def _fuller(surface: Surface, given: Redaction) -> bool:
    """Whether a name says more than the form kept so far: a draft says the fullest."""
    if surface.type is not IdentifierType.NAME:
        return False
    return surface.written.weight > _said(given).written.weight


def _normal(kind: IdentifierType, surface: str) -> str:
    """Return what makes two surfaces of a type the same one."""
    low = surface.casefold()
    if kind in _NUMBERS:
        return "".join(filter(str.isalnum, low)) or low
    if kind in (IdentifierType.EMAIL, IdentifierType.URL, IdentifierType.OTHER_ID):
        # Every sign counts: john.smith and john_smith are two people.
        return surface if kind is IdentifierType.URL else low
    return re.sub(r"[\W_]+", " ", low).strip() or surface
