"""Emergencies as they are kept: an hour at most, one case, one person, reviewed by another."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from tests.store.practice import NOON, add_staff, ana, reading
from triage.domain import NOTHING, BrokenGlass, Clinic, Protected, Role, User
from triage.errors import ChangedUnderneath, NotFound, NotYourself, StoreRefused
from triage.store import Keys, Store, open_life, tables

WHY = Protected("Ana Marula called from the car park")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def case_id(store: Store, clinic: str) -> str:
    store.people.add_clinic(Clinic("clinic-b", "Elsewhere"))
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    for name in ("dora", "sam"):
        add_staff(store, clinic, name)
    eve = User("user-eve", "clinic-b", "eve", "Eve", frozenset({Role.ADMINISTRATOR}))
    store.people.add_user(eve, "x")
    return store.cases.file(reading(store, clinic), clinic=clinic, by="worker")


def smash(
    store: Store, case_id: str, minutes: int = 60, by: str = "user-dora", clinic: str = "clinic-a"
) -> BrokenGlass:
    return store.glass.smash(case_id, WHY, minutes=minutes, clinic=clinic, by=by, now=NOON)


@pytest.mark.parametrize("minutes", [1, 15, 60])
def test_it_opens_one_case_to_one_person_until_the_minute(
    store: Store, clinic: str, case_id: str, minutes: int
) -> None:
    made = smash(store, case_id, minutes)
    assert made.until == NOON + minutes * MINUTE
    here = {"clinic": clinic, "by": "user-dora"}
    assert store.glass.until(case_id, **here, now=NOON) == made.until
    assert store.glass.until(case_id, **here, now=made.until - timedelta(seconds=1))
    for other, when in ((here, made.until), (here, NOON - MINUTE), ({**here, "by": "x"}, NOON)):
        assert store.glass.until(case_id, **other, now=when) is None
    assert store.glass.until("another", **here, now=NOON) is None
    assert store.glass.until(case_id, clinic="clinic-b", by="user-dora", now=NOON) is None


@pytest.mark.parametrize("minutes", [0, -5, 61, 10_000])
def test_no_hour_is_longer(store: Store, case_id: str, minutes: int) -> None:
    with pytest.raises(StoreRefused, match="longer than an hour"):
        smash(store, case_id, minutes)
    assert store.glass.unreviewed(clinic="clinic-a") == 0


def test_it_waits_until_another_person_has_looked_into_it(
    store: Store, clinic: str, case_id: str
) -> None:
    first, second = smash(store, case_id), smash(store, case_id, 15)
    sam = {"clinic": clinic, "by": "user-sam", "now": NOON + MINUTE}
    with pytest.raises(NotYourself):
        store.glass.review(first.id, clinic=clinic, by="user-dora", now=NOON)
    for wrong in ({**sam, "clinic": "clinic-b"}, sam):
        with pytest.raises(NotFound):
            store.glass.review("nothing" if wrong is sam else first.id, **wrong)
    assert store.glass.unreviewed(clinic=clinic) == 2
    assert store.glass.unreviewed(clinic="clinic-b") == 0
    store.glass.review(second.id, **sam)
    with pytest.raises(ChangedUnderneath):
        store.glass.review(second.id, **sam)
    found = store.glass.all(clinic=clinic, by="user-sam")
    assert [one.id for one in found] == [first.id, second.id]
    assert [one.reviewed_by for one in found] == [None, "user-sam"]
    assert found[0] == first
    assert store.glass.all(clinic="clinic-b", by="user-eve") == ()


def test_every_step_is_in_the_audit_and_the_reason_is_not(
    store: Store, clinic: str, case_id: str
) -> None:
    made = smash(store, case_id)
    store.glass.all(clinic=clinic, by="user-sam")
    store.glass.review(made.id, clinic=clinic, by="user-sam", now=NOON)
    steps = store.cases.history(case_id, clinic=clinic, by="x")
    told = [(one.action, one.actor) for one in steps if one.action.startswith("glass")]
    assert told == [
        ("glass.broken", "user-dora"),
        ("glass.listed", "user-sam"),
        ("glass.reviewed", "user-sam"),
    ]
    assert "Marula" not in repr(steps)


def test_nobody_looks_into_another_clinic(store: Store, case_id: str) -> None:
    with pytest.raises(NotFound):
        smash(store, case_id, by="user-eve", clinic="clinic-b")


def test_an_erased_case_takes_its_reason_along_and_leaves_the_list_open(
    store: Store, clinic: str, case_id: str, store_url: str, keys: Keys, tmp_path: Path
) -> None:
    other = store.cases.file(reading(store, clinic, uid="2"), clinic=clinic, by="worker")
    gone, kept = smash(store, case_id), smash(store, other)
    life = open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])
    life.erase("case", case_id, clinic=clinic, by="t")
    life.close()
    found = {one.id: one.reason for one in store.glass.all(clinic=clinic, by="user-sam")}
    assert found == {gone.id: NOTHING, kept.id: WHY}
    store.glass.review(gone.id, clinic=clinic, by="user-sam", now=NOON)
    assert store.glass.unreviewed(clinic=clinic) == 1
    assert len(store.glass.all(clinic=clinic, by="user-sam")) == 2


TABLE = tables.break_glass
REFUSED = {
    "what happened stays": update(TABLE).values(minutes=59),
    "reviewed once": update(TABLE).values(reviewed_by=None),
    "nobody reviews their own": update(TABLE).values(reviewed_by="user-dora"),
    "never deleted": delete(TABLE),
}


@pytest.mark.parametrize("guard", REFUSED)
def test_the_database_itself_refuses_to_forget(
    store: Store, clinic: str, case_id: str, guard: str
) -> None:
    made = smash(store, case_id)
    if guard == "reviewed once":
        store.glass.review(made.id, clinic=clinic, by="user-sam", now=NOON)
    with (
        pytest.raises(StoreRefused, match=guard),
        store._transactions.write() as work,
    ):
        work.run(REFUSED[guard])


@pytest.mark.parametrize(
    ("guard", "changed"),
    [
        ("no such case or person here", {"clinic": "clinic-b"}),
        ("no such case or person here", {"user_id": "user-eve"}),
        ("nobody looked into it yet", {"reviewed_by": "user-sam"}),
    ],
)
def test_the_database_itself_refuses_what_cannot_have_happened(
    store: Store, clinic: str, case_id: str, guard: str, changed: dict[str, str]
) -> None:
    row = {"id": "g1", "clinic": clinic, "case_id": case_id, "user_id": "user-dora"}
    sealed = store._transactions.vault.seal("break_glass", "reason", "g1", "why")
    values = {**row, "reason": sealed, "at": NOON, "minutes": 5, **changed}
    with (
        pytest.raises(StoreRefused, match=guard),
        store._transactions.write() as work,
    ):
        work.run(insert(TABLE).values(values))
