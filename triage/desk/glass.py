"""Emergencies: a case seen by somebody whose role does not include it, and the look back at it.

Rule of the room: one case, one person, at most an hour, a written reason; every one stays on the
supervisors' list until one of them, never the person themself, has looked into it.
"""

from collections.abc import Callable
from datetime import datetime

from triage.desk.rights import Right, require
from triage.domain import BrokenGlass, Protected, User
from triage.errors import NoReason, NotAllowed
from triage.store import Store

#: For how many minutes a case can be opened.
MINUTES = (15, 30, 60)


class GlassDesk:
    """The counter for emergencies."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def smash(self, actor: User, case_id: str, *, reason: Protected, minutes: int) -> BrokenGlass:
        """Open one case for reading; supervisors are told at once. Raises NoReason, NotFound.

        A password alone, which may lie in a notebook, opens nothing: NotAllowed until the person
        has an authenticator app, whose code their sessions then need.
        """
        require(actor, Right.BREAK_GLASS)
        if not self._store.factors.enrolled(actor.id):
            raise NotAllowed("an emergency needs an authenticator app; enrol one first")
        if not reason or minutes not in MINUTES:
            raise NoReason(f"case {case_id}")
        return self._store.glass.smash(
            case_id,
            reason,
            minutes=minutes,
            clinic=actor.clinic,
            by=actor.id,
            now=self._clock(),
        )

    def all(self, actor: User) -> tuple[BrokenGlass, ...]:
        """Return every emergency nobody has looked into, oldest first, then the newest others."""
        require(actor, Right.REVIEW_GLASS)
        return tuple(self._store.glass.all(clinic=actor.clinic, by=actor.id))

    def review(self, actor: User, glass_id: str) -> None:
        """Say by name that one was looked into; raise NotYourself for one's own."""
        require(actor, Right.REVIEW_GLASS)
        self._store.glass.review(glass_id, clinic=actor.clinic, by=actor.id, now=self._clock())
