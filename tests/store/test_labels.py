"""Labels, the daily re-reading, signatures and signs of life."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.practice import NOON, Clock, add_staff, ana, reading
from triage.domain import Clinic, Label, Lane, Protected, Route, Urgency
from triage.errors import NotFound
from triage.store import Keys, Store, open_store

ASK = {"clinic": "clinic-a", "by": "user-dora"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(store_url: str, keys: Keys, clock: Clock):  # type: ignore[no-untyped-def]  # A generator.
    store = open_store(store_url, keys, clock=clock)
    store.people.add_clinic(Clinic("clinic-a", "Harbour", "America/New_York"))
    add_staff(store, "clinic-a")
    store.people.import_roster([ana("clinic-a")], clinic="clinic-a", by="t")
    yield store
    store.close()


def filed(store: Store, uid: int, urgency: Urgency = Urgency.ROUTINE) -> str:
    lane = Lane.URGENT if urgency else Lane.SORTED
    given = reading(store, "clinic-a", uid=str(uid), urgency=urgency, lane=lane)
    return store.cases.file(given, clinic="clinic-a", by="worker")


def label(name: str, case_id: str, route: Route, at: datetime = NOON) -> Label:
    return Label(
        name, "clinic-a", case_id, "m-1", Route.REFILL, frozenset(), Urgency.ROUTINE, route,
        frozenset({Route.GENERAL, Route.RESULTS}), Urgency.TODAY, "user-dora", at,
        Protected("Ana said so"),
    )  # fmt: skip


def test_the_sample_is_random_routine_and_drawn_once(desk: Store) -> None:
    for uid in range(14):
        filed(desk, uid)
    urgent = filed(desk, 99, Urgency.TODAY)
    day = NOON.date()
    items = desk.labels.draw_sample(day, **ASK)
    assert len(items) == 10
    assert urgent not in {item.case_id for item in items}
    assert desk.labels.draw_sample(day, **ASK) == items
    assert len(desk.labels.draw_sample(day, **ASK, share=1.0)) == 14
    assert desk.labels.draw_sample(day + timedelta(days=1), **ASK) == []


def test_a_sample_of_few_messages_is_all_of_them(desk: Store) -> None:
    filed(desk, 1)
    assert len(desk.labels.draw_sample(NOON.date(), **ASK)) == 1


def test_the_day_of_the_sample_is_the_clinics_own(desk: Store, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 3, 3, 0, tzinfo=UTC)
    filed(desk, 1)
    assert len(desk.labels.draw_sample(datetime(2026, 11, 2).date(), **ASK)) == 1
    assert desk.labels.draw_sample(datetime(2026, 11, 3).date(), **ASK) == []


def test_judgements_are_tallied(desk: Store) -> None:
    for uid in range(3):
        filed(desk, uid)
    one, two, _ = desk.labels.draw_sample(NOON.date(), **ASK)
    missed = label("label-1", one.case_id, Route.URGENT_CLINICAL)
    desk.labels.judge(one.id, False, missed, **ASK)
    desk.labels.judge(two.id, True, None, **ASK)
    assert desk.labels.sample_tally(clinic="clinic-a") == (2, 1)
    assert desk.labels.sample_tally(clinic="clinic-b") == (0, 0)
    assert desk.labels.all(**ASK) == [missed]
    kept = {item.id: item for item in desk.labels.draw_sample(NOON.date(), **ASK)}
    assert (kept[one.id].right, kept[one.id].by) == (False, "user-dora")
    with pytest.raises(NotFound):
        desk.labels.judge(one.id, True, None, clinic="clinic-b", by="eve")


def test_the_export_holds_the_newest_choice_and_redacted_words_only(desk: Store) -> None:
    case_id = filed(desk, 1)
    desk.labels.add(label("label-1", case_id, Route.GENERAL), by="user-dora")
    later = NOON + timedelta(hours=1)
    desk.labels.add(label("label-2", case_id, Route.BILLING_DISPUTE, later), by="user-dora")
    (row,) = desk.labels.export_rows(**ASK)
    assert (row.route, row.also, row.urgency) == (
        "billing_dispute",
        ("results", "general"),
        "today",
    )
    assert row.body == "Could you renew my lisinopril? [NAME_1]"
    assert "Ana" not in repr(row)
    assert desk.labels.export_rows(clinic="clinic-b", by="eve") == []


def test_a_label_of_a_foreign_case_is_refused(desk: Store) -> None:
    with pytest.raises(NotFound):
        desk.labels.add(label("label-1", "no-such-case", Route.GENERAL), by="x")


def test_a_signature_is_for_one_digest(desk: Store) -> None:
    assert desk.signatures.signed("redflags", "aa", clinic="clinic-a") is None
    desk.signatures.sign("redflags", "aa", clinic="clinic-a", by="user-nia")
    assert desk.signatures.signed("redflags", "aa", clinic="clinic-a") == ("user-nia", NOON)
    assert desk.signatures.signed("redflags", "bb", clinic="clinic-a") is None
    assert desk.signatures.signed("redflags", "aa", clinic="clinic-b") is None


def test_a_beat_is_the_last_sign_of_life(desk: Store, clock: Clock) -> None:
    desk.beats.beat("worker", notes=("no_rules",))
    clock.forward(timedelta(seconds=5))
    desk.beats.beat("worker")
    desk.beats.beat("sender", notes=["b", "a"])
    sender, worker = desk.beats.all()
    assert (worker.at, worker.notes) == (NOON + timedelta(seconds=5), ())
    assert sender.notes == ("a", "b")
