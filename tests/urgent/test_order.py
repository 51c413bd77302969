"""The order of the queue: urgent, then what nobody sorted, then what is due first."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from tests.urgent.cast import CLINIC, Scene
from triage.domain import (
    Lane,
    OpeningHours,
    Protected,
    Route,
    Setting,
    Targets,
    Urgency,
    new_id,
    read_hours,
)
from triage.errors import ChangedUnderneath, StoreRefused
from triage.store import Keys, tables

OFFICE = OpeningHours(
    {day: (time(8), time(17)) for day in range(5)}, UTC, frozenset({date(2026, 12, 25)})
)
FRIDAY = datetime(2026, 11, 6, 16, 0, tzinfo=UTC)


@pytest.fixture
def scene(store_url: str, keys: Keys) -> Iterator[Scene]:
    made = Scene(store_url, keys)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("since", "hours", "due"),
    [
        (FRIDAY, 1, FRIDAY + timedelta(hours=1)),
        (FRIDAY, 2, datetime(2026, 11, 9, 9, tzinfo=UTC)),
        (FRIDAY + timedelta(hours=3), 1, datetime(2026, 11, 9, 9, tzinfo=UTC)),
        (datetime(2026, 12, 24, 16, tzinfo=UTC), 2, datetime(2026, 12, 28, 9, tzinfo=UTC)),
        (FRIDAY, 46, datetime(2026, 11, 13, 17, tzinfo=UTC)),
    ],
)
def test_due_times_are_counted_in_opening_hours(since: datetime, hours: int, due: datetime) -> None:
    span = timedelta(hours=hours)
    assert OFFICE.after(since, span) == due
    assert OFFICE.between(since, due) == span, "counting back agrees"
    assert OpeningHours().after(since, span) == since + span


def test_a_day_that_is_an_hour_shorter_is_counted_as_the_clinic_sees_it() -> None:
    berlin = OpeningHours({6: (time(1), time(5))}, ZoneInfo("Europe/Berlin"))
    # On the 29th of March 2026 the clocks go from two to three.
    begin = datetime(2026, 3, 29, 0, tzinfo=UTC)
    assert berlin.after(begin, timedelta(hours=3)) == datetime(2026, 3, 29, 3, tzinfo=UTC)


def test_a_holiday_is_out_of_hours() -> None:
    christmas = datetime(2026, 12, 25, 12, tzinfo=UTC)
    assert not OFFICE.open_at(christmas)
    assert OFFICE.open_at(christmas - timedelta(days=1))
    assert OFFICE.between(christmas, christmas + timedelta(hours=2)) == timedelta()


def test_hours_that_never_open_count_by_the_clock() -> None:
    shut = OpeningHours({0: (time(8), time(9))}, UTC, frozenset(
        FRIDAY.date() + timedelta(days=day) for day in range(200)
    ))  # fmt: skip
    assert shut.after(FRIDAY, timedelta(hours=2)) == FRIDAY + timedelta(hours=2)


def arrive(scene: Scene, route: Route, lane: Lane = Lane.SORTED) -> str:
    from tests.store.practice import reading

    sender = Protected(f"{new_id()}@x.example")
    given = reading(scene.store, CLINIC, uid=new_id(), route=route, lane=lane, sender=sender)
    return scene.store.cases.file(given, clinic=CLINIC, by="worker")


def order(scene: Scene) -> list[str]:
    return [row.case.id for row in scene.store.cases.queue(clinic=CLINIC, by="x")]


def test_changed_targets_and_hours_place_every_case_anew(scene: Scene) -> None:
    bill, refill = arrive(scene, Route.BILLING_DISPUTE), arrive(scene, Route.REFILL)
    unread, unsorted = (
        arrive(scene, Route.GENERAL, lane) for lane in (Lane.UNREADABLE, Lane.UNSORTED)
    )
    urgent = scene.arrive(urgency=Urgency.TODAY)
    assert order(scene) == [urgent, unread, unsorted, refill, bill]
    plain = Targets().plain | {Route.BILLING_DISPUTE.value: 30}
    scene.say(Setting.TARGETS, plain)
    assert scene.store.due.again(clinic=CLINIC, by="x") == 5
    assert order(scene) == [urgent, unread, unsorted, bill, refill]
    scene.say(Setting.HOURS, {"days": {"monday": "08:00-12:15"}, "holidays": []})
    scene.store.due.again(clinic=CLINIC, by="x")
    due = scene.store.cases.get(bill, clinic=CLINIC, by="x").case.due_at
    assert due == datetime(2026, 11, 9, 8, 15, tzinfo=UTC)


def test_the_order_is_one_walk_of_one_index(scene: Scene) -> None:
    """At 100,000 cases a sort would cost what the page may take."""
    from triage.store.due import QUEUE

    cases = tables.cases
    query = (
        cases.select()
        .where(cases.c.clinic == CLINIC, cases.c.state == text("'open'"))
        .order_by(*QUEUE)
        .limit(50)
    )
    with scene.store.transactions.read() as work:
        sql = str(query.compile(work.connection, compile_kwargs={"literal_binds": True}))
        if work.connection.dialect.name == "sqlite":
            plan = str(work.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all())
            assert "ix_cases_queue" in plan
            assert "TEMP B-TREE" not in plan
        else:
            work.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            work.connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            plan = str(work.connection.exec_driver_sql(f"EXPLAIN {sql}").all())
            assert "ix_cases_queue" in plan
            assert "Sort" not in plan


def test_every_version_of_a_setting_stays(scene: Scene) -> None:
    practice = scene.store.practice
    practice.adopt({Setting.HOURS: {"days": {"monday": "08:00-12:00"}}}, clinic=CLINIC)
    practice.adopt({Setting.HOURS: {"days": {"monday": "08:00-13:00"}}}, clinic=CLINIC)
    scene.say(Setting.HOURS, {"days": {"tuesday": "08:00-12:00"}, "holidays": []})
    practice.adopt({Setting.HOURS: {"days": {"friday": "08:00-12:00"}}}, clinic=CLINIC)
    found = [(one.number, one.by) for one in practice.history(Setting.HOURS, clinic=CLINIC)]
    assert found == [(3, "user-dora"), (2, "triage.toml"), (1, "triage.toml")]
    assert practice.hours(clinic=CLINIC).days.keys() == {1}
    with pytest.raises(ChangedUnderneath):
        practice.change(Setting.HOURS, {}, seen=1, clinic=CLINIC, by="user-dora")
    event, *_ = scene.store.audit.events(clinic=CLINIC, by="x", action="practice.changed")
    assert (event.actor, "tuesday" in event.detail["after"]) == ("user-dora", True)
    assert "monday" in event.detail["before"]
    written = tables.practice_settings.update().values(by="somebody else")
    with pytest.raises(StoreRefused), scene.store.transactions.write() as work:
        work.run(written)


@pytest.mark.parametrize(
    "plain",
    [
        {"days": {"someday": "08:00-12:00"}},
        {"days": {"monday": "12:00-08:00"}},
        {"holidays": ["christmas"]},
    ],
)
def test_hours_that_cannot_be_read_are_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"day|hours"):
        read_hours(plain, UTC)
    with pytest.raises(ValueError, match="minutes"):
        Targets.read({"refill": 1})
