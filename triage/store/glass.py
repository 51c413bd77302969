"""Emergency looks at a case: who, why and for how long, until a supervisor has looked into it.

Rule of the room: at most an hour, for one case and one person; nobody reviews their own.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update

from triage.domain import NOTHING, BrokenGlass, Protected, new_id
from triage.errors import ChangedUnderneath, Erased, NotYourself
from triage.store import tables
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work
from triage.store.vault import Vault

#: Nobody looks longer than this without giving a reason again.
LONGEST = timedelta(minutes=60)


class Glass:
    """Every emergency look of a clinic; kept for good."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def smash(
        self,
        case_id: str,
        reason: Protected,
        *,
        minutes: int,
        clinic: str,
        by: str,
        now: datetime,
    ) -> BrokenGlass:
        """Open one case to one person for so many minutes; raise NotFound, or StoreRefused for
        more than an hour.
        """
        cases, table = tables.cases, tables.break_glass
        here = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.id == case_id)
        made = BrokenGlass(new_id(), clinic, case_id, by, reason, now, minutes)
        with self._transactions.write() as work:
            work.one(here, f"case {case_id}")
            work.add(
                table,
                id=made.id,
                clinic=clinic,
                case_id=case_id,
                user_id=by,
                at=now,
                minutes=minutes,
                **work.seal(table, made.id, under=of_case(case_id), reason=reason),
            )
            detail = {"glass": made.id, "minutes": str(minutes)}
            work.note("glass.broken", clinic=clinic, by=by, cases=(case_id,), detail=detail)
        return made

    def until(self, case_id: str, *, clinic: str, by: str, now: datetime) -> datetime | None:
        """Return until when a case is open to a person by an emergency, None when it is not."""
        table = tables.break_glass
        query = select(table.c.at, table.c.minutes).where(
            table.c.clinic == clinic,
            table.c.user_id == by,
            table.c.case_id == case_id,
            table.c.at <= now,
            table.c.at > now - LONGEST,
        )
        with self._transactions.read() as work:
            ends = [row.at + timedelta(minutes=row.minutes) for row in work.rows(query)]
        return max((end for end in ends if end > now), default=None)

    def unreviewed(self, *, clinic: str) -> int:
        """Return how many nobody has looked into yet."""
        table = tables.break_glass
        waiting = (table.c.clinic == clinic, table.c.reviewed_by.is_(None))
        with self._transactions.read() as work:
            return work.number(select(func.count()).select_from(table).where(*waiting))

    def all(self, *, clinic: str, by: str, limit: int = 200) -> Sequence[BrokenGlass]:
        """Return those nobody has looked into, oldest first, and then the newest others.

        The reason is empty when it was erased with its case; the look itself stays on the list.
        """
        table = tables.break_glass
        mine = select(table).where(table.c.clinic == clinic)
        waiting = mine.where(table.c.reviewed_by.is_(None)).order_by(table.c.at, table.c.id)
        others = mine.where(table.c.reviewed_by.is_not(None))
        newest = others.order_by(table.c.reviewed_at.desc(), table.c.id).limit(limit)
        with self._transactions.write() as work:
            rows = [*work.rows(waiting), *work.rows(newest)]
            cases = sorted({row.case_id for row in rows})
            work.note("glass.listed", clinic=clinic, by=by, cases=cases)
            return tuple(_read(row, work.vault) for row in rows)

    def review(self, glass_id: str, *, clinic: str, by: str, now: datetime) -> None:
        """Say that `by` looked into it; raise NotFound, NotYourself or ChangedUnderneath."""
        table = tables.break_glass
        here = (table.c.clinic == clinic, table.c.id == glass_id)
        with self._transactions.write() as work:
            row = work.one(select(table).where(*here), f"emergency {glass_id}")
            if row.user_id == by:
                raise NotYourself(f"emergency {glass_id}")
            _tick_off(work, row, by, now)


def _tick_off(work: Work, row: Row[Any], by: str, now: datetime) -> None:
    table = tables.break_glass
    open_still = (table.c.id == row.id, table.c.reviewed_by.is_(None))
    values = {"reviewed_by": by, "reviewed_at": now}
    if work.run(update(table).where(*open_still).values(**values)) != 1:
        raise ChangedUnderneath(f"emergency {row.id}")
    detail = {"glass": row.id, "who": row.user_id}
    work.note("glass.reviewed", clinic=row.clinic, by=by, cases=(row.case_id,), detail=detail)


def _reason(row: Row[Any], vault: Vault) -> Protected:
    """Open one reason; one erased case must not shut the list of all the others."""
    try:
        return vault.text(row.reason, row.id)
    except Erased:
        return NOTHING


def _read(row: Row[Any], vault: Vault) -> BrokenGlass:
    return BrokenGlass(
        id=row.id,
        clinic=row.clinic,
        case_id=row.case_id,
        user_id=row.user_id,
        reason=_reason(row, vault),
        at=row.at,
        minutes=row.minutes,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
    )
