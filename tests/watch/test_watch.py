"""Whatever stops is told within 180 seconds, once, and so is that all is well again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from tests.sizes import LONG, many
from tests.small_practice import SECRETARY
from tests.watch.cast import CLINIC, PARTS, ROUND, Clock, Door, Scene, opened
from triage.desk.health import banners
from triage.domain import Alarm, Fault, Notice
from triage.engine import SecondEye
from triage.engine.alarms import AlarmBook
from triage.engine.telling import Bounded
from triage.engine.watching import FAILING, read_sign, write_sign
from triage.errors import StoreRefused
from triage.store import Keys, Store, open_store

pytestmark = pytest.mark.bar(30)
#: What may stop -> how it is told.
STOPS = {
    "worker": "process_silent:worker",
    "sender": "process_silent:sender",
    "web": "process_silent:web",
    "inbox:front-desk": "inbox_silent:front-desk",
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def living(store_url: str, keys: Keys, clock: Clock) -> Iterator[Store]:
    found = opened(store_url, keys, clock)
    yield found
    found.close()


@pytest.fixture
def scene(living: Store, clock: Clock) -> Scene:
    return Scene(living, clock)


def test_while_everything_lives_nobody_is_told(scene: Scene) -> None:
    scene.pass_time(300)
    assert scene.door.told == []


@pytest.mark.parametrize("part", STOPS)
def test_what_stops_is_told_within_180_seconds_and_that_it_is_well_again(
    scene: Scene, part: str
) -> None:
    dice = random.Random(30)
    for _ in range(many(1, long=15)):
        scene.pass_time(60 + dice.randrange(0, 60))
        scene.dead.add(part)
        scene.pass_time(180)
        assert scene.door.words == [STOPS[part]]
        scene.dead.clear()
        scene.pass_time(130)
        assert len(scene.door.told) == 2
        assert scene.door.told[-1].alarms == ()
        assert [alarm.note for alarm in scene.door.told[-1].ended] == [STOPS[part]]
        assert scene.watch._book.open == ()
        scene.door.told.clear()
        # An hour later nothing of it is remembered, and the next one is as fresh as the first.
        scene.clock.turn(3700)
        for name in STOPS:
            scene.store.beats.beat(name)


@pytest.mark.parametrize("marked", [True, False])
def test_no_clinic_s_processes_live_for_another_s_in_the_same_store(
    store_url: str, keys: Keys, clock: Clock, living: Store, marked: bool
) -> None:
    """Both call their processes and their inbox alike; ours have died."""
    ours, others = (
        open_store(store_url, keys, clock=clock, clinic=one if marked else "")
        for one in (CLINIC, "c2")
    )
    scene = Scene(ours, clock)
    for name in (*PARTS, "inbox:front-desk"):
        ours.beats.beat(name)
    for _ in range(20):
        clock.turn(ROUND)
        for name in (*PARTS, "inbox:front-desk"):
            others.beats.beat(name, notes=["no_rules"] if name == "worker" else ())
        scene.watch.once()
    dead = {f"process_silent:{one}" for one in PARTS} | {"inbox_silent:front-desk"}
    # The sabotage: without the clinic's mark theirs count as ours.
    assert set(scene.door.words) == (dead if marked else {"part_failing:no_rules"})
    told = banners(ours, replace(SECRETARY, clinic="c2"), clock(), {})
    assert ("red-flag rules are not working" in " ".join(one.text for one in told)) is True
    for one in (ours, others):
        one.close()


def test_a_watch_that_waits_longer_would_be_found(living: Store, clock: Clock) -> None:
    """Sabotage: with limits of five minutes nothing is told in time."""
    scene = Scene(living, clock)
    longer = timedelta(minutes=5)
    scene.watch._limits = type(scene.watch._limits)(longer, longer)
    scene.dead = set(STOPS)
    scene.pass_time(180)
    assert scene.door.told == []


def test_an_inbox_that_was_never_looked_at_is_told_too(scene: Scene) -> None:
    scene.dead = set(STOPS)
    scene.pass_time(180)
    assert set(scene.door.words) == set(STOPS.values())


@pytest.mark.parametrize("note", sorted(FAILING))
def test_what_a_part_cannot_do_is_told_in_the_next_round(scene: Scene, note: str) -> None:
    scene.notes["worker"] = [note]
    scene.pass_time(ROUND)
    assert scene.door.words == [f"part_failing:{note}"]


def test_an_expired_password_and_a_full_mailbox_are_named(scene: Scene) -> None:
    scene.notes["inbox:front-desk"] = ["inbox_full"]
    scene.pass_time(ROUND)
    assert scene.door.words == ["inbox_full:front-desk"]
    scene.dead.add("inbox:front-desk")
    scene.store.beats.trouble("inbox:front-desk", "inbox_refused")
    scene.pass_time(180)
    assert "inbox_refused:front-desk" in scene.door.words


def test_mail_that_the_store_will_not_take_is_told_in_the_next_round(scene: Scene) -> None:
    scene.notes["inbox:front-desk"] = ["store_refused"]
    scene.pass_time(ROUND)
    assert scene.door.words == ["database:"]


def test_a_database_that_refuses_or_hangs_is_told(living: Store, clock: Clock) -> None:
    again = Event()
    for trouble in ("refuses", "hangs"):
        scene = Scene(living, clock)
        scene.watch._look._seconds = 0.05

        def stuck(*_: object, trouble: str = trouble, **__: object) -> None:
            if trouble == "refuses":
                raise StoreRefused("gone")
            again.wait(10)

        scene.watch._sight = stuck  # type: ignore[assignment, method-assign]  # The fault itself.
        scene.watch.once()
        scene.watch.once()
        assert scene.door.words == ["database:"], trouble
    again.set()


def test_a_question_that_hung_is_asked_again_once_it_came_back() -> None:
    asked, again = Bounded[int](5.0), Event()
    assert [asked.ask(lambda: 7) for _ in range(2000)] == [7] * 2000
    asked._seconds = 0.01
    assert asked.ask(lambda: again.wait(10) and 7) is None
    assert asked.ask(lambda: 8) is None
    again.set()
    asked._seconds = 5.0
    while (answer := asked.ask(lambda: 9)) is None:
        pass
    assert answer == 9


def test_what_was_started_again_is_told(scene: Scene) -> None:
    scene.store.beats.beat("start:worker")
    scene.pass_time(200)
    assert scene.door.told == []
    scene.store.beats.beat("start:worker")
    scene.pass_time(ROUND)
    assert scene.door.words == ["process_restarted:worker"]


def told_over(hours: int, is_down: Callable[[int], bool], **more: timedelta) -> list[Notice]:
    """Ask the book every ten seconds; return what staff were told."""
    clock, book, told = Clock(), AlarmBook("c1", **more), []
    alarm = Alarm(Fault.PART_FAILING, "outbox_failing")
    for turn in range(hours * 360):
        clock.turn(10)
        notice = book.notice([alarm] if is_down(turn) else [], clock())
        if notice:
            book.told(notice)
            told.append(notice)
    return told


def test_a_part_that_flickers_is_no_flood() -> None:
    """Down for 20 seconds in every minute, for three hours."""
    told = told_over(3, lambda turn: turn % 6 < 2)
    # One alarm and its repetition every 30 minutes.
    assert [new for notice in told for _, new in notice.alarms].count(True) == 1
    assert 5 <= len(told) <= 7


def test_what_comes_and_goes_slowly_is_told_at_once_and_ever_more_rarely_well() -> None:
    told = told_over(3, lambda turn: turn % 12 == 0, repeat=timedelta(days=1))
    assert told[0].alarms
    assert sum(bool(one.alarms) for one in told) <= 4, "three hours, ninety times down"


def test_several_at_once_are_one_notice(scene: Scene) -> None:
    scene.pass_time(60)
    scene.dead = {"worker", "sender", "web"}
    scene.pass_time(100)
    (notice,) = scene.door.told
    assert len(notice.alarms) == 3
    assert notice.subject == "triage c1: 3 alarms"


def test_one_door_that_fails_keeps_no_other_from_telling(living: Store, clock: Clock) -> None:
    good, bad = Door("good"), Door("bad")
    bad.broken = True
    scene = Scene(living, clock, doors=[bad, good])
    scene.notes["worker"] = ["no_rules"]
    scene.pass_time(2 * ROUND)
    assert good.words == ["part_failing:no_rules", "alert_failing:bad"]


def test_while_nobody_can_be_told_the_sign_outside_stays_away(
    living: Store, clock: Clock, tmp_path: Path
) -> None:
    signs: list[int] = []
    file, alive = tmp_path / "heartbeat", tmp_path / "alive"
    scene = Scene(
        living, clock, alive_file=alive, life_file=file, life_sign=lambda: signs.append(1)
    )
    scene.pass_time(120)
    assert read_sign(file) == read_sign(alive) == clock()
    assert len(signs) == 2
    scene.door.broken = True
    scene.notes["worker"] = ["no_rules"]
    scene.pass_time(120)
    assert read_sign(alive) == clock()
    assert clock() - read_sign(file) >= timedelta(seconds=110)
    assert len(signs) == 2
    scene.door.broken = False
    scene.pass_time(ROUND)
    assert "part_failing:no_rules" in scene.door.words
    assert read_sign(file) == clock()


def test_the_watch_itself_is_watched(tmp_path: Path) -> None:
    clock, door, file = Clock(), Door(), tmp_path / "alive"
    eye = SecondEye("c1", file, [door], clock=clock)
    for _ in range(30):
        clock.turn(10)
        write_sign(file, clock())
        assert eye.once() is None
    for _ in range(18):
        clock.turn(10)
        eye.once()
    assert door.words == ["process_silent:watch"]
    write_sign(file, clock())
    eye.once(restarted=True)
    assert door.words == ["process_silent:watch", "process_restarted:watch"]


@pytest.mark.parametrize("given", ["Maria Ruiz", "a@b.c", "A", "x" * 41, "a b", "ü", "a\n"])
def test_an_alarm_holds_no_sentence_and_no_address(given: str) -> None:
    with pytest.raises(ValueError, match="id"):
        Alarm(Fault.TEST, given)
    with pytest.raises(ValueError, match="id"):
        Notice(given, Clock()())
    with pytest.raises(ValueError, match="fault"):
        Alarm("chest pain")  # type: ignore[arg-type]  # What must be refused.


def test_the_long_form_tries_sixty() -> None:
    assert len(STOPS) * many(1, long=15) == (60 if LONG else 4)
