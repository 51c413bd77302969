"""What somebody decided about a case: compared with the page they decided from, and written.

Rule of the room: the caller's transaction holds the row until its decision is written.
"""

from typing import Any

from sqlalchemy import Row, update

from triage.domain import CaseState, NoteKind, Protected
from triage.errors import ChangedUnderneath, NotFound
from triage.store import tables
from triage.store.case_row import case_row, here
from triage.store.casefile import linked_to, sorted_as
from triage.store.drafts import open_draft
from triage.store.due import must_act
from triage.store.notes import write_note
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
            "If somebody must still act, open it again."
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


def open_again(work: Work, case_id: str, clinic: str, why: Protected, by: str) -> None:
    """Open a closed case for whoever asks; where it is urgent its alarm begins anew.

    What it had been closed with is kept in the note: the next closing writes its own words.
    """
    row = case_row(work, case_id, clinic, lock=True)
    if row.state == CaseState.OPEN.value:
        raise ChangedUnderneath("This case is open already.")
    earlier = work.vault.text(row.note, row.id).reveal()
    words = Protected(f"{why.reveal()}\n\n“{earlier}”") if earlier else why
    write_note(work, case_id, words, kind=NoteKind.OPENED_AGAIN, clinic=clinic, by=by)
    again = must_act(work, row, row.urgency, work.now)
    taken = {"claimed_by": by, "claimed_at": work.now}
    state = {"state": CaseState.OPEN.value, "closed_at": None}
    set_case(work, case_id, clinic, **state, **taken, **again)
    changed(work, "case.opened_again", case_id, clinic, by, outcome=row.outcome or "")


def set_case(work: Work, case_id: str, clinic: str, **values: Any) -> None:
    """Change columns of a case; raise NotFound."""
    if work.run(update(tables.cases).where(*here(case_id, clinic)).values(**values)) != 1:
        raise NotFound(f"case {case_id}")


def changed(work: Work, action: str, case_id: str, clinic: str, by: str, **detail: str) -> None:
    """Note what a hand did to a case, which wakes it, and let the open queues know."""
    attended(work, case_id)
    work.note(action, clinic=clinic, by=by, cases=(case_id,), detail=detail)
    work.moved(clinic)
