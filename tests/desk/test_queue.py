"""What a person may do to a case, asked of the desk on the real store."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.practice import add_staff, ana, reading, signing_key
from triage.desk import Desk, queue
from triage.desk.obstacles import answered
from triage.domain import NOTHING, Lane, Mark, Protected, Role, Route, Suggestion, Urgency, User
from triage.errors import AlreadyClaimed, NotAllowed, NotAnswerable
from triage.store import Store

AUTOMATIC = frozenset({Mark.AUTOMATIC})


@pytest.fixture
def dora(store: Store, clinic: str) -> User:
    store.people.import_roster([ana(clinic), ana(clinic, number=2)], clinic=clinic, by="test")
    return add_staff(store, clinic)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def wrote(store: Store, clinic: str, **more: object) -> str:
    return store.cases.file(reading(store, clinic, **more), clinic=clinic, by="worker")  # type: ignore[arg-type]  # Any field.


def test_an_automatic_reply_leaves_the_case_answerable(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    first = reading(store, clinic)
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    asked = first.message.message_id
    away = {"uid": "2", "references": (asked,), "marks": AUTOMATIC}
    assert wrote(store, clinic, **away) == case_id
    view = desk.queue.open(dora, case_id)
    assert (view.obstacle, Mark.AUTOMATIC in view.file.case.marks) == ("", False)
    assert answered(view.file).message_id == asked
    assert view.suggested_body == Protected("Dear Ana Marula, ...")


def test_a_case_of_automatic_messages_only_is_never_answered(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    case_id = wrote(store, clinic, marks=AUTOMATIC)
    assert "Automatic" in desk.queue.open(dora, case_id).obstacle
    with pytest.raises(NotAnswerable):
        desk.replies.save(dora, case_id, subject=Protected("s"), body=Protected("b"))


def test_a_nurse_takes_over_and_gives_back_what_a_secretary_may_not(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    milo = add_staff(store, clinic, "milo")
    nia = replace(add_staff(store, clinic, "nia"), roles=frozenset({Role.NURSE}))
    case_id = wrote(store, clinic)
    desk.queue.claim(dora, case_id)
    with pytest.raises(AlreadyClaimed):
        desk.queue.release(milo, case_id)
    with pytest.raises(NotAllowed):
        desk.queue.take_over(milo, case_id, reason=Protected("why"))
    desk.queue.take_over(nia, case_id, reason=Protected("why"))
    assert desk.queue.open(milo, case_id).claimed_by is not None
    desk.queue.claim(nia, case_id)
    desk.queue.release(nia, case_id)
    desk.queue.claim(dora, case_id)
    desk.queue.release(nia, case_id)
    assert desk.queue.open(milo, case_id).claimed_by is None


def test_a_claim_that_ran_out_stops_nobody(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    milo, case_id = add_staff(store, clinic, "milo"), wrote(store, clinic)
    before = store._transactions.clock() - timedelta(minutes=31)
    store.cases.claim(case_id, clinic=clinic, by=milo.id, now=before)
    assert desk.queue.open(dora, case_id).claimed_by is None
    desk.replies.save(dora, case_id, subject=Protected("s"), body=Protected("b"))
    desk.queue.claim(dora, case_id)
    # Nor does one of tomorrow: the clock was set back since.
    ahead = store._transactions.clock() + timedelta(days=1)
    store.cases.release(case_id, clinic=clinic, by=dora.id)
    store.cases.claim(case_id, clinic=clinic, by=milo.id, now=ahead)
    desk.together.snooze(dora, case_id, until=store._transactions.clock() + timedelta(hours=1))
    store.cases.claim(case_id, clinic=clinic, by=milo.id, now=ahead)
    desk.together.assign(dora, case_id, to=f"user:{dora.id}", reason=Protected("mine"))


def test_a_message_filed_while_a_page_is_made_is_asked_for_afterwards(
    store: Store, clinic: str, desk: Desk, dora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, counts and version are read one after the other; anything may be filed in between."""
    made = queue.banners

    def late(*given: Any) -> Any:
        late_ones.append(wrote(store, clinic, uid=str(len(late_ones) + 1)))
        return made(*given)

    late_ones: list[str] = []
    monkeypatch.setattr(queue, "banners", late)
    view = desk.queue.view(dora)
    assert late_ones[0] not in {row.case.id for row in view.rows}
    assert view.version != desk.queue.version(dora)
    pulse = desk.queue.pulse(dora)
    assert pulse.version != desk.queue.version(dora)


def sort(desk: Desk, who: User, case_id: str, route: Route, urgency: Urgency, *also: Route) -> None:
    desk.queue.reroute(
        who, case_id, route=route, urgency=urgency, also=frozenset(also), why=NOTHING
    )


def asked(desk: Desk, who: User, case_id: str) -> tuple[set[Route], set[Route], set[Route]]:
    """Return what a case says it asks for besides, what is open in it, and what is done."""
    case = desk.queue.open(who, case_id).file.case
    still = {part.route for part in case.requests if not part.done}
    return set(case.also), still, {part.route for part in case.requests} - still


def test_raising_a_case_forgets_no_request_and_lowering_it_ticks_none_off(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    refill, bill, urgent = Route.REFILL, Route.BILLING_DISPUTE, Route.URGENT_CLINICAL
    case_id = wrote(store, clinic, also=frozenset({Route.RESULTS}))
    # As in haste: another topic chosen, and the further one not.
    sort(desk, dora, case_id, bill, Urgency.TODAY)
    topics = {refill, bill, Route.RESULTS}
    assert asked(desk, dora, case_id) == (topics, {urgent, *topics}, set())
    # A digit on a case that is urgent: the topic is one more.
    sort(desk, dora, case_id, Route.REFERRAL, Urgency.TODAY, *topics)
    topics |= {Route.REFERRAL}
    assert asked(desk, dora, case_id) == (topics, {urgent, *topics}, set())
    # None is chosen, and what was there stays.
    sort(desk, dora, case_id, urgent, Urgency.EMERGENCY)
    assert asked(desk, dora, case_id)[1] == {urgent, *topics}
    with pytest.raises(NotAnswerable):
        sort(desk, dora, case_id, urgent, Urgency.ROUTINE)
    sort(desk, dora, case_id, refill, Urgency.ROUTINE)
    assert asked(desk, dora, case_id) == (topics - {refill}, topics, {urgent})
    # What somebody takes off a list without touching the urgency is said not to be asked for.
    sort(desk, dora, case_id, refill, Urgency.ROUTINE)
    assert asked(desk, dora, case_id)[:2] == (set(), {refill})


def test_an_urgent_case_keeps_the_topic_of_the_label_that_raised_it(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    case_id = wrote(store, clinic)
    sort(desk, dora, case_id, Route.URGENT_CLINICAL, Urgency.TODAY)
    (label,) = desk.queue.open(dora, case_id).file.labels
    assert (label.route, label.also) == (Route.URGENT_CLINICAL, {Route.REFILL})
    adverts = wrote(store, clinic, uid="2", route=Route.NOT_FOR_US)
    sort(desk, dora, adverts, Route.NOT_FOR_US, Urgency.TODAY)
    assert asked(desk, dora, adverts)[:2] == (set(), {Route.URGENT_CLINICAL})


def offered(desk: Desk, who: User, case_id: str) -> tuple[Protected | None, str]:
    view = desk.queue.open(who, case_id)
    assert (view.suggested_subject is None) is (view.suggested_body is None)
    return view.suggested_body, view.suggestion_template


@pytest.mark.bar(33)
def test_no_suggestion_stands_on_a_case_that_somebody_raised(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    case_id = wrote(store, clinic)
    filled = offered(desk, dora, case_id)
    assert filled[1] == "refill"
    sort(desk, dora, case_id, Route.REFILL, Urgency.TODAY)
    assert offered(desk, dora, case_id) == (None, "")
    draft = desk.replies.save(dora, case_id, subject=Protected("s"), body=Protected("own words"))
    assert not draft.suggested
    sort(desk, dora, case_id, Route.REFILL, Urgency.ROUTINE)
    assert offered(desk, dora, case_id) == filled


@pytest.mark.bar(33)
def test_no_suggestion_comes_with_a_calm_message_that_joins_an_urgent_case(
    store: Store, clinic: str, desk: Desk, dora: User
) -> None:
    first = reading(store, clinic, urgency=Urgency.TODAY, lane=Lane.URGENT)
    signed = replace(first, suggestion=Suggestion("Re", "Call us now.", "urgent_today"))
    case_id = store.cases.file(signed, clinic=clinic, by="worker")
    # The words that a clinician signed for this urgency are no machine's.
    assert offered(desk, dora, case_id) == (Protected("Call us now."), "urgent_today")
    sort(desk, dora, case_id, Route.URGENT_CLINICAL, Urgency.EMERGENCY)
    assert offered(desk, dora, case_id) == (None, "")
    assert wrote(store, clinic, uid="2", references=(first.message.message_id,)) == case_id
    assert offered(desk, dora, case_id) == (None, "")


@pytest.mark.bar(33)
def test_words_begun_from_a_suggestion_are_said_to_be_when_the_case_is_raised_since(
    store: Store, clinic: str, dora: User
) -> None:
    desk, case_id = Desk(store, mail_domain="clinic.example"), wrote(store, clinic)
    words = {"subject": Protected("s"), "body": Protected("Dear Ana Marula, ...")}
    desk.replies.save(dora, case_id, **words)
    sort(desk, dora, case_id, Route.REFILL, Urgency.TODAY)
    draft = desk.replies.save(dora, case_id, **words)
    assert draft.suggested
    digest = draft.outgoing.digest
    proof = signing_key(dora.id).prove(draft.id, digest)
    desk.replies.approve(dora, case_id, digest=digest, proof=proof)
    (reply,) = desk.queue.open(dora, case_id).replies
    assert reply.suggested == Protected("Dear Ana Marula, ...")
