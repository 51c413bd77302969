"""Safety-bar 31: nothing waits longer than four business hours without an alarm."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.small_practice import SECRETARY, approve, mail_from, move_in, receive, rooms
from tests.watch.cast import Clock, Door
from triage.classifiers.abstain import AlwaysAbstain
from triage.desk import Desk
from triage.domain import (
    OLDEST,
    Lane,
    Listing,
    OpeningHours,
    Protected,
    ReplyState,
    Setting,
    Waiting,
    read_span,
)
from triage.domain.watch import Alarm, Fault
from triage.engine import Watch, Watched
from triage.engine.jobs import _unread
from triage.store import Keys, Store, open_store

pytestmark = pytest.mark.bar(31)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = open_store(store_url, keys, clock=clock)
    move_in(found)
    yield found
    found.close()


def kinds(store: Store) -> set[Waiting]:
    return set(store.counts.oldest(clinic="c1"))


UNSURE = rooms(classifier=AlwaysAbstain())


def test_every_kind_of_waiting_work_is_counted_until_it_is_done(store: Store, clock: Clock) -> None:
    assert kinds(store) == set()
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="c.example", clock=clock)
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id = approve(desk, case_id)
    assert Waiting.APPROVED_NOT_SENT in kinds(store)
    store.replies.claim(reply_id, clinic="c1", by="sender")
    assert Waiting.APPROVED_NOT_SENT in kinds(store)
    store.replies.settle(reply_id, ReplyState.UNCERTAIN, clinic="c1", by="sender", why="x")
    assert Waiting.UNCERTAIN in kinds(store)
    assert Waiting.APPROVED_NOT_SENT not in kinds(store)


def test_what_did_not_leave_is_too_old_until_other_words_are_approved(
    store: Store, clock: Clock
) -> None:
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="c.example", clock=clock)
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id = approve(desk, case_id)
    store.replies.claim(reply_id, clinic="c1", by="sender")
    store.replies.settle(reply_id, ReplyState.FAILED, clinic="c1", by="sender", why="x")
    assert kinds(store) == {Waiting.FAILED}
    clock.turn(60)
    reply_id = approve(desk, case_id)
    assert kinds(store) == {Waiting.APPROVED_NOT_SENT}
    store.replies.claim(reply_id, clinic="c1", by="sender")
    store.replies.settle(reply_id, ReplyState.SENT, clinic="c1", by="sender")
    assert kinds(store) == set()


def looking(store: Store, clock: Clock, door: Door) -> Watch:
    """Return a watch whose steady clock goes with the one that is turned."""
    watched = Watched("c1", processes=())

    def steady() -> float:
        return clock.now.timestamp()

    return Watch(lambda: store, watched, [door], clock=clock, steady=steady)


def leave_waiting(store: Store, clock: Clock) -> None:
    """Leave a message nobody sorted, one that was not read, and a draft."""
    receive(store, mail_from(1, "hello"), with_rooms=UNSURE)
    receive(store, mail_from(2, "hello"), with_rooms=replace(UNSURE, parse=_unread))
    Desk(store, clock=clock).replies.save(
        SECRETARY,
        receive(store, mail_from(1, "refill"))[0],
        subject=Protected("s"),
        body=Protected("b"),
    )


def test_work_that_is_too_old_is_told_and_stands_on_the_page(store: Store, clock: Clock) -> None:
    door = Door()
    watch = looking(store, clock, door)
    leave_waiting(store, clock)
    waiting = kinds(store)
    assert waiting == {Waiting.UNSORTED, Waiting.NOT_READ, Waiting.DRAFT}
    clock.turn(OLDEST.total_seconds() - 60)
    assert watch.once() == ()
    clock.turn(120)
    watch.once()
    assert door.words == sorted(f"too_old:{kind}" for kind in waiting)
    clock.turn(10)
    watch.once()
    told = [one.text for one in Desk(store, clock=clock).queue.view(SECRETARY).banners]
    assert sum("older than four business hours" in text for text in told) == len(waiting)


def test_a_watch_that_never_counts_is_found(store: Store, clock: Clock) -> None:
    """Sabotage: without the counting nothing is told."""
    door = Door()
    watch = looking(store, clock, door)
    leave_waiting(store, clock)
    store.counts.oldest = lambda **_: {}  # type: ignore[method-assign, assignment]  # The fault itself.
    clock.turn(2 * OLDEST.total_seconds())
    watch.once()
    assert not any(word.startswith("too_old") for word in door.words)


@pytest.mark.parametrize("said", [False, True])
def test_the_hours_set_in_the_app_count(store: Store, clock: Clock, said: bool) -> None:
    """The file says that the clinic is closed today; a supervisor has opened it since."""
    today = clock.now.weekday()
    door, closed = Door(), OpeningHours({(today + 3) % 7: (time(8), time(17))})
    watched = Watched("c1", processes=(), hours=closed)
    watch = Watch(lambda: store, watched, [door], clock=clock, steady=lambda: clock.now.timestamp())
    if said:
        names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        value = {"days": dict.fromkeys(names, "00:00-23:59")}
        store.practice.change(Setting.HOURS, value, seen=0, clinic="c1", by="user-dora")
    leave_waiting(store, clock)
    clock.turn(OLDEST.total_seconds() + 300)
    watch.once()
    assert any(word.startswith("too_old") for word in door.words) == said


def test_what_a_server_keeps_to_itself_is_told_through_the_doors(
    store: Store, clock: Clock
) -> None:
    door, mailbox = Door(), Listing("INBOX", "1", frozenset({"3"}))
    watch = looking(store, clock, door)
    store.mailboxes.compared("front-desk", mailbox, owed=["3"], repaired=[], clinic="c1")
    assert watch.once() == ()
    clock.turn(150)
    assert watch.once() == (Alarm(Fault.INBOX_OWES, "front-desk"),)
    assert door.words == ["inbox_owes:front-desk"]
    store.mailboxes.ignore("front-desk", "INBOX", "3", clinic="c1", by="ana")
    assert watch.once() == ()


def test_a_monitor_sees_how_much_waits_where(store: Store) -> None:
    receive(store, mail_from(1, "refill"), mail_from(2, "refill"))
    figures = store.counts.figures(clinic="c1")
    assert (figures.landed, figures.in_no_queue, sum(figures.open.values())) == (2, 0, 2)
    assert set(figures.oldest) == set(figures.open) <= {lane.value for lane in Lane}
    assert store.counts.figures(clinic="c2").landed == 0


def test_only_the_hours_the_clinic_is_open_count() -> None:
    zone = ZoneInfo("America/New_York")
    week = OpeningHours({day: (time(8), time(17)) for day in range(5)}, zone)

    def at(day: int, hour: int) -> datetime:
        return datetime(2026, 3, day, hour, tzinfo=zone).astimezone(UTC)

    # Friday the 6th, 15:00, to Monday the 9th, 10:00; the clocks go forward on Sunday.
    assert week.between(at(6, 15), at(9, 10)) == timedelta(hours=4)
    assert week.between(at(7, 1), at(8, 23)) == timedelta()
    assert week.between(at(9, 9), at(9, 11)) == timedelta(hours=2)
    assert week.between(at(9, 11), at(9, 9)) == timedelta()
    assert OpeningHours().between(at(7, 1), at(7, 6)) == timedelta(hours=5)
    # However long the clinic is closed, what lies for two months is too old.
    assert (
        OpeningHours({0: (time(8), time(9))}).between(at(1, 1), at(1, 1) + timedelta(70)) > OLDEST
    )
    for wrong in ("8-17", "17:00-08:00", "25:00-26:00"):
        with pytest.raises(ValueError, match="hours"):
            read_span(wrong)
