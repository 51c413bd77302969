"""Cases that sleep: put off until a time, or until a patient has not answered for some days.

Rule of the room: a person puts a case to sleep, and anything wakes it: its time, a message of the
patient, a colleague's hand. Urgent, unread and outgoing cases never sleep; a guard holds that.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from triage.domain import MAY_SLEEP, UNDERWAY, CaseState, Lane, ReplyState, SnoozeKind, Urgency
from triage.errors import NotAnswerable
from triage.store import tables
from triage.store.case_row import free_for
from triage.store.casefile import reply_states
from triage.store.due import ASLEEP, lies_down, stands_up
from triage.store.transaction import Transactions, Work

#: What becomes of these moves the case, which would end its sleep.
_UNSETTLED = UNDERWAY | {ReplyState.UNCERTAIN, ReplyState.FAILED}


class Snoozes:
    """Puts cases to sleep and wakes them."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def snooze(
        self, case_id: str, until: datetime, *, clinic: str, by: str, seen: str | None = None
    ) -> None:
        """Put a case out of the way until a time; it is nobody's claim meanwhile.

        Raises NotFound, AlreadyClaimed, NotAnswerable for a case that may not sleep, and
        ChangedUnderneath when another message has joined since.
        """
        with self._transactions.write() as work:
            row = free_for(work, case_id, clinic, by, seen=seen)
            _refuse_awake(row, Lane(row.lane))
            states = reply_states(work, [case_id])[case_id]
            if states and states[-1] in _UNSETTLED:
                raise NotAnswerable("Its reply is on the way, or has not certainly arrived.")
            _lay_down(work, row, SnoozeKind.LATER, until, by=by, asleep=True)

    def remind(self, case_id: str, until: datetime, *, clinic: str, by: str) -> None:
        """Let a case whose reply has left, or is leaving, come back when nobody answers it."""
        with self._transactions.write() as work:
            row = free_for(work, case_id, clinic, by)
            states = reply_states(work, [case_id])[case_id]
            newest = states[-1] if states else None
            if newest not in UNDERWAY | {ReplyState.SENT}:
                raise NotAnswerable("Nothing was sent in this case that could be answered.")
            _refuse_awake(row, Lane(row.home_lane))
            asleep = newest is ReplyState.SENT
            _lay_down(work, row, SnoozeKind.NO_ANSWER, until, by=by, asleep=asleep)

    def wake(self, case_id: str, *, clinic: str, by: str) -> None:
        """Take a case out of its sleep by hand; raise NotFound."""
        with self._transactions.write() as work:
            free_for(work, case_id, clinic, by)
            attended(work, case_id)
            work.note("case.woken", clinic=clinic, by=by, cases=(case_id,))
            work.moved(clinic)

    def round(self, *, by: str, now: datetime | None = None, clinic: str | None = None) -> int:
        """Wake every case whose time has come; return how many. Cheap when there is none.

        A reminder falls asleep once its reply has left. Worker and desk both do this, so that one
        of them is enough.
        """
        now = now or self._transactions.clock()
        with self._transactions.read() as work:
            due, tired = _due(work, now, clinic), _tired(work, clinic)
        if not due and not tired:
            return 0
        with self._transactions.write() as work:
            for row in _tired(work, clinic):
                _fall_asleep(work, row, by=by, now=now)
            woken = _due(work, now, clinic)
            for row in woken:
                _come_back(work, row, by=by)
        return len(woken)


def attended(work: Work, case_id: str) -> None:
    """A person's hand is on the case: whatever it slept for is over."""
    table, cases = tables.snoozes, tables.cases
    if not work.run(delete(table).where(table.c.case_id == case_id)):
        return
    asleep = (cases.c.id == case_id, cases.c.lane == Lane.SNOOZED.value)
    work.run(update(cases).where(*asleep).values(stands_up()))
    _rise(work, case_id)


def _rise(work: Work, case_id: str) -> None:
    """Something put it into another lane already: there it stays, and no longer at the end."""
    cases = tables.cases
    sunk = (cases.c.id == case_id, cases.c.tier == ASLEEP)
    work.run(update(cases).where(*sunk).values(tier=stands_up()["tier"]))


def wake_for_message(
    work: Work, case_id: str, patient_id: str | None, *, clinic: str, by: str
) -> None:
    """A message came: its case, and every sleeping case of the same patient, wakes at once."""
    table, cases = tables.snoozes, tables.cases
    theirs = cases.c.id == case_id
    if patient_id is not None:
        theirs = or_(theirs, cases.c.patient_id == patient_id)
    query = (
        select(table.c.case_id)
        .join(cases, cases.c.id == table.c.case_id)
        .where(table.c.clinic == clinic, theirs)
        .order_by(table.c.case_id)
    )
    for row in work.rows(query):
        attended(work, row.case_id)
        detail = {"why": "message"}
        work.note("case.woken", clinic=clinic, by=by, cases=(row.case_id,), detail=detail)


def _refuse_awake(row: Row[Any], lane: Lane) -> None:
    if row.urgency != int(Urgency.ROUTINE) or lane not in MAY_SLEEP | {Lane.SNOOZED}:
        raise NotAnswerable("Only calm cases that were read may be put off.")


def _lay_down(
    work: Work, row: Row[Any], kind: SnoozeKind, until: datetime, *, by: str, asleep: bool
) -> None:
    table, cases = tables.snoozes, tables.cases
    work.run(delete(table).where(table.c.case_id == row.id))
    work.add(
        table,
        case_id=row.id,
        clinic=row.clinic,
        kind=kind.value,
        until=until,
        by_user=by,
        at=work.now,
        asleep=asleep,
    )
    free: dict[str, Any] = {"claimed_by": None, "claimed_at": None}
    values = free | (lies_down() if asleep else {})
    work.run(update(cases).where(cases.c.id == row.id).values(**values))
    detail = {"until": until.isoformat(), "kind": kind.value}
    work.note("case.snoozed", clinic=row.clinic, by=by, cases=(row.id,), detail=detail)
    work.moved(row.clinic)


def _due(work: Work, now: datetime, clinic: str | None) -> list[Row[Any]]:
    """Return the cases whose time has come, and any that sleep without an end.

    So does one that stands as low as the sleepers in a lane that is awake: a reply moved it.
    """
    table, cases = tables.snoozes, tables.cases
    lost = (cases.c.lane == Lane.SNOOZED.value) & table.c.case_id.is_(None)
    sunk = (cases.c.lane != Lane.SNOOZED.value) & (cases.c.tier == ASLEEP)
    timed = table.c.woken_at.is_(None) & (table.c.until <= now)
    query = (
        select(cases.c.id, cases.c.clinic, table.c.kind)
        .outerjoin(table, table.c.case_id == cases.c.id)
        .where(cases.c.state == CaseState.OPEN.value, or_(lost, sunk, timed))
        .order_by(cases.c.id)
    )
    return work.rows(query if clinic is None else query.where(cases.c.clinic == clinic))


def _tired(work: Work, clinic: str | None) -> list[Row[Any]]:
    """Return reminders whose reply is no longer on its way."""
    table, cases = tables.snoozes, tables.cases
    query = (
        select(cases.c.id, cases.c.clinic, cases.c.urgency, cases.c.lane, table.c.until)
        .join(table, table.c.case_id == cases.c.id)
        .where(
            table.c.asleep.is_(False),
            table.c.woken_at.is_(None),
            cases.c.state == CaseState.OPEN.value,
            cases.c.lane != Lane.OUTGOING.value,
        )
        .order_by(cases.c.id)
    )
    return work.rows(query if clinic is None else query.where(cases.c.clinic == clinic))


def _fall_asleep(work: Work, row: Row[Any], *, by: str, now: datetime) -> None:
    table, cases = tables.snoozes, tables.cases
    mine = table.c.case_id == row.id
    calm = row.urgency == int(Urgency.ROUTINE) and Lane(row.lane) in MAY_SLEEP
    if not calm or row.until <= now:
        work.run(delete(table).where(mine))
        return
    still = (cases.c.id == row.id, cases.c.lane == row.lane, cases.c.urgency == row.urgency)
    if work.run(update(cases).where(*still).values(lies_down())):
        work.run(update(table).where(mine).values(asleep=True))
        work.note("case.asleep", clinic=row.clinic, by=by, cases=(row.id,))
        work.moved(row.clinic)


def _come_back(work: Work, row: Row[Any], *, by: str) -> None:
    table, cases = tables.snoozes, tables.cases
    sleeping = (cases.c.id == row.id, cases.c.lane == Lane.SNOOZED.value)
    work.run(update(cases).where(*sleeping).values(stands_up()))
    _rise(work, row.id)
    work.run(update(table).where(table.c.case_id == row.id).values(woken_at=work.now, asleep=False))
    detail = {"why": row.kind or "lost"}
    work.note("case.woken", clinic=row.clinic, by=by, cases=(row.id,), detail=detail)
    work.moved(row.clinic)
