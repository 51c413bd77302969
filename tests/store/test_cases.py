"""Filing and the queue: every message in exactly one case, every open case in exactly one lane."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.practice import NOON, Clock, add_staff, ana, arrival, draft, reading
from triage.domain import (
    NOTHING,
    CaseState,
    Label,
    Lane,
    Mark,
    Protected,
    Route,
    Urgency,
)
from triage.errors import AlreadyClaimed, ChangedUnderneath, NotFound, OpenRequest
from triage.store import Keys, Store, open_store


@pytest.fixture
def people(store: Store, clinic: str) -> None:
    add_staff(store, clinic)
    roster = [ana(clinic), ana(clinic, number=2)]
    store.people.import_roster(roster, clinic=clinic, by="test")


def label_for(case_id: str, clinic: str, route: Route, *also: Route) -> Label:
    return Label(
        f"label-{case_id}",
        clinic,
        case_id,
        "test-1",
        Route.REFILL,
        frozenset(),
        Urgency.ROUTINE,
        route,
        frozenset(also),
        Urgency.ROUTINE,
        "user-dora",
        NOON + timedelta(days=400),
        Protected("it is about a bill"),
    )


@pytest.mark.usefixtures("people")
def test_what_was_filed_comes_back_whole(store: Store, clinic: str) -> None:
    given = reading(
        store,
        clinic,
        also=frozenset({Route.RESULTS}),
        urgency=Urgency.TODAY,
        score=75,
        lane=Lane.URGENT,
        topic="Medication",
        marks=frozenset({Mark.PARTLY_READ}),
    )
    case_id = store.cases.file(given, clinic=clinic, by="worker")
    file = store.cases.get(case_id, clinic=clinic, by="user-dora")
    (kept,) = file.messages
    for name in ("sender", "subject", "body", "quoted", "signature", "html", "message_id"):
        assert getattr(kept, name) == getattr(given.message, name)
    assert (kept.topic, kept.raw_id, kept.received_at) == (
        "Medication",
        given.raw.id,
        given.raw.received_at,
    )
    assert kept.redacted == given.redacted
    assert kept.classification == given.classification
    assert (kept.flags, kept.because) == (given.priority.flags, given.priority.because)
    assert file.suggestion == given.suggestion
    assert file.patient is not None
    assert file.patient.name == Protected("Ana Marula 1")
    assert file.contact is not None
    assert file.contact.id == "contact-1"
    assert file.draft is None
    assert [part.route for part in file.case.requests] == [Route.REFILL, Route.RESULTS]
    assert file.case.marks == {Mark.PARTLY_READ}
    (listed,) = kept.attachments
    opened = store.cases.attachment(case_id, listed.id, clinic=clinic, by="user-dora")
    assert opened == given.message.attachments[0]
    assert store.cases.original(kept.id, clinic=clinic, by="user-dora") == given.raw


@pytest.mark.usefixtures("people")
def test_filing_the_same_raw_message_again_changes_nothing(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    given = reading(store, clinic)
    other = open_store(store_url, keys)
    with ThreadPoolExecutor(6) as pool:
        cases = pool.map(
            lambda one: one.cases.file(given, clinic=clinic, by="worker"), [store, other] * 3
        )
        assert len(set(cases)) == 1
    other.close()
    (row,) = store.cases.queue(clinic=clinic, by="user-dora")
    assert row.messages == 1
    assert store.landing.waiting(limit=10) == []


@pytest.mark.usefixtures("people")
def test_the_second_message_of_a_conversation_joins_and_can_only_raise(
    store: Store, clinic: str
) -> None:
    first = reading(store, clinic, uid="1")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    worse = reading(
        store,
        clinic,
        uid="2",
        route=Route.URGENT_CLINICAL,
        urgency=Urgency.EMERGENCY,
        score=95,
        lane=Lane.URGENT,
        references=(first.message.message_id,),
    )
    assert store.cases.file(worse, clinic=clinic, by="worker") == case_id
    calmer = reading(
        store,
        clinic,
        uid="3",
        route=Route.GENERAL,
        score=10,
        references=(worse.message.message_id,),
    )
    assert store.cases.file(calmer, clinic=clinic, by="worker") == case_id
    (row,) = store.cases.queue(clinic=clinic, by="user-dora")
    assert (row.case.route, row.case.urgency) == (Route.URGENT_CLINICAL, Urgency.EMERGENCY)
    assert (row.case.score, row.case.lane, row.messages) == (95, Lane.URGENT, 3)
    assert row.case.also == {Route.REFILL, Route.GENERAL}
    assert Mark.SECOND_MESSAGE in row.case.marks
    assert len(row.case.requests) == 3


@pytest.mark.usefixtures("people")
def test_a_calm_message_after_an_urgent_one_does_not_hide_why(store: Store, clinic: str) -> None:
    urgent = Route.URGENT_CLINICAL
    worst = reading(store, clinic, uid="1", route=urgent, urgency=Urgency.EMERGENCY, score=95)
    case_id = store.cases.file(worst, clinic=clinic, by="worker")
    calm = reading(store, clinic, uid="2", score=5, references=(worst.message.message_id,))
    calm = replace(calm, priority=replace(calm.priority, because=("It says thank you.",)))

    assert store.cases.file(calm, clinic=clinic, by="worker") == case_id

    file = store.cases.get(case_id, clinic=clinic, by="user-dora")
    assert [message.raw_id for message in file.messages] == [calm.raw.id, worst.raw.id]
    assert file.deciding.raw_id == worst.raw.id
    (row,) = store.cases.queue(clinic=clinic, by="user-dora")
    assert row.because == file.deciding.because == worst.priority.because


@pytest.mark.usefixtures("people")
def test_an_answer_to_our_reply_joins_its_case(store: Store, clinic: str) -> None:
    from tests.store.practice import approval

    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    words = draft(store, clinic, case_id)
    store.replies.approve(
        approval(words), words, not_before=NOON, message_id="<our-1@clinic.example>"
    )
    answer = reading(
        store,
        clinic,
        uid="2",
        references=(Protected("<our-1@clinic.example>"),),
    )
    assert store.cases.file(answer, clinic=clinic, by="worker") == case_id


@pytest.mark.usefixtures("people")
def test_a_reference_to_somebody_elses_message_joins_nothing(store: Store, clinic: str) -> None:
    first = reading(store, clinic, uid="1")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    for uid, sender in (("2", "ana2@patients.example"), ("3", "thief@elsewhere.example")):
        other = reading(
            store,
            clinic,
            uid=uid,
            sender=Protected(sender),
            references=(first.message.message_id,),
        )
        assert store.cases.file(other, clinic=clinic, by="worker") != case_id


@pytest.mark.usefixtures("people")
def test_a_message_after_a_closed_case_opens_a_new_marked_one(store: Store, clinic: str) -> None:
    first = reading(store, clinic, uid="1")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    _close(store, clinic, case_id)
    second = reading(store, clinic, uid="2", references=(first.message.message_id,))
    new_id = store.cases.file(second, clinic=clinic, by="worker")
    assert new_id != case_id
    file = store.cases.get(new_id, clinic=clinic, by="user-dora")
    assert Mark.SECOND_MESSAGE in file.case.marks


@pytest.mark.parametrize(
    ("sender", "mark"),
    [
        ("nobody@elsewhere.example", Mark.UNKNOWN_SENDER),
        ("shared@patients.example", Mark.AMBIGUOUS_PATIENT),
        ("unverified@patients.example", Mark.UNKNOWN_SENDER),
        # Written with a Kelvin sign, which Python's lower() turns into an honest k.
        ("mil\u212a@patients.example", Mark.UNKNOWN_SENDER),
        ("", Mark.UNKNOWN_SENDER),
    ],
)
@pytest.mark.usefixtures("people")
def test_only_one_verified_patient_is_ever_linked(
    store: Store, clinic: str, sender: str, mark: Mark
) -> None:
    for number, address, verified in (
        (3, "shared@patients.example", True),
        (4, "shared@patients.example", True),
        (5, "unverified@patients.example", False),
        (6, "milk@patients.example", True),
    ):
        patient, (contact,) = ana(clinic, number=number, verified=verified)
        contact = replace(contact, address=Protected(address))
        store.people.import_roster([(patient, [contact])], clinic=clinic, by="test")
    given = reading(store, clinic, sender=Protected(sender))
    case_id = store.cases.file(given, clinic=clinic, by="worker")
    case = store.cases.get(case_id, clinic=clinic, by="user-dora").case
    assert (case.patient_id, case.contact_id, mark in case.marks) == (None, None, True)


@pytest.mark.usefixtures("people")
def test_a_doubtful_sender_is_never_linked(store: Store, clinic: str) -> None:
    given = reading(store, clinic, sender_doubtful=True)
    case_id = store.cases.file(given, clinic=clinic, by="worker")
    case = store.cases.get(case_id, clinic=clinic, by="user-dora").case
    assert case.patient_id is None
    assert Mark.UNVERIFIED_SENDER in case.marks


@pytest.mark.usefixtures("people")
def test_the_address_matches_in_any_ascii_case(store: Store, clinic: str) -> None:
    given = reading(store, clinic, sender=Protected(" ANA1@Patients.Example "))
    case_id = store.cases.file(given, clinic=clinic, by="worker")
    assert store.cases.get(case_id, clinic=clinic, by="x").case.patient_id == "patient-1"


@pytest.mark.usefixtures("people")
def test_the_queue_is_urgent_first_then_what_is_due_first(store: Store, clinic: str) -> None:
    wanted = []
    for uid, urgency, route in (
        ("1", Urgency.ROUTINE, Route.BILLING_DISPUTE),
        ("2", Urgency.ROUTINE, Route.CLINICAL_QUESTION),
        ("3", Urgency.EMERGENCY, Route.URGENT_CLINICAL),
        ("4", Urgency.TODAY, Route.URGENT_CLINICAL),
        ("5", Urgency.ROUTINE, Route.BILLING_DISPUTE),
    ):
        lane = Lane.URGENT if urgency else Lane.SORTED
        given = reading(store, clinic, uid=uid, urgency=urgency, route=route, lane=lane)
        # As many patients as messages: nobody is hurried because they write again.
        given = replace(given, message=replace(given.message, sender=Protected(f"x{uid}@x.org")))
        wanted.append(store.cases.file(given, clinic=clinic, by="worker"))
    rows = store.cases.queue(clinic=clinic, by="user-dora")
    assert [row.case.id for row in rows] == [wanted[at] for at in (2, 3, 1, 0, 4)]
    assert store.cases.counts(clinic=clinic) == {
        Lane.URGENT: 2,
        Lane.UNREADABLE: 0,
        Lane.UNSORTED: 0,
        Lane.SORTED: 3,
        Lane.OUTGOING: 0,
        Lane.SNOOZED: 0,
    }
    urgent = store.cases.queue(clinic=clinic, by="user-dora", lane=Lane.URGENT)
    assert len(urgent) == 2
    assert len(store.cases.queue(clinic=clinic, by="user-dora", limit=2, offset=4)) == 1
    (row,) = store.cases.queue(clinic=clinic, by="user-dora", limit=1)
    assert (row.patient, row.sender) == (NOTHING, Protected("Ana Marula 1"))
    assert row.preview.reveal().startswith("Could you renew")
    assert store.cases.queue(clinic="clinic-b", by="eve") == []


@pytest.mark.usefixtures("people")
def test_one_case_is_claimed_by_one_person(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    now = store._transactions.clock()

    def claim(who: int) -> bool:
        try:
            store.cases.claim(case_id, clinic=clinic, by=f"user-{who}", now=now)
        except AlreadyClaimed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1
    holder = store.cases.get(case_id, clinic=clinic, by="x").case.claimed_by
    assert holder is not None
    store.cases.claim(case_id, clinic=clinic, by=holder, now=now)
    store.cases.release(case_id, clinic=clinic, by=holder)
    store.cases.claim(case_id, clinic=clinic, by="user-late", now=now)


@pytest.mark.usefixtures("people")
def test_a_claim_runs_out_and_can_be_taken_over(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    now, half_an_hour = store._transactions.clock(), timedelta(minutes=30)

    def holder() -> str | None:
        (row,) = store.cases.queue(clinic=clinic, by="x")
        assert (
            row.case.claimed_by == store.cases.get(case_id, clinic=clinic, by="x").case.claimed_by
        )
        return row.case.claimed_by

    store.cases.claim(case_id, clinic=clinic, by="user-1", now=now)
    early = now + half_an_hour - timedelta(seconds=1)
    with pytest.raises(AlreadyClaimed):
        store.cases.claim(case_id, clinic=clinic, by="user-2", now=early)
    assert holder() == "user-1"
    store.cases.claim(case_id, clinic=clinic, by="user-2", now=now + half_an_hour)
    assert holder() == "user-2"
    store.cases.take_over(case_id, clinic=clinic, by="user-3", now=now)
    assert holder() == "user-3"
    store.cases.release(case_id, clinic=clinic, by="user-4")
    events = store.cases.history(case_id, clinic=clinic, by="x")
    told = {e.action: e.detail.get("earlier") for e in events}
    assert (told["case.taken_over"], told["case.released"]) == ("user-2", "user-3")
    store.cases.claim(case_id, clinic=clinic, by="user-1", now=now - half_an_hour)
    assert holder() is None


@pytest.mark.usefixtures("people")
def test_somebody_shut_out_holds_no_case(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    now = store._transactions.clock()
    store.cases.claim(case_id, clinic=clinic, by="user-dora", now=now)
    version = store.cases.version(clinic=clinic)
    store.people.set_active("user-dora", False, clinic=clinic, by="admin")
    assert store.cases.get(case_id, clinic=clinic, by="x").case.claimed_by is None
    assert store.cases.version(clinic=clinic) != version
    assert "case.released" in {
        e.action for e in store.cases.history(case_id, clinic=clinic, by="x")
    }


@pytest.mark.usefixtures("people")
def test_rerouting_changes_rank_requests_and_leaves_a_label(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    label = label_for(case_id, clinic, Route.BILLING_DISPUTE, Route.GENERAL)
    store.cases.reroute(case_id, label, clinic=clinic, by="user-dora", score=30, lane=Lane.SORTED)
    file = store.cases.get(case_id, clinic=clinic, by="user-dora")
    assert (file.case.route, file.case.score) == (Route.BILLING_DISPUTE, 30)
    still = [part.route for part in file.case.requests if not part.done]
    assert still == [Route.BILLING_DISPUTE, Route.GENERAL]
    assert file.labels == (label,)
    assert store.labels.all(clinic=clinic, by="user-dora") == [label]


@pytest.mark.usefixtures("people")
def test_what_was_decided_before_a_message_joined_is_refused(store: Store, clinic: str) -> None:
    first = reading(store, clinic, uid="1")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    dora = {"clinic": clinic, "by": "user-dora"}
    before = store.cases.get(case_id, **dora)
    more = reading(store, clinic, uid="2", references=(first.message.message_id,))
    assert store.cases.file(more, clinic=clinic, by="worker") == case_id
    label = label_for(case_id, clinic, Route.GENERAL)
    part = before.case.requests[0].id
    who = {"patient_id": "patient-2", "contact_id": "contact-2"}
    rank = {"score": 1, "lane": Lane.SORTED}

    def decide(seen: str) -> list[Callable[[], None]]:
        return [
            lambda: store.cases.reroute(case_id, label, **dora, **rank, seen=seen),
            lambda: store.cases.link(case_id, **dora, **who, seen=seen),
            lambda: store.cases.tick(case_id, part, **dora, seen=seen),
        ]

    def close(seen: str) -> None:
        store.cases.close(case_id, "phoned", Protected(""), **dora, seen=seen)

    for attempt in (*decide(before.messages[0].id), lambda: close(before.messages[0].id)):
        with pytest.raises(ChangedUnderneath):
            attempt()
    now = store.cases.get(case_id, **dora)
    assert now.case.requests[0].done is False
    assert now.case.state is CaseState.OPEN
    for act in decide(now.messages[0].id):
        act()


@pytest.mark.usefixtures("people")
def test_what_was_decided_before_a_colleague_changed_it_is_refused(
    store: Store, clinic: str
) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    dora: dict[str, Any] = {"clinic": clinic, "by": "user-dora"}
    own = {"patient_id": "patient-1", "contact_id": "contact-1"}
    other = {"patient_id": "patient-2", "contact_id": "contact-2"}
    rank: dict[str, Any] = {"score": 1, "lane": Lane.SORTED}
    was = store.cases.get(case_id, **dora).was
    store.cases.reroute(case_id, label_for(case_id, clinic, Route.RESULTS), **dora, **rank, was=was)
    store.cases.link(case_id, **dora, **other, was=was)
    now = store.cases.get(case_id, **dora).was
    again = replace(label_for(case_id, clinic, Route.GENERAL), id="label-2")
    for attempt in (
        lambda: store.cases.reroute(case_id, again, **dora, **rank, was=was),
        lambda: store.cases.close(case_id, "phoned", NOTHING, **dora, was=was, all_done=True),
        lambda: store.cases.link(case_id, **dora, **own, was=was),
        lambda: store.cases.link(case_id, **dora, **own, was="no such page"),
    ):
        with pytest.raises(ChangedUnderneath):
            attempt()
    file = store.cases.get(case_id, **dora)
    assert (file.case.route, file.case.patient_id) == (Route.RESULTS, "patient-2")
    assert (file.case.state, file.was) == (CaseState.OPEN, now)
    store.cases.link(case_id, **dora, **own, was=now)
    store.cases.reroute(case_id, again, **dora, **rank, was=now)


@pytest.mark.usefixtures("people")
def test_a_case_closes_only_when_every_request_is_done(store: Store, clinic: str) -> None:
    given = reading(store, clinic, also=frozenset({Route.RESULTS}))
    case_id = store.cases.file(given, clinic=clinic, by="worker")
    with pytest.raises(OpenRequest):
        store.cases.close(case_id, "answered", Protected(""), clinic=clinic, by="user-dora")
    _close(store, clinic, case_id)
    file = store.cases.get(case_id, clinic=clinic, by="user-dora")
    assert (file.case.state, file.case.outcome) == (CaseState.CLOSED, "answered")
    assert file.outcome_note == Protected("called Ana")
    assert store.cases.queue(clinic=clinic, by="user-dora") == []
    store.cases.mark(case_id, Mark.NOT_DELIVERED, clinic=clinic, by="worker")
    (row,) = store.cases.queue(clinic=clinic, by="user-dora")
    assert Mark.NOT_DELIVERED in row.case.marks


@pytest.mark.usefixtures("people")
def test_what_is_closed_is_decided_once(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    dora: dict[str, Any] = {"clinic": clinic, "by": "user-dora"}
    label = label_for(case_id, clinic, Route.GENERAL)
    other = {"patient_id": "patient-2", "contact_id": "contact-2"}
    _close(store, clinic, case_id)
    before = store.cases.get(case_id, **dora)
    for attempt in (
        lambda: store.cases.close(case_id, "phoned", Protected("voicemail"), **dora),
        lambda: store.cases.close(case_id, "phoned", NOTHING, **dora, all_done=True),
        lambda: store.cases.reroute(case_id, label, **dora, score=95, lane=Lane.URGENT),
        lambda: store.cases.link(case_id, **dora, **other),
        lambda: store.cases.tick(case_id, before.case.requests[0].id, **dora),
    ):
        with pytest.raises(ChangedUnderneath):
            attempt()
    assert store.cases.get(case_id, **dora) == before
    # A case that came back is everybody's again.
    store.cases.mark(case_id, Mark.NOT_DELIVERED, clinic=clinic, by="worker")
    store.cases.reroute(case_id, label, **dora, score=95, lane=Lane.URGENT)


@pytest.mark.usefixtures("people")
def test_linking_moves_the_messages_and_later_ones_join(store: Store, clinic: str) -> None:
    first = reading(store, clinic, uid="1", sender_doubtful=True)
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    store.cases.link(
        case_id, clinic=clinic, by="user-dora", patient_id="patient-1", contact_id="contact-1"
    )
    second = reading(store, clinic, uid="2", references=(first.message.message_id,))
    assert store.cases.file(second, clinic=clinic, by="worker") == case_id
    with pytest.raises(NotFound):
        store.cases.link(
            case_id, clinic=clinic, by="user-dora", patient_id="patient-1", contact_id="contact-2"
        )


@pytest.mark.usefixtures("people")
def test_words_for_one_contact_never_go_to_another(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    words, dora = draft(store, clinic, case_id), {"clinic": clinic, "by": "user-dora"}
    store.cases.link(case_id, **dora, patient_id="patient-1", contact_id="contact-1")
    assert store.replies.draft(case_id, **dora) == words
    store.cases.link(case_id, **dora, patient_id="patient-2", contact_id="contact-2")
    assert store.replies.draft(case_id, **dora) is None


@pytest.mark.usefixtures("people")
def test_the_version_moves_with_every_change_and_with_nothing_else(
    store: Store, clinic: str
) -> None:
    def version() -> str:
        return store.cases.version(clinic=clinic)

    seen = [version()]
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    seen.append(version())
    store.cases.claim(case_id, clinic=clinic, by="user-dora", now=NOON)
    seen.append(version())
    assert len(set(seen)) == 3
    store.cases.queue(clinic=clinic, by="user-dora")
    store.cases.get(case_id, clinic=clinic, by="user-dora")
    assert version() == seen[-1]
    assert store.cases.version(clinic="clinic-b") == "0"


@pytest.mark.usefixtures("people")
def test_another_clinic_can_neither_see_nor_change_a_case(store: Store, clinic: str) -> None:
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    file = store.cases.get(case_id, clinic=clinic, by="x")
    kept, there = file.messages[0], {"clinic": "clinic-b", "by": "eve"}
    for attempt in (
        lambda: store.cases.get(case_id, **there),
        lambda: store.cases.claim(case_id, **there, now=NOON),
        lambda: store.cases.take_over(case_id, **there, now=NOON),
        lambda: store.cases.release(case_id, **there),
        lambda: store.cases.close(case_id, "answered", Protected(""), **there),
        lambda: store.cases.tick(case_id, file.case.requests[0].id, **there),
        lambda: store.cases.mark(case_id, Mark.WITHHELD, **there),
        lambda: store.cases.history(case_id, **there),
        lambda: store.cases.original(kept.id, **there),
        lambda: store.cases.attachment(case_id, kept.attachments[0].id, **there),
        lambda: store.cases.link(case_id, **there, patient_id="patient-1", contact_id="contact-1"),
        lambda: store.cases.reroute(
            case_id,
            label_for(case_id, "clinic-b", Route.GENERAL),
            **there,
            score=1,
            lane=Lane.SORTED,
        ),
        lambda: store.cases.file(
            replace(reading(store, clinic, uid="2"), marks=frozenset()), **there
        ),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_case_closed_long_ago_marks_no_second_message(store_url: str, keys: Keys) -> None:
    clock = Clock()
    store = open_store(store_url, keys, clock=clock)
    add_staff(store, "clinic-a")
    store.people.import_roster([ana("clinic-a")], clinic="clinic-a", by="test")
    first = store.cases.file(reading(store, "clinic-a"), clinic="clinic-a", by="worker")
    _close(store, "clinic-a", first)
    clock.forward(timedelta(hours=49))
    second = store.cases.file(reading(store, "clinic-a", uid="2"), clinic="clinic-a", by="worker")
    case = store.cases.get(second, clinic="clinic-a", by="x").case
    assert Mark.SECOND_MESSAGE not in case.marks
    store.close()


def test_a_raw_message_of_nobody_cannot_be_filed(store: Store, clinic: str) -> None:
    given = reading(store, clinic)
    foreign = replace(given, raw=replace(given.raw, id="0" * 32))
    with pytest.raises(NotFound):
        store.cases.file(foreign, clinic=clinic, by="worker")
    assert store.landing.land([arrival("later", uid="77")], clinic=clinic)


def _close(store: Store, clinic: str, case_id: str) -> None:
    for part in store.cases.get(case_id, clinic=clinic, by="user-dora").case.requests:
        store.cases.tick(case_id, part.id, clinic=clinic, by="user-dora")
    store.cases.close(case_id, "answered", Protected("called Ana"), clinic=clinic, by="user-dora")
