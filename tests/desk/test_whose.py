"""Whose a case is: what an address stood for, and what a person says instead."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.practice import add_staff, ana, reading, signing_key
from triage.desk import Desk
from triage.domain import Mark, NoteKind, Protected, Role, User
from triage.errors import AlreadyClaimed, ChangedUnderneath, NotAnswerable, NoWords
from triage.store import Store

WHY = Protected("It is her husband who writes.")
WORDS = {"subject": Protected("s"), "body": Protected("It is ready.")}


@pytest.fixture
def dora(store: Store, clinic: str) -> User:
    store.people.import_roster([ana(clinic), ana(clinic, number=2)], clinic=clinic, by="test")
    return add_staff(store, clinic)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, mail_domain="clinic.example", undo=timedelta(minutes=5))


def wrote(store: Store, clinic: str, **more: object) -> str:
    return store.cases.file(reading(store, clinic, **more), clinic=clinic, by="worker")  # type: ignore[arg-type]  # Any field.


def test_a_case_of_somebody_else_at_a_patient_s_address_belongs_to_nobody(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    earlier = wrote(store, clinic)
    first = reading(store, clinic, uid="2")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    desk.replies.save(dora, case_id, **WORDS)
    before, full = desk.queue.open(dora, case_id).file, desk.queue.view(dora).counts
    assert Mark.SECOND_MESSAGE in before.case.marks
    desk.queue.unlink(dora, case_id, reason=WHY, seen=before.newest, was=before.was)
    view = desk.queue.open(dora, case_id)
    file, case = view.file, view.file.case
    assert (case.patient_id, case.contact_id, file.patient, file.contact) == (None,) * 4
    assert case.marks >= {Mark.UNKNOWN_SENDER}
    assert Mark.SECOND_MESSAGE not in case.marks
    assert (file.draft, file.chain.cases) == (None, ())
    assert (case.lane, case.urgency) == (before.case.lane, before.case.urgency)
    assert "Nobody has said who this is" in view.obstacle
    with pytest.raises(NotAnswerable):
        desk.replies.save(dora, case_id, **WORDS)
    assert desk.queue.view(dora).counts == full
    (note,) = desk.together.about(dora, case_id).notes
    assert (note.kind, note.words) == (NoteKind.UNLINKED, WHY)
    (event,) = store.audit.events(clinic=clinic, by="t", action="case.unlinked")
    assert (event.actor, event.cases, event.detail) == (
        dora.id, (case_id,), {"patient_id": "patient-1"},
    )  # fmt: skip
    boss = replace(dora, roles=frozenset({Role.SUPERVISOR}))
    assert "case.unlinked" in [one.action for one in desk.supervision.seen(boss, "patient-1")]
    # The address still stands for her: what comes from it next joins nothing of his.
    later = wrote(store, clinic, uid="3", references=(first.message.message_id,))
    assert later not in (case_id, earlier)
    assert desk.queue.open(dora, later).file.case.patient_id == "patient-1"
    assert sum(desk.queue.view(dora).counts.values()) == 3
    desk.queue.link(dora, case_id, patient_id="patient-2", contact_id="contact-2")
    again = desk.queue.open(dora, case_id)
    assert (again.obstacle, Mark.UNKNOWN_SENDER in again.file.case.marks) == ("", False)


def test_who_takes_a_patient_off_a_case_gives_a_reason_and_overrules_nobody(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    case_id, milo = wrote(store, clinic), add_staff(store, clinic, "milo")
    old = desk.queue.open(dora, case_id).file
    with pytest.raises(NoWords):
        desk.queue.unlink(dora, case_id, reason=Protected(""))
    desk.queue.claim(milo, case_id)
    with pytest.raises(AlreadyClaimed):
        desk.queue.unlink(dora, case_id, reason=WHY)
    draft = desk.replies.save(milo, case_id, **WORDS)
    desk.queue.release(milo, case_id)
    with pytest.raises(ChangedUnderneath, match="saved words"):
        desk.queue.unlink(dora, case_id, reason=WHY, was=old.was)
    digest = draft.outgoing.digest
    proof = signing_key(dora.id).prove(draft.id, digest)
    reply = desk.replies.approve(dora, case_id, digest=digest, proof=proof)
    with pytest.raises(ChangedUnderneath, match="on its way"):
        desk.queue.unlink(dora, case_id, reason=WHY)
    assert desk.queue.open(dora, case_id).file.case.patient_id == "patient-1"
    desk.replies.recall(dora, reply.id)
    desk.queue.unlink(dora, case_id, reason=WHY)
    with pytest.raises(ChangedUnderneath, match="Nobody is linked"):
        desk.queue.unlink(dora, case_id, reason=WHY)
