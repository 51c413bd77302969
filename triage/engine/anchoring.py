"""Writes the head of the audit chain outside the database, again and again.

Rule of the room: first the line, then the event that remembers it; a crash in between leaves a
line too many, which harms nobody. A chain that is not the one anchored last is never anchored.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from triage.audit import ANCHORED, AnchorFile
from triage.domain import Anchor
from triage.errors import AuditBroken, blame
from triage.store import Store, tables

log = logging.getLogger(__name__)

#: How often the head is written down when the settings say nothing.
EVERY = timedelta(minutes=10)
#: How soon it is tried again when it could not be written.
AGAIN = timedelta(seconds=30)


class Anchoring:
    """Anchors one chain in one file; failures are logged by type and tried again."""

    def __init__(
        self,
        store: Store,
        file: AnchorFile,
        *,
        clinic: str,
        by: str = "worker",
        every: timedelta = EVERY,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._file = file
        self._clinic = clinic
        self._by = by
        self._every = every
        self._clock = clock
        self._due = clock()
        #: The name of the last error's type, empty while all is well.
        self.trouble = ""

    def once(self) -> bool:
        """Anchor the head if it is time to; return whether a line was written."""
        now = self._clock()
        if now < self._due:
            return False
        try:
            written = self._anchor(now)
        except Exception as trouble:
            self.trouble, self._due = type(trouble).__name__, now + AGAIN
            log.error("the audit cannot be anchored: %(error)s", blame(trouble))
            return False
        self.trouble, self._due = "", now + self._every
        return written

    def _anchor(self, now: datetime) -> bool:
        # The file first: another worker may anchor a newer head at any moment.
        lines = self._file.read()
        seq, digest = self._store.audit.head()
        newest = max((line.seq for line in lines), default=0)
        self._compare(newest, {line.digest for line in lines if line.seq == newest})
        # Nothing happened since but the event that remembers the last line.
        if seq <= newest + 1:
            return False
        self._file.append(Anchor(seq, digest, now))
        line = {"seq": str(seq), "digest": digest}
        self._store.audit.record(ANCHORED, clinic=self._clinic, by=self._by, detail=line)
        return True

    def _compare(self, newest: int, digests: set[str]) -> None:
        """Raise AuditBroken when the newest anchored event is gone or is another one."""
        if not newest:
            return
        table = tables.audit
        query = table.select().with_only_columns(table.c.digest).where(table.c.seq == newest)
        with self._store.transactions.read() as work:
            row = work.first(query)
        if row is None or digests != {row.digest}:
            raise AuditBroken(f"event {newest} is not the one that was anchored")
