"""What is erased stops nobody's work, and nothing that somebody works on is erased."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.practice import NOON, add_staff, ana, approval, draft, queued, reading
from triage.domain import NOTHING, Channel, Contact, Patient, Protected, ReplyState
from triage.errors import ChangedUnderneath, NotFound, StandsElsewhere
from triage.store import Keys, Life, Store, open_life, tables

pytestmark = pytest.mark.bar(44)
LATER = timedelta(days=400)


@pytest.fixture
def life(store: Store, store_url: str, keys: Keys, tmp_path: Path) -> Life:
    return open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])


def close(store: Store, clinic: str, case_id: str) -> None:
    who = {"clinic": clinic, "by": "user-dora"}
    store.cases.close(case_id, "answered", NOTHING, **who, all_done=True)


def test_a_case_that_was_opened_again_is_no_longer_due(
    store: Store, life: Life, clinic: str
) -> None:
    add_staff(store, clinic)
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    close(store, clinic, case_id)
    before = store.transactions.clock() + LATER
    assert life.due(before, clinic=clinic) == [case_id]
    who = {"clinic": clinic, "by": "user-dora"}
    store.cases.open_again(case_id, Protected("she called again"), **who)
    with pytest.raises(ChangedUnderneath):
        life.erase("case", case_id, clinic=clinic, by="retention", closed_before=before)
    assert store.cases.get(case_id, clinic=clinic, by="t").messages
    close(store, clinic, case_id)
    early = before - 2 * LATER
    with pytest.raises(ChangedUnderneath):
        life.erase("case", case_id, clinic=clinic, by="retention", closed_before=early)
    life.erase("case", case_id, clinic=clinic, by="retention", closed_before=before)


def test_nobody_is_linked_to_who_was_erased_and_the_queue_shows_such_a_case(
    store: Store, life: Life, clinic: str
) -> None:
    add_staff(store, clinic)
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    unknown = reading(store, clinic, sender=Protected("who@strangers.example"))
    case_id = store.cases.file(unknown, clinic=clinic, by="worker")
    life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
    to_her = {"patient_id": "patient-1", "contact_id": "contact-1"}
    who = {"clinic": clinic, "by": "user-dora"}
    with pytest.raises(NotFound):
        store.cases.link(case_id, **who, **to_her)
    # As a store might hold that was written before, or restored.
    with store.transactions.write() as work:
        mine = tables.cases.c.id == case_id
        work.run(tables.cases.update().where(mine).values(**to_her))
    (row,) = store.cases.queue(clinic=clinic, by="t")
    assert (row.case.id, row.patient) == (case_id, NOTHING)
    file = store.cases.get(case_id, clinic=clinic, by="t")
    assert (file.patient, file.contact, len(file.messages)) == (None, None, 1)


def with_portal(clinic: str) -> tuple[Patient, list[Contact]]:
    patient, contacts = ana(clinic)
    there: dict[str, Any] = {"verified_by": "front desk", "consent_to_email": False}
    portal = Contact(
        "contact-p", clinic, patient.id, Channel.PORTAL, Protected("Patient/1"), patient.name,
        "self", **there,
    )  # fmt: skip
    return patient, [*contacts, portal]


def test_a_new_portal_conversation_is_read_after_an_answered_one_was_erased(
    store: Store, life: Life, clinic: str
) -> None:
    add_staff(store, clinic)
    store.people.import_roster([with_portal(clinic)], clinic=clinic, by="test")

    def write(uid: str) -> str:
        names = {"sender": Protected("Patient/1"), "portal_thread": Protected(f"thread-{uid}")}
        new = reading(store, clinic, uid=uid, channel=Channel.PORTAL, **names)
        return store.cases.file(new, clinic=clinic, by="worker")

    first = write("1")
    words = draft(store, clinic, first)
    reply = store.replies.approve(
        approval(words), words, not_before=NOON, message_id="<1@clinic.example>"
    )
    assert store.replies.claim(reply.id, clinic=clinic, by="sender")
    sent = {"clinic": clinic, "by": "sender", "receipt": "Communication/77"}
    store.replies.settle(reply.id, ReplyState.SENT, **sent)
    close(store, clinic, first)
    life.erase("case", first, clinic=clinic, by="retention")
    file = store.cases.get(write("2"), clinic=clinic, by="t")
    assert file.patient is not None
    assert file.patient.id == "patient-1"


def test_words_to_a_patient_are_theirs_wherever_the_case_stands_by_now(
    store: Store, life: Life, clinic: str
) -> None:
    reply = queued(store, clinic)
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="test")
    case_id = reply.outgoing.case_id
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    store.replies.settle(reply.id, ReplyState.SENT, clinic=clinic, by="sender")
    to_two = {"patient_id": "patient-2", "contact_id": "contact-2"}
    store.cases.link(case_id, clinic=clinic, by="user-dora", **to_two)
    theirs = {
        number: store.copy_of(f"patient-{number}", clinic=clinic, by="t")["replies"]
        for number in (1, 2)
    }
    assert [row["id"] for row in theirs[1]] == [reply.id]
    assert theirs[2] == []
    with pytest.raises(StandsElsewhere, match=case_id):
        life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
    assert store.copy_of("patient-1", clinic=clinic, by="t")["replies"], "and nothing was erased"
    life.erase("case", case_id, clinic=clinic, by="user-dora")
    life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
