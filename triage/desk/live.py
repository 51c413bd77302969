"""What an open queue hears: one reading of the store for all who listen in a clinic.

Rule of the room: numbers and our own fixed sentences, about nobody. Whether somebody may still
listen is asked in every round, in the same reading.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from triage.desk.health import banners
from triage.desk.rights import Right, may, require
from triage.desk.views import Banner
from triage.domain import Lane, Role, User
from triage.store import Store
from triage.store.listening import Tidings


@dataclass(frozen=True, slots=True)
class News:
    """What one open queue is told."""

    #: Changes whenever the queue does.
    version: str
    counts: Mapping[Lane, int]
    banners: tuple[Banner, ...]
    #: How much waits for this person beside the queue.
    for_me: int
    #: Whether they want to hear just now of what is not urgent.
    announces: bool


class LiveDesk:
    """The counter that open queues listen at."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], clinical: Mapping[str, str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._clinical = clinical

    def for_me(self, actor: User) -> int:
        """Return how much waits for this person under "For me"; nothing out of their hours."""
        require(actor, Right.SEE_QUEUE)
        if not self._store.calm.of(actor.id, clinic=actor.clinic).announces(self._clock()):
            return 0
        approves = may(actor, Right.APPROVE_REPLY)
        return self._store.listening.for_me(actor.id, clinic=actor.clinic, approves=approves)

    def round(self, tokens: Collection[str], *, clinic: str) -> Mapping[str, News]:
        """Return session -> its news, without those that ended or whose person may no more see it.

        Banners are made once for each set of roles among the listeners, whatever their number.
        """
        now = self._clock()
        self._store.snoozes.round(by="desk", now=now, clinic=clinic)
        read = self._store.listening.read(tokens, clinic=clinic, now=now)
        said: dict[frozenset[Role], tuple[Banner, ...]] = {}
        found: dict[str, News] = {}
        for token, person in read.people.items():
            if not may(person, Right.SEE_QUEUE):
                continue
            if person.roles not in said:
                said[person.roles] = banners(self._store, person, now, self._clinical)
            found[token] = _news(read, person, said[person.roles], now)
        return found


def _news(read: Tidings, person: User, said: tuple[Banner, ...], now: datetime) -> News:
    asked = read.asked if may(person, Right.APPROVE_REPLY) else 0
    announces = read.calm[person.id].announces(now)
    return News(
        version=read.version,
        counts=read.counts,
        banners=said,
        for_me=read.notes.get(person.id, 0) + asked if announces else 0,
        announces=announces,
    )
