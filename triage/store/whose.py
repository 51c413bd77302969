"""Whose case it is, as a person says: a patient's, or nobody's we know.

Rule of the room: the caller holds the lock of filing and the row of the open case, and compared
both with the page the person decided from.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import UNDERWAY, Mark, NoteKind, Protected
from triage.errors import ChangedUnderneath
from triage.store import records, tables
from triage.store.case_decisions import changed, set_case
from triage.store.case_row import contact_of
from triage.store.casefile import reply_states
from triage.store.drafts import drop_draft_for_others, drop_open_draft
from triage.store.due import placed_again
from triage.store.follow_ups import haste_of, wrote_lately
from triage.store.notes import write_note
from triage.store.transaction import Work

#: Signs that say nobody knows who wrote; naming the patient settles them.
_WHO_IS_THIS = frozenset({Mark.UNKNOWN_SENDER, Mark.AMBIGUOUS_PATIENT, Mark.UNVERIFIED_SENDER})


def name_patient(work: Work, case: Row[Any], *, patient_id: str, contact_id: str, by: str) -> None:
    """Link a case to a patient and the contact that is answered.

    Words saved for another contact are dropped. Raises NotFound for a contact that is not theirs,
    and ChangedUnderneath while a reply of the case is on its way: it is for whom the case was
    linked to when it was approved.
    """
    who = {"patient_id": patient_id, "contact_id": contact_id}
    work.one(contact_of(patient_id, contact_id, case.clinic), f"contact {contact_id}")
    _refuse_underway(work, case)
    marks = records.marks(case.marks) - _WHO_IS_THIS
    again: dict[str, Any] = {}
    if wrote_lately(work, patient_id, case.clinic, besides=case.id):
        marks |= {Mark.SECOND_MESSAGE}
        came = case.last_message_at
        haste = haste_of(work, patient_id, case.clinic, before=came, besides=case.id)
        again = placed_again(work, case, haste=max(case.haste, haste))
    _put(work, case, who, marks, again)
    drop_draft_for_others(work, case.id, contact_id)
    changed(work, "case.linked", case.id, case.clinic, by, **who)


def name_nobody(work: Work, case: Row[Any], reason: Protected, *, by: str) -> None:
    """Link a case to nobody, as if it had come from an address we do not know.

    Whatever words were saved for the patient are dropped; colleagues read the reason. How urgent it
    is stays: that was said of the words, not of who wrote them. Raises ChangedUnderneath while a
    reply of the case is on its way, and where nobody is linked.
    """
    if case.patient_id is None:
        raise ChangedUnderneath("Nobody is linked to this case any more.")
    _refuse_underway(work, case)
    messages = work.rows(
        select(tables.messages.c.marks).where(tables.messages.c.case_id == case.id)
    )
    doubts = frozenset[Mark]().union(*(records.marks(one.marks) for one in messages))
    marks = records.marks(case.marks) | (doubts & _WHO_IS_THIS or {Mark.UNKNOWN_SENDER})
    if len(messages) == 1:
        # The other messages were the patient's, and this one is not.
        marks -= {Mark.SECOND_MESSAGE}
    nobody = {"patient_id": None, "contact_id": None}
    _put(work, case, nobody, marks, placed_again(work, case, haste=1))
    drop_open_draft(work, case.id)
    write_note(work, case.id, reason, kind=NoteKind.UNLINKED, clinic=case.clinic, by=by)
    changed(work, "case.unlinked", case.id, case.clinic, by, patient_id=case.patient_id)


def _refuse_underway(work: Work, case: Row[Any]) -> None:
    if any(state in UNDERWAY for state in reply_states(work, [case.id])[case.id]):
        raise ChangedUnderneath("a reply is on its way")


def _put(
    work: Work,
    case: Row[Any],
    who: Mapping[str, str | None],
    marks: frozenset[Mark],
    place: dict[str, Any],
) -> None:
    """Write whose a case is; its messages and its conversation follow."""
    messages, threads = tables.messages, tables.threads
    set_case(work, case.id, case.clinic, marks=records.listed(marks), **place, **who)
    work.run(update(messages).where(messages.c.case_id == case.id).values(**who))
    work.run(update(threads).where(threads.c.id == case.thread_id).values(**who))
