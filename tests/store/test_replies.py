"""From an approved draft to what became of it: each step exactly once, each word as approved."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.store.practice import NOON, add_staff, ana, approval, draft, queued, reading
from triage.domain import (
    CaseState,
    Label,
    Lane,
    Mark,
    Protected,
    ReplyState,
    Route,
    Urgency,
    new_id,
)
from triage.errors import ChangedUnderneath, NoRecipient, NotFound, TooLate, WrongKey
from triage.store import Keys, Store, open_store, tables
from triage.store.engine import connect

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def case_id(store: Store, clinic: str) -> str:
    add_staff(store, clinic)
    store.people.import_roster([ana(clinic), ana(clinic, number=2)], clinic=clinic, by="test")
    return store.cases.file(reading(store, clinic), clinic=clinic, by="worker")


def test_an_approved_reply_is_claimed_once_and_settled(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    assert store.replies.due(LATER, limit=10) == [(clinic, reply.id)]
    claimed = store.replies.claim(reply.id, clinic=clinic, by="sender")
    assert claimed is not None
    assert claimed.outgoing == reply.outgoing
    assert claimed.approval == reply.approval
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    store.replies.settle(
        reply.id, ReplyState.SENT, clinic=clinic, by="sender", receipt="250 Ok ana1"
    )
    settled = store.replies.get(reply.id, clinic=clinic, by="user-dora")
    assert (settled.state, settled.receipt) == (ReplyState.SENT, Protected("250 Ok ana1"))
    with pytest.raises(ChangedUnderneath):
        store.replies.settle(reply.id, ReplyState.QUEUED, clinic=clinic, by="sender")


def test_words_changed_after_they_were_seen_are_not_queued(
    store: Store, clinic: str, case_id: str
) -> None:
    seen = draft(store, clinic, case_id, body="Come at nine.")
    yes = approval(seen)
    draft(store, clinic, case_id, body="Come at ten.")
    with pytest.raises(ChangedUnderneath):
        store.replies.approve(yes, seen, not_before=NOON, message_id="<x@clinic.example>")
    assert store.replies.due(LATER, limit=10) == []


def test_an_approval_of_other_words_is_refused(store: Store, clinic: str, case_id: str) -> None:
    words = draft(store, clinic, case_id)
    yes = replace(approval(words), digest="0" * 64)
    with pytest.raises(ChangedUnderneath):
        store.replies.approve(yes, words, not_before=NOON, message_id="<x@clinic.example>")


def test_a_second_click_on_approve_queues_nothing(store: Store, clinic: str, case_id: str) -> None:
    words = draft(store, clinic, case_id)
    store.replies.approve(approval(words), words, not_before=NOON, message_id="<1@clinic.example>")
    with pytest.raises(ChangedUnderneath):
        store.replies.approve(
            approval(words), words, not_before=NOON, message_id="<2@clinic.example>"
        )
    assert len(store.replies.due(LATER, limit=10)) == 1


@pytest.mark.parametrize("wrong", ["address", "contact", "unverified"])
def test_a_reply_goes_only_to_a_verified_contact_of_the_patient(
    store: Store, clinic: str, case_id: str, wrong: str
) -> None:
    words = draft(store, clinic, case_id)
    if wrong == "address":
        outgoing = replace(words.outgoing, recipient=Protected("thief@elsewhere.example"))
        words = replace(words, outgoing=outgoing)
    elif wrong == "contact":
        outgoing = replace(words.outgoing, recipient=Protected("ana2@patients.example"))
        words = replace(words, contact_id="contact-2", outgoing=outgoing)
    else:
        patient, (contact,) = ana(clinic, number=3, verified=False)
        contact = replace(contact, patient_id="patient-1")
        patient = replace(patient, mrn=Protected("MRN-00001"))
        store.people.import_roster([(patient, [contact])], clinic=clinic, by="test")
        outgoing = replace(words.outgoing, recipient=contact.address)
        words = replace(words, contact_id=contact.id, outgoing=outgoing)
    store.replies.save_draft(words, by="user-dora")
    with pytest.raises(NoRecipient):
        store.replies.approve(
            approval(words), words, not_before=NOON, message_id="<x@clinic.example>"
        )


def test_recall_stops_a_reply_and_gives_the_words_back(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    store.replies.recall(reply.id, clinic=clinic, by="user-dora", now=NOON)
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    again = store.replies.draft(reply.outgoing.case_id, clinic=clinic, by="user-dora")
    assert again is not None
    assert again.outgoing == reply.outgoing
    assert again.id != reply.id
    yes = approval(again)
    store.replies.approve(yes, again, not_before=NOON, message_id="<again@clinic.example>")
    assert store.replies.due(LATER, limit=10) == [(clinic, yes.reply_id)]


def test_recall_is_too_late_once_the_sender_has_it(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    with pytest.raises(TooLate):
        store.replies.recall(reply.id, clinic=clinic, by="user-dora", now=NOON)


def test_the_undo_window_holds_even_against_the_sender(store: Store, clinic: str) -> None:
    tomorrow = store._transactions.clock() + timedelta(days=1)
    reply = queued(store, clinic, not_before=tomorrow)
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None


@pytest.mark.parametrize("state", [ReplyState.UNCERTAIN, ReplyState.FAILED])
def test_what_did_not_certainly_arrive_opens_its_case_again(
    store: Store, clinic: str, state: ReplyState
) -> None:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    with store.transactions.write() as work:
        work.run(update(tables.cases).values(urgency=int(Urgency.TODAY)))
    (asked,) = store.cases.get(case_id, clinic=clinic, by="user-dora").case.requests
    store.cases.tick(case_id, asked.id, clinic=clinic, by="user-dora")
    store.cases.close(case_id, "answered", Protected(""), clinic=clinic, by="user-dora")
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    store.replies.settle(reply.id, state, clinic=clinic, by="sender", why="line_broke")
    case = store.cases.get(case_id, clinic=clinic, by="user-dora").case
    assert (case.state, case.lane) == (CaseState.OPEN, Lane.OUTGOING)
    # It alarms again: closing it was the act, and the patient may have no answer.
    assert (store.escalations.now(clinic=clinic).waiting, case.acted_at) == (1, None)


def test_a_postponed_reply_is_due_again_and_not_before_it_may(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    store.replies.settle(reply.id, ReplyState.QUEUED, clinic=clinic, by="sender", not_before=LATER)
    assert store.replies.due(NOON, limit=10) == []
    assert store.replies.due(LATER, limit=10) == [(clinic, reply.id)]


def test_a_reply_left_sending_is_found_after_a_restart(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    reply = queued(store, clinic)
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    again = open_store(store_url, keys)
    now = again._transactions.clock()
    assert again.replies.stuck(before=now) == [(clinic, reply.id)]
    assert again.replies.stuck(before=now - timedelta(days=1)) == []
    again.close()


def test_two_senders_and_a_recall_race_for_one_reply(store: Store, clinic: str) -> None:
    for _ in range(5):
        reply = queued(store, clinic)

        def take(reply_id: str = reply.id) -> bool:
            return store.replies.claim(reply_id, clinic=clinic, by="sender") is not None

        def recall(reply_id: str = reply.id) -> bool:
            try:
                store.replies.recall(reply_id, clinic=clinic, by="user-dora", now=NOON)
            except TooLate:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(job) for job in (take, recall, take, take)]
            assert sum(job.result() for job in done) == 1


def test_another_clinic_sees_no_reply(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    assert store.replies.claim(reply.id, clinic="other", by="sender") is None
    with pytest.raises(NotFound):
        store.replies.get(reply.id, clinic="other", by="eve")
    with pytest.raises(NotFound):
        store.replies.recall(reply.id, clinic="other", by="eve", now=NOON)


def test_an_unknown_sender_needs_a_person_before_a_reply(store: Store, clinic: str) -> None:
    add_staff(store, clinic)
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    stranger = reading(store, clinic, sender=Protected("new@elsewhere.example"))
    case_id = store.cases.file(stranger, clinic=clinic, by="worker")
    case = store.cases.get(case_id, clinic=clinic, by="user-dora").case
    assert (case.patient_id, Mark.UNKNOWN_SENDER in case.marks) == (None, True)
    store.cases.link(
        case_id, clinic=clinic, by="user-dora", patient_id="patient-1", contact_id="contact-1"
    )
    words = draft(store, clinic, case_id)
    assert words.outgoing.recipient == Protected("ana1@patients.example")
    store.replies.approve(approval(words), words, not_before=NOON, message_id="<x@clinic.example>")


@pytest.mark.parametrize("trouble", [WrongKey, NotFound])
def test_a_reply_that_cannot_be_read_is_settled_as_failed(
    store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch, trouble: type[Exception]
) -> None:
    reply = queued(store, clinic)

    def unreadable(*_: object) -> None:
        raise trouble("reply")

    with monkeypatch.context() as patch:
        patch.setattr("triage.store.records.reply", unreadable)
        assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    failed = store.replies.get(reply.id, clinic=clinic, by="user-dora")
    assert (failed.state, failed.why) == (ReplyState.FAILED, Protected("changed_in_store"))


def test_due_and_stuck_replies_are_told_by_clinic(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    assert store.replies.due(LATER, limit=10, clinic="other") == []
    assert store.replies.due(LATER, limit=10, clinic=clinic) == [(clinic, reply.id)]
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    now = store._transactions.clock() + timedelta(seconds=1)
    assert store.replies.stuck(before=now, clinic="other") == []
    assert store.replies.stuck(before=now, clinic=clinic) == [(clinic, reply.id)]


def urgently(store: Store, clinic: str, case_id: str) -> None:
    label = Label(
        new_id(), clinic, case_id, "m", Route.REFILL, frozenset(), Urgency.ROUTINE,
        Route.URGENT_CLINICAL, frozenset(), Urgency.TODAY, "user-dora", NOON,
    )  # fmt: skip
    store.cases.reroute(case_id, label, clinic=clinic, by="user-dora", score=75, lane=Lane.URGENT)


def lane_of(store: Store, clinic: str, case_id: str) -> Lane:
    return store.cases.get(case_id, clinic=clinic, by="user-dora").case.lane


@pytest.mark.parametrize("state", [ReplyState.UNCERTAIN, ReplyState.FAILED, ReplyState.QUEUED])
def test_an_urgent_case_stays_among_the_urgent_whatever_its_reply_does(
    store: Store, clinic: str, case_id: str, state: ReplyState
) -> None:
    urgently(store, clinic, case_id)
    words = draft(store, clinic, case_id)
    reply = store.replies.approve(
        approval(words), words, not_before=NOON, message_id="<u@clinic.example>"
    )
    assert lane_of(store, clinic, case_id) is Lane.URGENT
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    store.replies.settle(reply.id, state, clinic=clinic, by="sender")
    assert lane_of(store, clinic, case_id) is Lane.URGENT


def test_a_case_made_urgent_while_its_reply_is_away_shows_as_urgent(
    store: Store, clinic: str
) -> None:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    assert lane_of(store, clinic, case_id) is Lane.OUTGOING
    urgently(store, clinic, case_id)
    assert store.cases.counts(clinic=clinic)[Lane.URGENT] == 1
    back = replace(
        store.labels.all(clinic=clinic, by="user-dora")[0],
        id=new_id(), route=Route.REFILL, urgency=Urgency.ROUTINE,
    )  # fmt: skip
    store.cases.reroute(case_id, back, clinic=clinic, by="user-dora", score=45, lane=Lane.SORTED)
    assert lane_of(store, clinic, case_id) is Lane.OUTGOING


@pytest.mark.parametrize("taken", [False, True])
def test_a_case_keeps_its_patient_while_a_reply_is_on_its_way(
    store: Store, clinic: str, case_id: str, taken: bool
) -> None:
    words = draft(store, clinic, case_id)
    reply = store.replies.approve(
        approval(words), words, not_before=NOON, message_id="<1@clinic.example>"
    )
    if taken:
        assert store.replies.claim(reply.id, clinic=clinic, by="sender")
    other = {"patient_id": "patient-2", "contact_id": "contact-2"}
    with pytest.raises(ChangedUnderneath, match="on its way"):
        store.cases.link(case_id, clinic=clinic, by="user-dora", **other)


@pytest.mark.parametrize("change", ["patient_id", "verified_by", "consent_to_email"])
def test_a_recipient_that_changed_since_the_approval_gets_nothing(
    store: Store, store_url: str, keys: Keys, clinic: str, case_id: str, change: str
) -> None:
    words = draft(store, clinic, case_id)
    reply = store.replies.approve(
        approval(words), words, not_before=NOON, message_id="<1@clinic.example>"
    )
    contacts = tables.contacts
    new = {"patient_id": "patient-2", "verified_by": None, "consent_to_email": False}[change]
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        # Whose contact it is the database itself would not let change.
        on = "" if engine.dialect.name == "sqlite" else " ON contacts"
        guard = "guard_contacts_whose_contact_it_is_stays_update"
        connection.exec_driver_sql(f"DROP TRIGGER {guard}{on}")
        mine = update(contacts).where(contacts.c.id == "contact-1")
        connection.execute(mine.values(**{change: new}))
        connection.commit()
    engine.dispose()
    assert store.replies.claim(reply.id, clinic=clinic, by="sender") is None
    failed = store.replies.get(reply.id, clinic=clinic, by="user-dora")
    assert (failed.state, failed.why) == (ReplyState.FAILED, Protected("recipient_changed"))
