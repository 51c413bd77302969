"""What stands beside cases in the queue: whose work they are, and until when they sleep.

Rule of the room: it only reads, and nothing of it is about a patient.
"""

from collections.abc import Sequence

from sqlalchemy import select

from triage.domain import Assignment, Beside, Snooze, SnoozeKind
from triage.store import tables
from triage.store.transaction import Work


def beside_of(work: Work, case_ids: Sequence[str]) -> dict[str, Beside]:
    """Return case id -> what stands beside it, for every id given."""
    assignments, snoozes = tables.assignments, tables.snoozes
    whose = select(assignments).where(assignments.c.case_id.in_(case_ids))
    asleep = select(snoozes).where(snoozes.c.case_id.in_(case_ids))
    owned = {
        row.case_id: Assignment(row.case_id, row.user_id, row.team_id, row.by_user, row.at)
        for row in work.rows(whose)
    }
    put_off = {
        row.case_id: Snooze(
            row.case_id, SnoozeKind(row.kind), row.until, row.by_user, row.asleep, row.woken_at
        )
        for row in work.rows(asleep)
    }
    return {one: Beside(owned.get(one), put_off.get(one)) for one in case_ids}
