"""What a person may do to a case, asked of the desk on the real store."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.practice import add_staff, ana, reading
from triage.desk import Desk, queue
from triage.desk.queue import answered
from triage.domain import Mark, Protected, Role, User
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
