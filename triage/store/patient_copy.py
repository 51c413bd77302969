"""One patient's data as plain values, for the copy a patient may ask for.

Rule of the room: one audit row names the patient and every case; what was erased is left out.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Table, or_, select

from triage.errors import Erased
from triage.store import tables
from triage.store.sealed import SealedValue
from triage.store.transaction import Transactions, Work

#: Tables that hang on a case, and those that hang on a message.
_OF_CASE = (tables.messages, tables.requests, tables.labels, tables.paper_entries)
#: What was written to somebody, and what hangs on it: theirs wherever the case stands by now.
_WRITTEN, _OF_REPLY = (tables.drafts, tables.replies), (tables.departures, tables.checks)
_OF_MESSAGE = (tables.attachments, tables.classifications, tables.priorities, tables.flags)


def copy_of(doing: Transactions, patient_id: str, *, clinic: str, by: str) -> dict[str, Any]:
    """Return table -> rows of a patient, contacts and cases; raise NotFound or Erased."""
    patients, contacts, cases = tables.patients, tables.contacts, tables.cases
    messages = tables.messages
    with doing.write() as work:
        mine = select(patients).where(patients.c.clinic == clinic, patients.c.id == patient_id)
        patient = work.one(mine, f"patient {patient_id}")
        if patient.erased_at is not None:
            raise Erased(f"patient {patient_id}")
        whose = work.rows(select(contacts).where(contacts.c.patient_id == patient_id))
        filed = select(cases).where(
            cases.c.clinic == clinic,
            cases.c.patient_id == patient_id,
            cases.c.erased_at.is_(None),
        )
        told = work.rows(filed.order_by(cases.c.opened_at))
        ids = [row.id for row in told]
        found = {"patients": [patient], "contacts": whose, "cases": told}
        for table in _OF_CASE:
            about = select(table).where(table.c.case_id.in_(ids)).order_by(table.c.id)
            if table is messages:
                # A case may hold another person's words only if nobody said whose they are.
                theirs = or_(table.c.patient_id == patient_id, table.c.patient_id.is_(None))
                about = about.where(theirs)
            found[table.name] = work.rows(about)
        found |= _written(work, [row.id for row in whose], clinic)
        heard = [row.id for row in found["messages"]]
        for table in _OF_MESSAGE:
            query = select(table).where(table.c.message_id.in_(heard)).order_by(table.c.id)
            found[table.name] = work.rows(query)
        work.note(
            "patient.exported", clinic=clinic, by=by, cases=ids, detail={"patient": patient_id}
        )
        return {
            name: [dict(_plain(work, tables.metadata.tables[name], row)) for row in rows]
            for name, rows in found.items()
        }


def _written(work: Work, contacts: list[str], clinic: str) -> dict[str, list[Row[Any]]]:
    """Return what was written to these contacts, also where a case was linked wrongly once."""
    cases, found = tables.cases, {}
    living = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.erased_at.is_(None))
    for table in _WRITTEN:
        mine = (table.c.contact_id.in_(contacts), table.c.case_id.in_(living))
        found[table.name] = work.rows(select(table).where(*mine).order_by(table.c.id))
    replies = [row.id for row in found["replies"]]
    for table in _OF_REPLY:
        query = select(table).where(table.c.reply_id.in_(replies)).order_by(table.c.id)
        found[table.name] = work.rows(query)
    return found


def _plain(work: Work, table: Table, row: Row[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a reader can use of a row: words opened, indexes left out."""
    for column in table.columns:
        value = getattr(row, column.name)
        if isinstance(value, SealedValue):
            data = work.vault.open(value, row.id)
            yield column.name, data.decode("utf-8", "replace")
        elif not isinstance(value, bytes | memoryview):
            yield column.name, value
