"""Signs of life: each process says that it lives and what it cannot do just now.

Rule of the room: a note is a fixed word, never a sentence with somebody's name in it.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import select, update

from triage.domain import Beat, Pace
from triage.store import tables
from triage.store.transaction import Transactions


class Beats:
    """The last heart-beat of every process, and of every inbox: its last completed check."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def beat(
        self, process: str, *, notes: Iterable[str] = (), paces: Mapping[str, Pace] | None = None
    ) -> None:
        """Say that `process` lives now."""
        table = tables.beats
        with self._transactions.write() as work:
            work.lock(f"beat {process}")
            values = {"at": work.now, "notes": sorted(notes), "paces": _written(paces or {})}
            if not work.run(update(table).where(table.c.process == process).values(**values)):
                work.add(table, process=process, **values)

    def trouble(self, process: str, note: str) -> None:
        """Say what keeps `process` from its next beat; the moment of its last one stays."""
        table = tables.beats
        with self._transactions.write() as work:
            work.lock(f"beat {process}")
            here = update(table).where(table.c.process == process)
            if not work.run(here.values(notes=[note])):
                work.add(table, process=process, at=work.now, notes=[note])

    def all(self) -> list[Beat]:
        """Return the last beat of each process, by name."""
        with self._transactions.read() as work:
            rows = work.rows(select(tables.beats).order_by(tables.beats.c.process))
        return [Beat(row.process, row.at, tuple(row.notes), _read(row.paces)) for row in rows]


def _written(paces: Mapping[str, Pace]) -> dict[str, list[float]]:
    return {name: [pace.steps, pace.seconds] for name, pace in paces.items()}


def _read(paces: Mapping[str, list[float]] | None) -> dict[str, Pace]:
    return {name: Pace(int(steps), seconds) for name, (steps, seconds) in (paces or {}).items()}
