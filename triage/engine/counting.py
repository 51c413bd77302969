"""Counts every hour whether the queue shows every open case, and where every message is.

Rule of the room: the count waits for nobody. One that takes long is fetched in a later round of
the watch, and one that never comes is told as well.
"""

from collections.abc import Callable
from datetime import timedelta

from triage.domain import COUNT_BEAT, Alarm, Fault, Unseen
from triage.engine.telling import Bounded
from triage.store import Store

#: How often it is counted, and how often while something is missing or there was no answer.
HOURLY, SOON = timedelta(hours=1), timedelta(minutes=5)
#: Without a whole count for so long staff are told that nobody knows.
LONGEST = timedelta(hours=2)
#: How long one round of the watch waits for a count, in seconds.
PATIENCE = 5.0


class Counting:
    """The hourly count of one clinic; time is counted by a clock that nobody sets."""

    def __init__(self, clinic: str, *, steady: Callable[[], float]) -> None:
        self._clinic = clinic
        self._steady = steady
        self._asked = Bounded[tuple[Alarm, ...]](PATIENCE)
        self._counted = self._due = steady()
        #: What the last whole count found; it stands until another one.
        self._found: tuple[Alarm, ...] = ()

    def look(self, store: Store) -> None:
        """Count if it is time; fetch a count that took longer than a round waits."""
        now = self._steady()
        found = self._asked.late()
        if found is None and not self._asked.hangs and now >= self._due:
            found = self._asked.ask(lambda: self._count(store))
            self._due = now + SOON.total_seconds()
        if found is not None:
            self._found, self._counted = found, now
            self._due = now + (SOON if found else HOURLY).total_seconds()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Return what is wrong by the last whole count, or that there was none for too long."""
        if self._steady() - self._counted > LONGEST.total_seconds():
            return (*self._found, Alarm(Fault.NOT_COUNTED))
        return self._found

    def _count(self, store: Store) -> tuple[Alarm, ...]:
        found = alarms(store.counts.unseen(clinic=self._clinic))
        store.beats.beat(COUNT_BEAT, notes=[one.note for one in found])
        return found


def alarms(unseen: Unseen) -> tuple[Alarm, ...]:
    """Return what staff are told of a count; nothing where nothing is missing."""
    wrong = {Fault.IN_NO_LANE: unseen.cases, Fault.NOWHERE: unseen.messages}
    return tuple(Alarm(fault, str(count)) for fault, count in wrong.items() if count)
