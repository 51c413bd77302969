"""Finds what a draft still has to be filled with.

Rule of the room: a placeholder of redaction, a slot of a template, or three dots in brackets.
"""

import re

from triage.domain import Protected

_OPEN = re.compile(
    r"\[[A-Z][A-Z_]*(?:_\d+)?\]|\{[a-z_]+\}|\[\s*(?:\.{2,}|…|_{2,}|X{2,})\s*\]|_{4,}"
)


def unfilled(*texts: Protected) -> tuple[Protected, ...]:
    """Return every open place of these texts once, in order."""
    found = [match for text in texts for match in _OPEN.findall(text.reveal())]
    return tuple(Protected(one) for one in dict.fromkeys(found))
