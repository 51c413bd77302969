"""Signs of life: each process says that it lives and what it cannot do just now.

Rule of the room: a note is a fixed word, never a sentence with somebody's name in it.
"""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import select, update

from triage.domain import Beat, Pace
from triage.store import tables
from triage.store.transaction import Transactions

#: Between a clinic's mark and the name of a process, which holds no such sign.
_BETWEEN = "/"


class Beats:
    """The last heart-beat of every process, and of every inbox: its last completed check.

    Clinics that share a store have processes and inboxes of the same names, and one that lives
    must not hide another's that is dead: each row carries the mark of the clinic whose process
    wrote it. A row without one is of a store that serves a single clinic, and counts for all.
    """

    def __init__(self, transactions: Transactions, clinic: str = "") -> None:
        self._transactions = transactions
        self._clinic = clinic

    def beat(
        self, process: str, *, notes: Iterable[str] = (), paces: Mapping[str, Pace] | None = None
    ) -> None:
        """Say that `process` lives now."""
        table, name = tables.beats, _mark(self._clinic) + process
        with self._transactions.write() as work:
            work.lock(f"beat {name}")
            values = {"at": work.now, "notes": sorted(notes), "paces": _written(paces or {})}
            if not work.run(update(table).where(table.c.process == name).values(**values)):
                work.add(table, process=name, **values)

    def trouble(self, process: str, note: str) -> None:
        """Say what keeps `process` from its next beat; the moment of its last one stays."""
        table, name = tables.beats, _mark(self._clinic) + process
        with self._transactions.write() as work:
            work.lock(f"beat {name}")
            here = update(table).where(table.c.process == name)
            if not work.run(here.values(notes=[note])):
                work.add(table, process=name, at=work.now, notes=[note])

    def all(self, *, clinic: str | None = None) -> list[Beat]:
        """Return the last beat of each process of a clinic, by name.

        Of the store's own clinic where none is named, and of everybody where it has none.
        """
        table = tables.beats
        with self._transactions.read() as work:
            rows = work.rows(select(table).order_by(table.c.at))
        mark, found = _mark(self._clinic if clinic is None else clinic), dict[str, Beat]()
        # What carries the clinic's mark comes last and counts before what carries none.
        for row in sorted(rows, key=lambda row: row.process.startswith(mark or _BETWEEN)):
            owner, _, name = row.process.rpartition(_BETWEEN)
            if not mark or f"{owner}{_BETWEEN}" in (mark, _BETWEEN):
                found[name] = Beat(name, row.at, tuple(row.notes), _read(row.paces))
        return [found[name] for name in sorted(found)]


def _mark(clinic: str) -> str:
    """Return what stands before the names of a clinic's processes: short, whatever it is called."""
    return hashlib.sha256(clinic.encode()).hexdigest()[:12] + _BETWEEN if clinic else ""


def _written(paces: Mapping[str, Pace]) -> dict[str, list[float]]:
    return {name: [pace.steps, pace.seconds] for name, pace in paces.items()}


def _read(paces: Mapping[str, list[float]] | None) -> dict[str, Pace]:
    return {name: Pace(int(steps), seconds) for name, (steps, seconds) in (paces or {}).items()}
