"""A door that works in part, or slowly: staff hear once, and nobody is flooded or left out."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.watch.cast import ROUND, Clock, Door, Scene, opened
from triage.domain import Alarm, Fault, Notice
from triage.engine import SecondEye
from triage.engine.telling import Telling
from triage.errors import AlertFailed
from triage.store import Keys, Store

pytestmark = pytest.mark.bar(30)


class HalfDoor(Door):
    """Tells one of its people; the address of the other is gone."""

    def tell(self, notice: Notice) -> None:
        super().tell(notice)
        raise AlertFailed(self.name, reached=1)


class SlowDoor(Door):
    """Tells everybody, later than anybody waits for it."""

    def __init__(self, name: str = "on-call") -> None:
        super().__init__(name)
        self.free = Event()
        self.tries = 0

    def tell(self, notice: Notice) -> None:
        self.tries += 1
        self.free.wait(10)
        super().tell(notice)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def living(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = opened(store_url, keys, clock)
    yield found
    found.close()


def impatient(telling: Telling, seconds: float = 0.01) -> None:
    for way in telling._ways:
        way.bounded._seconds = seconds


def catch_up(telling: Telling, *frees: Event) -> None:
    """Let slow doors come to an end, and wait until they have."""
    for free in frees:
        free.set()
    while any(way.bounded._owed is not None and way.bounded._owed.empty() for way in telling._ways):
        time.sleep(0.001)
    for free in frees:
        free.clear()


def test_one_address_that_is_gone_floods_nobody_else(living: Store, clock: Clock) -> None:
    half = HalfDoor()
    scene = Scene(living, clock, doors=[half])
    scene.notes["worker"] = ["no_rules"]
    scene.pass_time(200)
    # Told once each; that the door fails stays an alarm as long as it does.
    assert half.words == ["part_failing:no_rules", "alert_failing:on-call"]
    assert len(half.told) == 2
    assert Alarm(Fault.ALERT_FAILING, "on-call") in scene.watch._book.open
    scene.clock.turn(1800)
    scene.pass_time(ROUND)
    assert half.told[2].alarms, "and is repeated like any other"


def test_an_alert_that_reached_nobody_is_told_again_each_round(living: Store, clock: Clock) -> None:
    tried: list[Notice] = []

    class DeadDoor(Door):
        def tell(self, notice: Notice) -> None:
            tried.append(notice)
            raise AlertFailed(self.name)

    scene = Scene(living, clock, doors=[DeadDoor()])
    scene.notes["worker"] = ["no_rules"]
    scene.pass_time(100)
    assert len(tried) == 10


def test_what_was_seen_while_no_door_worked_is_told_when_one_does(
    living: Store, clock: Clock
) -> None:
    """That a process was started again is seen in one round only."""
    scene = Scene(living, clock)
    scene.store.beats.beat("start:worker")
    scene.pass_time(200)
    scene.door.broken = True
    scene.store.beats.beat("start:worker")
    scene.pass_time(ROUND)
    assert scene.door.told == []
    scene.door.broken = False
    scene.pass_time(3 * ROUND)
    assert "process_restarted:worker" in scene.door.words
    assert scene.door.words.count("process_restarted:worker") == 1


def test_a_door_that_takes_too_long_each_time_tells_once(living: Store, clock: Clock) -> None:
    slow = SlowDoor()
    scene = Scene(living, clock, doors=[slow])
    impatient(scene.watch._telling)
    scene.notes["worker"] = ["no_rules"]
    for _ in range(12):
        scene.pass_time(ROUND)
        catch_up(scene.watch._telling, slow.free)
    assert slow.words == ["part_failing:no_rules", "alert_failing:on-call"]
    assert slow.tries == 2
    assert Alarm(Fault.ALERT_FAILING, "on-call") in scene.watch._book.open


def test_the_second_eye_floods_nobody(tmp_path: Path) -> None:
    clock = Clock()
    half, slow = HalfDoor("half"), SlowDoor("slow")
    for door in (half, slow):
        eye = SecondEye("c1", tmp_path / "alive", [door], clock=clock)
        impatient(eye._telling)
        for _ in range(20):
            clock.turn(10)
            eye.once()
            catch_up(eye._telling, slow.free)
        assert door.words == ["process_silent:watch"]


def test_what_came_late_counts_once_and_only_where_nobody_else_was_told() -> None:
    notice = Notice("c1", Clock()(), ((Alarm(Fault.TEST, "a"), True),))
    good, slow = Door("good"), SlowDoor("slow")
    for doors in ([slow, good], [good, slow]):
        telling = Telling(doors)
        impatient(telling)
        assert telling.through(notice) == ["good"]
        catch_up(telling, slow.free)
        assert telling.late() == []
    one, other = SlowDoor("one"), SlowDoor("two")
    two = Telling([one, other])
    impatient(two)
    assert two.through(notice) == []
    assert two.awaits(notice)
    catch_up(two, one.free, other.free)
    assert two.late() == [(notice, "one")]
    assert not two.awaits(notice)
    assert two.late() == []
    assert two.failing == {"one", "two"}


def test_a_late_no_is_no_yes() -> None:
    again = Event()

    class LateNo(Door):
        def tell(self, notice: Notice) -> None:
            again.wait(10)
            raise AlertFailed(self.name)

    telling = Telling([LateNo()])
    impatient(telling)
    notice = Notice("c1", Clock()(), ((Alarm(Fault.TEST, "a"), True),))
    assert telling.through(notice) == []
    catch_up(telling, again)
    assert telling.late() == []
    assert not telling.awaits(notice)
