"""Safety-bar 31, in a clinic: the watch counts every hour that nothing lies in a dark corner."""

from collections.abc import Iterator
from threading import Event

import pytest
from sqlalchemy import ColumnElement, Table, update

from tests.small_practice import SECRETARY, mail_from, move_in, receive, rooms
from tests.watch.cast import Clock, Door
from triage.classifiers.abstain import AlwaysAbstain
from triage.desk.health import banners
from triage.domain import Alarm, Fault, Unseen, read_alarm
from triage.engine import Watch, Watched
from triage.pipeline import land
from triage.store import Keys, Store, open_store, tables, waiting
from triage.store.engine import connect
from triage.store.guards import drop_guards, make_guards
from triage.testing import MemoryInbox

pytestmark = pytest.mark.bar(31)
HOUR = 3600.0
Change = tuple[Table, ColumnElement[bool], dict[str, object]]
OPEN, DARK = tables.cases.c.state == "open", tables.cases.c.lane == "attic"
UNREAD = tables.raw_messages.c.filed_at.is_(None)
#: A lane of no name, and a message that was filed into nothing; what is told of them.
CORNERS: tuple[Change, ...] = (
    (tables.cases, OPEN, {"lane": "attic"}),
    (tables.raw_messages, UNREAD, {"filed_at": Clock().now}),
)
FOUND = ("in_no_lane:2", "nowhere:1")
LOST = (Alarm(Fault.IN_NO_LANE, "7"),)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = open_store(store_url, keys, clock=clock)
    move_in(found)
    yield found
    found.close()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def watch(store: Store, clock: Clock, door: Door) -> Watch:
    watched = Watched("c1", processes=())
    return Watch(lambda: store, watched, [door], clock=clock, steady=lambda: clock.now.timestamp())


def change(url: str, keys: Keys, *changes: Change) -> None:
    """Change rows behind everybody's back, past every guard."""
    owner = connect(url, keys, owner=True)
    with owner.begin() as connection:
        drop_guards(connection)
        for table, where, values in changes:
            assert connection.execute(update(table).where(where).values(**values)).rowcount
        make_guards(connection)
    owner.dispose()


def leave_work(store: Store, clock: Clock) -> None:
    """Leave a sorted case, one that nobody sorted, one that was closed, and mail not yet read."""
    receive(store, mail_from(1, "refill"))
    receive(store, mail_from(2, "hello"), with_rooms=rooms(classifier=AlwaysAbstain()))
    (done,) = receive(store, mail_from(3, "bill"))
    with store.transactions.write() as work:
        gone = {"state": "closed", "closed_at": clock(), "outcome": "phoned"}
        work.run(update(tables.cases).where(tables.cases.c.id == done).values(**gone))
    land(MemoryInbox([mail_from(4, "refill")]), store, clinic="c1")


def test_a_dark_corner_is_told_within_the_hour(
    store: Store, clock: Clock, watch: Watch, door: Door, store_url: str, keys: Keys
) -> None:
    leave_work(store, clock)
    # The control: all that lies there is seen, the message nobody has read yet as well.
    assert store.counts.unseen(clinic="c1") == store.counts.unseen(clinic="c2") == Unseen(0, 0)
    watch.once()
    change(store_url, keys, *CORNERS)
    clock.turn(HOUR - 60)
    watch.once()
    assert not set(FOUND) & set(door.words)
    clock.turn(120)
    watch.once()
    assert set(FOUND) <= set(door.words)
    clock.turn(10)
    watch.once()
    notes = {beat.process: set(beat.notes) for beat in store.beats.all()}
    assert notes["count"] == set(FOUND) <= notes["watch"]
    said = {one.text for one in banners(store, SECRETARY, clock(), {})}
    assert {one.words for one in filter(None, map(read_alarm, FOUND))} <= said
    # Once it is mended staff hear of it within minutes.
    change(store_url, keys, (tables.cases, DARK, {"lane": "sorted"}))
    clock.turn(300)
    watch.once()
    assert watch._counting.alarms == (Alarm(Fault.NOWHERE, "1"),)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("state", ["parked", "closed"])
def test_what_is_neither_open_nor_closed_by_anybody_is_counted(
    store: Store, clock: Clock, store_url: str, keys: Keys, state: str
) -> None:
    leave_work(store, clock)
    change(store_url, keys, (tables.cases, OPEN, {"state": state}))
    assert store.counts.unseen(clinic="c1") == Unseen(cases=2, messages=0)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_queue_that_leaves_some_out_is_told(
    store: Store, watch: Watch, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours: the queue's conditions hide what nobody sorted; the total does not."""
    leave_work(store, Clock())
    real = waiting.open_cases
    narrow = tables.cases.c.abstained.is_(False)
    monkeypatch.setattr(waiting, "open_cases", lambda *a, **b: [*real(*a, **b), narrow])
    watch.once()
    assert "in_no_lane:1" in door.words


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_watch_that_does_not_count_is_found(
    store: Store, clock: Clock, watch: Watch, door: Door, store_url: str, keys: Keys
) -> None:
    """Sabotage: without the counting nobody hears of a dark corner."""
    leave_work(store, clock)
    change(store_url, keys, *CORNERS)
    watch._counting.look = lambda _: None  # type: ignore[method-assign]  # The fault itself.
    watch.once()
    assert not any(word.startswith("in_no_lane") for word in door.words)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_count_that_takes_long_or_fails_holds_nothing_up_and_is_told(
    store: Store, clock: Clock, watch: Watch, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = Event()
    counting = watch._counting
    counting._asked._seconds = 0.01
    monkeypatch.setattr(counting, "_count", lambda _: free.wait(10) and LOST)
    watch.once()
    assert counting._asked.hangs
    clock.turn(2 * HOUR + 60)
    watch.once()
    assert "not_counted:" in door.words
    free.set()
    # What comes late counts as well.
    while counting.alarms[:1] != LOST:
        watch.once()
    assert "in_no_lane:7" in door.words
    monkeypatch.setattr(counting, "_count", lambda _: 1 // 0)
    clock.turn(2 * HOUR + 60)
    watch.once()
    assert set(counting.alarms) == {*LOST, Alarm(Fault.NOT_COUNTED)}
    monkeypatch.undo()
    counting._asked._seconds = 10.0
    clock.turn(300)
    watch.once()
    assert counting.alarms == ()
