"""Makes a backup every hour, and says so when the last good one is too old.

Rule of the room: what counts is the newest backup in the folder, whoever made it, so that several
workers make one between them; a failure is logged by type and tried again.
"""

import errno
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from triage.engine.due import Due
from triage.errors import StoreLocked, blame

log = logging.getLogger(__name__)

#: How often one is made when the settings say nothing.
EVERY = timedelta(hours=1)
#: How soon it is tried again when it could not be made.
AGAIN = timedelta(minutes=5)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Backups:
    """Keeps one folder of backups fresh."""

    def __init__(
        self,
        make: Callable[[], object],
        newest: Callable[[], datetime | None],
        *,
        every: timedelta = EVERY,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._make = make
        #: Says when the newest whole backup was made.
        self._newest = newest
        self._every = every
        self._clock = clock
        self._since = clock()
        self._good: datetime | None = None
        self._due = Due()
        self._trouble = ""

    def once(self) -> bool:
        """Make one if the newest is old enough; return whether one was made."""
        now = self._clock()
        if not self._due.now(now):
            return False
        try:
            self._good = self._newest()
            # One from a clock that ran ahead puts no other off.
            if self._good is not None and timedelta(0) <= now - self._good < self._every:
                self._trouble = ""
                return False
            self._make()
            self._good = self._newest()
        except StoreLocked:
            # Somebody else makes one; if it never ends, the last good one says so by its age.
            return False
        except Exception as trouble:
            full = isinstance(trouble, OSError) and trouble.errno in _FULL
            self._trouble = "backup_disk_full" if full else "backup_failing"
            self._due.again(now, AGAIN)
            log.error("a backup cannot be made: %(error)s", blame(trouble))
            return False
        self._trouble = ""
        return True

    def notes(self) -> frozenset[str]:
        """Say what went wrong, and that the last good one is older than twice the interval."""
        late = abs(self._clock() - (self._good or self._since)) > 2 * self._every
        return frozenset({self._trouble, "backup_late" if late else ""} - {""})
