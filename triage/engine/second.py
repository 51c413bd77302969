"""A second eye on the watch itself, in the process that started it.

Rule of the room: it looks at one small file and tells staff; it needs neither store nor network.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triage.connectors import AlertDoor
from triage.domain import Alarm, Fault, Notice
from triage.engine.alarms import AlarmBook
from triage.engine.telling import Telling
from triage.engine.watching import read_sign

#: The watch writes its file every few seconds, and at the latest after all its questions hung.
SILENCE = timedelta(seconds=120)


class SecondEye:
    """Tells staff when the watch is dead or stopped, or had to be started again."""

    def __init__(
        self,
        clinic: str,
        alive_file: Path,
        doors: Sequence[AlertDoor],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._file = alive_file
        self._telling = Telling(doors)
        self._clock = clock
        self._began = clock()
        self._book = AlarmBook(clinic)

    def once(self, *, restarted: bool = False) -> Notice | None:
        """Look once; return what staff were told."""
        now = self._clock()
        found = {Alarm(Fault.PROCESS_RESTARTED, "watch")} if restarted else set()
        self._began = min(self._began, now)
        last = max(read_sign(self._file) or self._began, self._began)
        # One from the future was written before the clock was set back, and none since.
        if abs(now - last) > SILENCE:
            found.add(Alarm(Fault.PROCESS_SILENT, "watch"))
        for late, _ in self._telling.late():
            self._book.told(late)
        notice = self._book.notice(found, now)
        if notice is None:
            return None
        if self._telling.through(notice) or not self._telling:
            self._book.told(notice)
        return notice
