"""One case's row, locked while somebody decides something about it.

Rule of the room: what a person decided from is compared here, under the lock that filing, claiming
and closing take as well; what was read before the lock proves nothing.
"""

from typing import Any

from sqlalchemy import Row, Select, select

from triage.domain import CaseState
from triage.errors import AlreadyClaimed, ChangedUnderneath, Erased
from triage.store import tables
from triage.store.casefile import newest_message
from triage.store.claims import holder
from triage.store.transaction import Work


def here(case_id: str, clinic: str) -> tuple[Any, Any]:
    """Return the conditions that name one case of one clinic."""
    return tables.cases.c.clinic == clinic, tables.cases.c.id == case_id


def case_row(
    work: Work, case_id: str, clinic: str, *, lock: bool = False, seen: str | None = None
) -> Row[Any]:
    """Return a case's row; with `lock` and `seen`, only while `seen` is its newest message."""
    query = select(tables.cases).where(*here(case_id, clinic))
    row = work.one(query.with_for_update() if lock else query, f"case {case_id}")
    if row.erased_at is not None:
        raise Erased(f"case {case_id}")
    # Filing takes the same row's lock before it adds a message, so none joins from here on.
    if seen is not None and newest_message(work, case_id) != seen:
        raise ChangedUnderneath("Another message has joined this case. Read it first.")
    return row


def contact_of(patient_id: str, contact_id: str, clinic: str) -> Select[Any]:
    """Find a contact of a living patient: nobody can be linked to somebody who was erased."""
    contacts, patients = tables.contacts, tables.patients
    return (
        select(contacts.c.id)
        .join(patients, patients.c.id == contacts.c.patient_id)
        .where(
            contacts.c.clinic == clinic,
            contacts.c.id == contact_id,
            contacts.c.patient_id == patient_id,
            patients.c.erased_at.is_(None),
        )
    )


def free_for(
    work: Work, case_id: str, clinic: str, by: str, *, seen: str | None = None
) -> Row[Any]:
    """Return an open case's locked row, as `case_row` does; raise AlreadyClaimed for a colleague's.

    Raises ChangedUnderneath for a closed case, too.
    """
    row = case_row(work, case_id, clinic, lock=True, seen=seen)
    if row.state != CaseState.OPEN.value:
        raise ChangedUnderneath(f"case {case_id} is closed")
    if holder(row, work.now) not in (None, by):
        raise AlreadyClaimed(case_id)
    return row
