"""Signs of life: each process says that it lives and what it cannot do just now.

Rule of the room: a note is a fixed word, never a sentence with somebody's name in it.
"""

from collections.abc import Iterable

from sqlalchemy import select, update

from triage.domain import Beat
from triage.store import tables
from triage.store.transaction import Transactions


class Beats:
    """The last heart-beat of every process."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def beat(self, process: str, *, notes: Iterable[str] = ()) -> None:
        """Say that `process` lives now."""
        table = tables.beats
        with self._transactions.write() as work:
            work.lock(f"beat {process}")
            values = {"at": work.now, "notes": sorted(notes)}
            if not work.run(update(table).where(table.c.process == process).values(**values)):
                work.add(table, process=process, **values)

    def all(self) -> list[Beat]:
        """Return the last beat of each process, by name."""
        with self._transactions.read() as work:
            rows = work.rows(select(tables.beats).order_by(tables.beats.c.process))
        return [Beat(row.process, row.at, tuple(row.notes)) for row in rows]
