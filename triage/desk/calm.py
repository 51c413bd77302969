"""How quiet the desk is for oneself: everybody's own wish, and nobody else's.

Rule of the room: nothing here is asked before somebody is told of an urgent message.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from triage.desk.rights import Right, require
from triage.domain import Calm, User
from triage.errors import BadPractice
from triage.store import Store


class CalmDesk:
    """The counter of one's own quiet."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def mine(self, actor: User) -> Calm:
        """Return what this person wants to be told."""
        require(actor, Right.SEE_QUEUE)
        return self._store.calm.of(actor.id, clinic=actor.clinic)

    def announces(self, actor: User) -> bool:
        """Whether this person is told just now of what is not urgent."""
        return self.mine(actor).announces(self._clock())

    def wish(self, actor: User, *, quiet: bool, spans: Mapping[str, str]) -> None:
        """Keep what this person wants; `spans` are day -> `08:00-17:00`. Raises BadPractice."""
        require(actor, Right.SEE_QUEUE)
        try:
            Calm.read(quiet, spans, UTC)
        except ValueError as trouble:
            raise BadPractice(str(trouble)) from None
        who = {"clinic": actor.clinic, "by": actor.id}
        self._store.calm.put(quiet=quiet, hours=spans, **who)
