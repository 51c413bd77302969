"""Writes the heads of all audit chains outside the database, again and again.

Rule of the room: first the line, then the event that remembers it; a crash in between leaves a
line too many, which harms nobody. While one chain is not the one anchored last, none is anchored.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from triage.audit import ANCHORED, AnchorFile, beyond, claim, newest_heads
from triage.domain import Anchor, Head
from triage.engine.due import Due
from triage.errors import AuditBroken, blame
from triage.store import Store, tables

log = logging.getLogger(__name__)

#: How often the heads are written down when the settings say nothing.
EVERY = timedelta(minutes=10)
#: How soon it is tried again when they could not be written.
AGAIN = timedelta(seconds=30)


class Anchoring:
    """Anchors the chains of one store in one file; failures are logged and tried again."""

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
        self._due = Due()
        #: The name of the last error's type, empty while all is well.
        self.trouble = ""

    def once(self) -> bool:
        """Anchor the heads if it is time to; return whether a line was written."""
        now = self._clock()
        if not self._due.now(now):
            return False
        try:
            written = self._anchor(now)
        except Exception as trouble:
            self.trouble = type(trouble).__name__
            self._due.again(now, AGAIN)
            log.error("the audit cannot be anchored: %(error)s", blame(trouble))
            return False
        self.trouble = ""
        self._due.again(now, self._every)
        return written

    def _anchor(self, now: datetime) -> bool:
        # The file first: another worker may anchor newer heads at any moment.
        anchored = newest_heads(self._file.read())
        line = Anchor(self._store.audit.heads(), now)
        self._compare(anchored)
        # Nothing happened since but the event that remembers the last line, if there is one.
        if beyond(line.heads, anchored) <= bool(anchored):
            return False
        self._file.append(line)
        self._store.audit.record(ANCHORED, clinic=self._clinic, by=self._by, detail=claim(line))
        return True

    def _compare(self, anchored: Iterable[Head]) -> None:
        """Raise AuditBroken when a newest anchored event is gone or is another one."""
        table = tables.audit
        query = table.select().with_only_columns(table.c.digest)
        with self._store.transactions.read() as work:
            for head in anchored:
                here = (table.c.chain == head.chain) & (table.c.number == head.number)
                row = work.first(query.where(here))
                if row is None or row.digest != head.digest:
                    where = f"event {head.number} of chain {head.chain}"
                    raise AuditBroken(f"{where} is not the one that was anchored")
