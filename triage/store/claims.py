"""Who has a case just now.

Rule of the room: a claim that ran out, or that comes from the future because the clock was set
back, is none; every place that asks, asks here.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from triage.store import tables
from triage.store.transaction import Work

#: A claim holds this long; then the case is anybody's again, so that nobody locks it by going home.
CLAIM_HOLDS = timedelta(minutes=30)


def holder(row: Row[Any], now: datetime) -> str | None:
    """Return who has the case of a row of `cases` at `now`."""
    held = row.claimed_at is not None and abs(row.claimed_at - now) < CLAIM_HOLDS
    return row.claimed_by if held else None


def let_go(work: Work, case_id: str, *, clinic: str, by: str) -> None:
    """End a person's own claim: from here on the case waits for somebody else."""
    cases = tables.cases
    mine = (cases.c.clinic == clinic, cases.c.id == case_id, cases.c.claimed_by == by)
    work.run(update(cases).where(*mine).values(claimed_by=None, claimed_at=None))


def give_back_claims(work: Work, user_id: str, *, clinic: str, by: str) -> None:
    """Give back whatever somebody has who does not work here any more."""
    cases = tables.cases
    held = (cases.c.clinic == clinic, cases.c.claimed_by == user_id)
    query = select(cases.c.id).where(*held).order_by(cases.c.id)
    found = [str(row.id) for row in work.rows(query.with_for_update())]
    if found:
        work.run(update(cases).where(*held).values(claimed_by=None, claimed_at=None))
        work.note("case.released", clinic=clinic, by=by, cases=found, detail={"earlier": user_id})
        work.moved(clinic)
