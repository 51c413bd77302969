"""What machines may ask of the desk: does it live, and how much lies where; about nobody."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from triage.desk.health import DUTIES, silent_at
from triage.domain import Beat, Figures
from triage.errors import TriageError
from triage.store import Store

#: Strangers may ask whether all is well; the store is asked at most so often for them.
FRESH = timedelta(seconds=5)


class WatchDesk:
    """No person asks here, so no right is needed; nothing here is about a person."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, clinic: str | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._clinic = clinic
        self._lock = Lock()
        self._asked: datetime | None = None
        self._well = False

    def beat(self) -> None:
        """Say that the pages are served."""
        self._store.beats.beat("web")

    def well(self) -> bool:
        """Return whether the store answers and no other process is silent."""
        with self._lock:
            now = self._clock()
            if self._asked is None or not timedelta() <= now - self._asked < FRESH:
                self._asked, self._well = now, self._look(now)
            return self._well

    def _look(self, now: datetime) -> bool:
        try:
            beats = {beat.process: beat.at for beat in self._store.beats.all()}
        except TriageError:
            return False
        return all(name in beats and not silent_at(beats[name], now) for name in DUTIES)

    def figures(self) -> tuple[datetime, Figures | None, list[Beat]]:
        """Return the present moment, the numbers of this clinic, and every sign of life.

        Without a clinic of its own the desk has no numbers to give.
        """
        found = self._store.counts.figures(clinic=self._clinic) if self._clinic else None
        return self._clock(), found, self._store.beats.all()
