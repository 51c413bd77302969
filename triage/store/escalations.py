"""Urgent cases nobody has acted on: how long already, and who was told.

Rule of the room: time is counted, not compared. Each look adds what passed since the one before, by
the wall clock or by a counter of the machine that nobody can set, whichever says more; so a clock
that is set back, a restart or a kill makes no step late. A step counts as taken once somebody was
told, and only a person's act, in the same row as the case, ends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from triage.domain import STEPS, CaseState, Protected, Step, Urgency, new_id
from triage.errors import ChangedUnderneath, NotAnswerable
from triage.store import tables
from triage.store.assignments import hand
from triage.store.casefile import newest_message
from triage.store.claims import holder
from triage.store.transaction import Transactions, Within, Work

_ORDER = tuple(Step)


@dataclass(frozen=True, slots=True)
class Tick:
    """The machine's own count of seconds, and since which start of the machine."""

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Overdue:
    """A step that is to be taken for one case."""

    id: str
    case_id: str
    step: Step


@dataclass(frozen=True, slots=True)
class UrgentNow:
    """Urgent cases nobody has acted on, in numbers."""

    waiting: int = 0
    #: Since when the first of them waits, and when the newest came.
    since: datetime | None = None
    newest: datetime | None = None
    #: How many steps were taken for them, all together; it grows whenever one is.
    steps: int = 0


class Escalations:
    """The closed loop of every clinic's urgent cases."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def now(self, *, clinic: str) -> UrgentNow:
        """Return how many urgent cases wait for somebody to act."""
        cases, table = tables.cases, tables.escalations
        numbers = select(
            func.count().label("waiting"),
            func.min(_since()).label("since"),
            func.max(_since()).label("newest"),
            func.max(cases.c.last_message_at, type_=_MOMENT).label("joined"),
        ).where(*_waiting(clinic))
        steps = (
            select(func.coalesce(func.sum(table.c.step), 0))
            .join(cases, cases.c.id == table.c.case_id)
            .where(*_waiting(clinic), table.c.clinic == clinic, table.c.ended_at.is_(None))
        )
        with self._transactions.read() as work:
            row = work.rows(numbers)[0]
            if not row.waiting:
                return UrgentNow()
            # A message that joins a case nobody acted on is news, though its time goes on.
            newest = max(row.newest, row.joined)
            return UrgentNow(row.waiting, row.since, newest, work.number(steps))

    def steps(self, case_id: str, *, clinic: str) -> tuple[int, datetime | None]:
        """Return how many steps were taken for a case nobody has acted on, and when the last.

        Raises NotFound.
        """
        table, cases = tables.escalations, tables.cases
        here = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.id == case_id)
        mine = (table.c.clinic == clinic, table.c.case_id == case_id, table.c.ended_at.is_(None))
        with self._transactions.read() as work:
            work.one(here, f"case {case_id}")
            row = work.first(select(table.c.step, table.c.stepped_at).where(*mine))
        return (row.step, row.stepped_at) if row else (0, None)

    def count(self, tick: Tick, *, clinic: str, least: float = 0.0) -> list[Overdue]:
        """Count the time that passed; return every step that is due and was not taken.

        What is counted for the first time has waited for `least` seconds, whatever the clock says.
        """
        table, cases = tables.escalations, tables.cases
        living = select(table).where(table.c.clinic == clinic, table.c.ended_at.is_(None))
        waiting = select(cases.c.id, _since().label("since")).where(*_waiting(clinic))
        with self._transactions.read() as work:
            if work.first(living) is None and work.first(waiting) is None:
                return []
        with self._transactions.write() as work:
            work.lock(f"escalations {clinic}")
            since = {row.id: row.since for row in work.rows(waiting)}
            rows = {row.case_id: row for row in work.rows(living)}
            over = [r.id for r in rows.values() if since.get(r.case_id) != r.since]
            if over:
                work.run(update(table).where(table.c.id.in_(over)).values(ended_at=work.now))
            going = [row for row in rows.values() if row.id not in over]
            due = [*_go_on(work, going, tick)]
            fresh = {i: at for i, at in since.items() if i not in {r.case_id for r in going}}
            return due + _begin(work, fresh, tick, clinic, least)

    def taken(
        self, overdue: Sequence[Overdue], doors: Sequence[str], *, clinic: str, by: str
    ) -> None:
        """Remember that staff were told; each step of a case is remembered once."""
        table = tables.escalations
        with self._transactions.write() as work:
            for one in overdue:
                number = _ORDER.index(one.step) + 1
                step = update(table).where(table.c.id == one.id, table.c.step == number - 1)
                if not work.run(step.values(step=number, stepped_at=work.now)):
                    continue
                detail = {"step": one.step.value, "doors": " ".join(doors)}
                work.note("urgent.told", clinic=clinic, by=by, cases=(one.case_id,), detail=detail)
            work.moved(clinic)

    def act(
        self,
        case_id: str,
        how: str,
        *,
        clinic: str,
        by: str,
        seen: str | None,
        within: Within | None = None,
    ) -> None:
        """Say by name what was done about an urgent case, and take it where it is free.

        Whoever else has the case: who phoned must be able to say so, and the audit keeps whose it
        was. Raises NotFound, ChangedUnderneath where another message joined, and NotAnswerable
        where there is nothing to act on. `within` is kept together with the act or not.
        """
        cases = tables.cases
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            row = _unacted(work, case_id, clinic, seen)
            if within is not None:
                within(work)
            others = holder(row, work.now) not in (None, by)
            taken = {} if others else {"claimed_by": by, "claimed_at": work.now}
            values = taken | acted(work, how, by)
            work.run(update(cases).where(cases.c.id == case_id).values(**values))
            detail = {"how": how} | ({"held_by": row.claimed_by} if others else {})
            work.note("urgent.acted", clinic=clinic, by=by, cases=(case_id,), detail=detail)
            work.moved(clinic)

    def hand_over(
        self, case_id: str, words: Protected, *, to: str, clinic: str, by: str, seen: str | None
    ) -> None:
        """Give an urgent case to a colleague, who reads `words`; nobody has acted by that.

        No step comes later for it; where all were taken they begin anew. Raises as `act` does.
        """
        cases, table = tables.cases, tables.escalations
        living = (table.c.clinic == clinic, table.c.case_id == case_id, table.c.ended_at.is_(None))
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            work.lock(f"staff {clinic}")
            row = _unacted(work, case_id, clinic, seen)
            hand(work, row, to, None, words, clinic=clinic, by=by)
            counted = work.first(select(table.c.step).where(*living))
            if counted is not None and counted.step >= len(_ORDER):
                again = {"urgent_since": work.now}
                work.run(update(cases).where(cases.c.id == case_id).values(**again))
            detail = {"to": to}
            work.note("urgent.handed_over", clinic=clinic, by=by, cases=(case_id,), detail=detail)
            work.moved(clinic)


def _unacted(work: Work, case_id: str, clinic: str, seen: str | None) -> Row[Any]:
    """Return the locked row of an urgent case nobody has acted on."""
    cases = tables.cases
    here = (cases.c.clinic == clinic, cases.c.id == case_id)
    row = work.one(select(cases).where(*here).with_for_update(), f"case {case_id}")
    if seen is not None and newest_message(work, case_id) != seen:
        raise ChangedUnderneath("Another message has joined this case. Read it first.")
    if row.state != CaseState.OPEN.value or not row.urgency or row.acted_at is not None:
        raise NotAnswerable(f"case {case_id}")
    return row


def acted(work: Work, how: str, by: str) -> dict[str, Any]:
    """Return the columns that say who acted and how."""
    return {"acted_at": work.now, "acted_by": by, "acted_how": how, "acted_to": None}


def closes(work: Work, case: Row[Any], outcome: str, by: str) -> dict[str, Any]:
    """Return the columns by which closing an urgent case is the act it waited for."""
    return acted(work, outcome, by) if case.urgency and case.acted_at is None else {}


def _since() -> Any:
    cases = tables.cases
    return func.coalesce(cases.c.urgent_since, cases.c.last_message_at, type_=_MOMENT)


_MOMENT = tables.cases.c.urgent_since.type


def _waiting(clinic: str) -> tuple[Any, ...]:
    """What waits: open, urgent, and nobody acted. Forgetting to say so errs on this side."""
    cases = tables.cases
    return (
        cases.c.clinic == clinic,
        cases.c.state == CaseState.OPEN.value,
        cases.c.urgency > int(Urgency.ROUTINE),
        cases.c.acted_at.is_(None),
    )


def _go_on(work: Work, rows: Sequence[Row[Any]], tick: Tick) -> list[Overdue]:
    """Add what passed since the look before, and return the steps that are due by now."""
    table, due, counted = tables.escalations, [], []
    for row in rows:
        by_clock = (work.now - row.counted_at).total_seconds()
        by_ticks = tick.seconds - row.ticks if tick.boot == row.boot else 0.0
        waited = row.waited + max(by_clock, by_ticks, 0.0)
        counted.append({"row": row.id, "waited": waited})
        due += _due(row.id, row.case_id, waited, row.step)
    if counted:
        work.run(
            update(table)
            .where(table.c.id == bindparam("row"))
            .values(
                waited=bindparam("waited"),
                counted_at=work.now,
                boot=tick.boot,
                ticks=tick.seconds,
            ),
            counted,
        )
    return due


def _begin(
    work: Work, fresh: Mapping[str, datetime], tick: Tick, clinic: str, least: float
) -> list[Overdue]:
    due = []
    for case_id, since in sorted(fresh.items()):
        row_id, waited = new_id(), max(0.0, least, (work.now - since).total_seconds())
        work.add(
            tables.escalations,
            id=row_id,
            clinic=clinic,
            case_id=case_id,
            since=since,
            waited=waited,
            counted_at=work.now,
            boot=tick.boot,
            ticks=tick.seconds,
            step=0,
        )
        due += _due(row_id, case_id, waited, 0)
    return due


def _due(row_id: str, case_id: str, waited: float, step: int) -> list[Overdue]:
    passed = timedelta(seconds=waited)
    return [Overdue(row_id, case_id, one) for one in _ORDER[step:] if STEPS[one] <= passed]
