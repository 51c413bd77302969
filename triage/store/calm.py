"""How quiet the desk is for each person; the last word counts, and the audit keeps every one.

Rule of the room: a person's own wish about their own pages; it never decides what is urgent.
"""

import json
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Row, select, update

from triage.domain import Calm
from triage.store import tables
from triage.store.practice_settings import zone_of
from triage.store.transaction import Transactions, Work


class Calms:
    """What everybody of a clinic wants to be told."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def of(self, user_id: str, *, clinic: str) -> Calm:
        """Return what this person wants; quiet and at all hours where they never said."""
        with self._transactions.read() as work:
            return calms(work, [user_id], clinic=clinic)[user_id]

    def put(self, *, quiet: bool, hours: Mapping[str, str], clinic: str, by: str) -> None:
        """Keep what a person wants for themselves; `hours` were read before and are good."""
        table = tables.calm
        values = {"quiet": quiet, "hours": dict(hours)}
        with self._transactions.write() as work:
            work.lock(f"calm {by}")
            before = work.first(select(table).where(*_mine(by, clinic)))
            changed = update(table).where(*_mine(by, clinic)).values(**values, at=work.now)
            if before is None:
                work.add(table, user_id=by, clinic=clinic, at=work.now, **values)
            else:
                work.run(changed)
            detail = {"before": _said(before), "after": json.dumps(values, sort_keys=True)}
            work.note("calm.changed", clinic=clinic, by=by, detail=detail)


def calms(work: Work, user_ids: list[str], *, clinic: str) -> dict[str, Calm]:
    """Return person -> what they want, for each of these."""
    table, zone = tables.calm, zone_of(work, clinic)
    rows = work.rows(
        select(table).where(table.c.clinic == clinic, table.c.user_id.in_(sorted(set(user_ids))))
    )
    said = {row.user_id: Calm.read(row.quiet, row.hours, zone) for row in rows}
    return {user_id: said.get(user_id, Calm()) for user_id in user_ids}


def _mine(user_id: str, clinic: str) -> tuple[ColumnElement[bool], ...]:
    table = tables.calm
    return table.c.clinic == clinic, table.c.user_id == user_id


def _said(row: Row[tuple[object, ...]] | None) -> str:
    if row is None:
        return "{}"
    return json.dumps({"quiet": row.quiet, "hours": row.hours}, sort_keys=True)
