"""Puts typed, numbered placeholders where identifiers stood.

Rule of the room: within one message one surface has one placeholder, in subject and body alike;
a placeholder that a patient typed is itself replaced, so only ours look like ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.domain import IdentifierType, Protected, Redaction
from triage.redaction.finding import Found

_TYPES = "|".join(IdentifierType)
_TYPED = re.compile(rf"\[\s*(?:{_TYPES})[\s_-]*\d+\s*\]", re.IGNORECASE)


def typed_placeholders(text: str) -> list[Found]:
    """Find what looks like one of our placeholders in what somebody wrote."""
    return [
        Found(match.start(), match.end(), IdentifierType.OTHER_ID, 1.0, "placeholder")
        for match in _TYPED.finditer(text)
    ]


@dataclass(slots=True)
class Naming:
    """The placeholders of one message."""

    _given: dict[tuple[IdentifierType, str], Redaction] = field(default_factory=dict)
    _counts: dict[IdentifierType, int] = field(default_factory=dict)

    def placeholder(self, type: IdentifierType, original: str, surface: str) -> str:
        """Return the placeholder of a surface; `surface` is its plain reading."""
        key = (type, _key(surface))
        if key not in self._given:
            number = self._counts.get(type, 0) + 1
            self._counts[type] = number
            self._given[key] = Redaction(f"[{type}_{number}]", type, Protected(original))
        return self._given[key].placeholder

    def redactions(self) -> tuple[Redaction, ...]:
        """Return what each placeholder stands for.

        Originals that hold a bracket come last: put back one after another, they cannot be taken
        for a placeholder themselves.
        """
        given: Sequence[Redaction] = list(self._given.values())
        return tuple(sorted(given, key=lambda redaction: "[" in redaction.original.reveal()))


def _key(surface: str) -> str:
    return re.sub(r"[\W_]+", " ", surface.casefold()).strip() or surface
