"""A patient who writes again: which of their cases hang together, and whether it got worse.

Rule of the room: writing again may raise a rank and never lowers it.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.domain.words import CaseState, Route

#: Cases this close together are one story.
RECENT = timedelta(hours=48)
#: Twice within this is a patient who cannot wait.
SOON = timedelta(hours=24)

_WORSE = re.compile(
    r"\b(?:worse(?:n|ns|ned|ning)?|worst|deteriorat\w+|spread(?:s|ing)?|"
    r"(?:not|isn'?t|hasn'?t|no) (?:getting |got |gotten |any )?better|"
    r"(?:still|even) (?:more|bleeding|vomiting|hurts?|in pain)|more (?:pain|swollen|swelling)|"
    r"unbearable|can(?:no|')t (?:take|stand|bear) (?:it|this)|"
    r"peor(?:es)?|empeor\w+|no mejor\w+|cada vez m[aá]s|m[aá]s dolor|insoportable)\b",
    re.IGNORECASE,
)
#: "Not worse" is said by who got no worse; such a word in between begins something new, or turns
#: the denial round ("no fever but worse pain", "not only worse", "no doubt worse").
_TURNS = (
    r"but|and|yet|with|plus|though|although|however|because|since|while|then|now|still|only|just"
    r"|merely|simply|doubt|question|pero|sino|y|e|con|aunque|porque|ahora|luego|todav[ií]a"
    r"|s[oó]lo|solamente|duda"
)
#: Only "not" itself may stand at the end of a line: "no fever" and "worse pain" under it are two.
_DENIED = re.compile(
    r"\b(?:(?:not|isn'?t|hasn'?t)\s+"
    r"|(?:no|never(?![ \t]+(?:been|felt|had)\b)|nor|without|nothing|ni)[ \t]+)"
    rf"(?:(?!(?:{_TURNS})\b)\w+[ \t]+){{0,2}}$",
    re.IGNORECASE,
)


def gets_worse(text: str) -> bool:
    """Whether somebody says that something got worse; a denial right before it does not count."""
    for found in _WORSE.finditer(text):
        starts_denied = re.match(r"(?:not|isn|hasn|no)\b", found.group(), re.IGNORECASE)
        if starts_denied or not _DENIED.search(text[max(0, found.start() - 30) : found.start()]):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Linked:
    """Another case of the same patient within 48 hours, or with the very same message."""

    case_id: str
    state: CaseState
    route: Route
    opened_at: datetime
    last_message_at: datetime
    messages: int


@dataclass(frozen=True, slots=True)
class Chain:
    """How often this patient wrote within 48 hours, and the other cases that came of it."""

    messages: int = 0
    cases: tuple[Linked, ...] = ()
    #: Nobody knows who wrote; these cases hold the same message, byte for byte.
    copies: bool = False


#: What nobody wrote before belongs to.
UNCHAINED = Chain()
