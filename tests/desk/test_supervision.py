"""The daily re-reading: what is judged is the drawn message, and a miss is put right at once."""

from dataclasses import replace

import pytest

from tests.store.practice import add_staff, ana, reading
from triage.desk import Desk
from triage.domain import CaseState, Lane, Protected, Role, Route, SampleItem, Urgency, User
from triage.store import Store


@pytest.fixture
def sam(store: Store, clinic: str) -> User:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    return replace(add_staff(store, clinic, "sam"), roles=frozenset({Role.SUPERVISOR}))


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def two_messages(store: Store, clinic: str) -> str:
    """File a refill, then a bill in the same conversation; return their case."""
    first = reading(store, clinic, uid="1")
    case_id = store.cases.file(first, clinic=clinic, by="worker")
    references = (first.message.message_id,)
    bill = reading(store, clinic, uid="2", references=references, route=Route.BILLING_DISPUTE)
    bill = replace(bill, redacted=replace(bill.redacted, body="About the bill"))
    assert store.cases.file(bill, clinic=clinic, by="worker") == case_id
    return case_id


def drawn(desk: Desk, sam: User, case_id: str) -> SampleItem:
    """Return the sample item of the case's first message."""
    oldest = desk.queue.open(sam, case_id).file.messages[-1]
    items = desk.supervision.sample(sam)
    return next(item for item in items if item.message_id == oldest.id)


def test_a_judgement_is_about_the_drawn_message(
    store: Store, clinic: str, desk: Desk, sam: User
) -> None:
    case_id = two_messages(store, clinic)
    item = drawn(desk, sam, case_id)
    desk.supervision.judge(sam, item, right=True, urgency=Urgency.ROUTINE)
    (label,) = store.labels.all(clinic=clinic, by="sam")
    assert (label.shown_route, label.route, label.also) == (Route.REFILL, Route.REFILL, set())
    (row,) = store.labels.export_rows(clinic=clinic, by="sam")
    assert (row.id, row.body) == (item.message_id, "Could you renew my lisinopril? [NAME_1]")


@pytest.mark.parametrize("closed", [False, True])
def test_a_miss_puts_the_case_among_the_urgent_at_once(
    store: Store, clinic: str, desk: Desk, sam: User, closed: bool
) -> None:
    case_id = two_messages(store, clinic)
    if closed:
        for part in desk.queue.open(sam, case_id).file.case.requests:
            desk.queue.tick(sam, case_id, part.id)
        desk.queue.close(sam, case_id, outcome="no_reply_needed", note=Protected(""))
    item, version = drawn(desk, sam, case_id), desk.queue.version(sam)
    desk.supervision.judge(sam, item, right=False, urgency=Urgency.EMERGENCY)
    (row,) = desk.queue.view(sam, lane=Lane.URGENT).rows
    case = row.case
    assert (case.id, case.state, case.urgency) == (case_id, CaseState.OPEN, Urgency.EMERGENCY)
    assert case.score >= 95
    assert [part.route for part in case.requests if not part.done][-1] is Route.URGENT_CLINICAL
    assert desk.queue.version(sam) != version
    (label,) = store.labels.all(clinic=clinic, by="sam")
    assert (label.shown_urgency, label.urgency) == (Urgency.ROUTINE, Urgency.EMERGENCY)
    assert (label.route, label.also) == (Route.URGENT_CLINICAL, {Route.REFILL})
    assert desk.supervision.miss_rate(sam).missed == 1
