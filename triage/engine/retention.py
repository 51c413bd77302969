"""Erases once a day what was closed longer ago than the clinic keeps it.

Rule of the room: nothing is erased unless a term was configured and lived through, whatever the
clock says; what is on hold stays; one case that cannot be erased stops no other.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from triage.engine.due import Due
from triage.errors import ChangedUnderneath, Erased, NotFound, OnHold, TooLate, TriageError, blame
from triage.store import Life

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
#: How soon it is tried again when something could not be erased.
AGAIN = timedelta(hours=1)
#: What a person must know: something could not be erased; the clock may have leapt.
FAILED, LEAPT = "retention_failing", "clock_leapt"
#: Cases of one round; the next round goes on soon, so that years of them hold up nobody.
MOST = 200


class Retention:
    """Erases for one clinic; the audit names it `retention`."""

    def __init__(
        self,
        open_life: Callable[[], Life],
        term: timedelta,
        *,
        clinic: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._open_life = open_life
        self._term = term
        self._clinic = clinic
        self._clock = clock
        self._due = Due()
        self._notes: frozenset[str] = frozenset()

    def once(self) -> bool:
        """Erase what is due if a day has passed; return whether it was looked."""
        now = self._clock()
        if not self._due.now(now):
            return False
        try:
            more = self._erase(now)
        except Exception as trouble:
            self._notes = frozenset({FAILED})
            self._due.again(now, AGAIN)
            log.error("retention failed: %(error)s", blame(trouble))
            return False
        pause = AGAIN if self._notes else EVERY
        self._due.again(now, timedelta() if more else pause)
        return True

    def notes(self) -> frozenset[str]:
        """Say that something that is due could not be erased, or was not believed to be due."""
        return self._notes

    def _erase(self, now: datetime) -> bool:
        """Erase one round; return whether there is more to do at once."""
        notes, life = set[str](), self._open_life()
        try:
            before = now - self._term
            due = life.due(before, clinic=self._clinic)
            if due and not life.lived(now, clinic=self._clinic):
                # What is erased is gone, so a clock is not believed that says too much.
                self._notes = frozenset({LEAPT})
                return False
            for case_id in due[:MOST]:
                try:
                    mine = {"clinic": self._clinic, "by": "retention"}
                    life.erase("case", case_id, **mine, closed_before=before)
                except (ChangedUnderneath, Erased, OnHold, NotFound, TooLate):
                    # Another worker was here, or somebody held it or opened it again meanwhile.
                    continue
                except TriageError as trouble:
                    notes.add(FAILED)
                    log.error("case %(case)s stays: %(error)s", blame(trouble, case=case_id))
        finally:
            life.close()
        self._notes = frozenset(notes)
        return len(due) > MOST and not notes
