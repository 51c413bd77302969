"""What somebody decided about a case: compared with the page they decided from, and written.

Rule of the room: the caller's transaction holds the row until its decision is written.
"""

from typing import Any

from sqlalchemy import Row, update

from triage.domain import CaseState
from triage.errors import ChangedUnderneath, NotFound
from triage.store import tables
from triage.store.case_row import case_row, here
from triage.store.casefile import linked_to, sorted_as
from triage.store.drafts import open_draft
from triage.store.snoozes import attended
from triage.store.transaction import Work


def open_row(work: Work, case_id: str, clinic: str, *, seen: str | None = None) -> Row[Any]:
    """Return the locked row of a case that is still open; else raise ChangedUnderneath.

    A closed case is in no queue and rings no alarm: what was decided about it would be lost, and
    the outcome and note of whoever closed it would be another's.
    """
    row = case_row(work, case_id, clinic, lock=True, seen=seen)
    if row.state != CaseState.OPEN.value:
        raise ChangedUnderneath(
            "This case was closed meanwhile; nothing of yours was kept. Read there what was done. "
            "If somebody must still act, call the patient or tell a colleague now."
        )
    return row


def still_sorted(row: Row[Any], was: str | None) -> None:
    """Raise ChangedUnderneath unless the locked case is sorted as the page `was` of showed it."""
    if was is not None and was.partition("/")[0] != sorted_as(row):
        raise ChangedUnderneath(
            "Somebody sorted this case differently meanwhile. Read it again before you decide."
        )


def still_linked(work: Work, row: Row[Any], was: str | None) -> None:
    """Raise ChangedUnderneath unless the locked case is whose it was, with the same saved words."""
    if was is None:
        return
    if was.partition("/")[2] != linked_to(row, work.first(open_draft(row.id, row.clinic))):
        raise ChangedUnderneath(
            "Somebody linked this case or saved words in it meanwhile. "
            "Read it again before you decide."
        )


def set_case(work: Work, case_id: str, clinic: str, **values: Any) -> None:
    """Change columns of a case; raise NotFound."""
    if work.run(update(tables.cases).where(*here(case_id, clinic)).values(**values)) != 1:
        raise NotFound(f"case {case_id}")


def changed(work: Work, action: str, case_id: str, clinic: str, by: str, **detail: str) -> None:
    """Note what a hand did to a case, which wakes it, and let the open queues know."""
    attended(work, case_id)
    work.note(action, clinic=clinic, by=by, cases=(case_id,), detail=detail)
    work.moved(clinic)
