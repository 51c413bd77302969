"""That two people must approve what a case is answered, kept for good once it was so.

Rule of the room: it is written when a case is filed and before it is sorted elsewhere, and never
taken back: neither by sorting the case anew nor by switching the setting off.
"""

from sqlalchemy import select

from triage.store import tables
from triage.store.transaction import Work


def keep_need(work: Work, case_id: str, clinic: str) -> None:
    """Remember it for a case whose routes want two approvers now; its row must be locked."""
    rules, cases, kept = tables.two_approvers, tables.cases, tables.two_needed
    wanted = select(rules.c.route).where(rules.c.clinic == clinic, rules.c.off_at.is_(None))
    ruled = {row.route for row in work.rows(wanted)}
    if not ruled or needed(work, case_id):
        return
    case = work.one(select(cases.c.route, cases.c.also).where(cases.c.id == case_id), "case")
    if ruled & {case.route, *case.also}:
        work.add(kept, case_id=case_id, clinic=clinic, at=work.now)


def needed(work: Work, case_id: str) -> bool:
    """Whether two must approve whatever the case's routes are now."""
    kept = tables.two_needed
    return work.first(select(kept.c.case_id).where(kept.c.case_id == case_id)) is not None
