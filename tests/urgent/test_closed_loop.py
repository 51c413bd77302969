"""Safety-bar 29: nobody acts on an urgent message, and people are told again, by name, in time.

The short form walks every scene with a few messages; the long form (TRIAGE_LONG=1) with 200.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Row, update

from tests.sizes import many
from tests.store.practice import add_staff
from tests.urgent.cast import CLINIC, PLAN, ROUND, Door, Scene, due
from tests.watch.test_telling import catch_up
from triage.desk import Desk
from triage.domain import (
    NOTHING,
    EscalationPlan,
    NoteKind,
    Notice,
    Protected,
    Route,
    Setting,
    Step,
    Urgency,
)
from triage.engine import Escalator
from triage.errors import AlertFailed, NotAnswerable, NotFound, StoreRefused
from triage.store import Keys, tables
from triage.store.escalations import Escalations, Overdue, Tick, _due
from triage.store.transaction import Work

pytestmark = pytest.mark.bar(29)
SEED = 20261123
MESSAGES = many(20, long=200)
LATE = timedelta(seconds=30)
HALF_HOUR = timedelta(minutes=31)
ALMOST = timedelta(minutes=4, seconds=50)


@pytest.fixture
def scene(store_url: str, keys: Keys) -> Iterator[Scene]:
    made = Scene(store_url, keys)
    yield made
    made.store.close()


def late(scene: Scene) -> dict[tuple[str, Step], timedelta]:
    """Return every step that came later than it may, or never, or twice, by the real time."""
    trouble = {}
    told: dict[Step, list[tuple[object, int]]] = {}
    for door in scene.doors.values():
        for at, notice in door.told:
            for alarm, _ in notice.alarms:
                for step in Step:
                    if alarm.fault.value == f"urgent_{step.value}":
                        told.setdefault(step, []).append((at, int(alarm.part)))
    for step in Step:
        # Told counts, in order of the real time, against who was due: each in its turn.
        times = [at for at, number in sorted(told.get(step, [])) for _ in range(number)]
        cases = sorted(scene.landed.items(), key=lambda item: item[1])
        for place, (case_id, landed) in enumerate(cases):
            if place >= len(times):
                trouble[case_id, step] = timedelta.max
            elif times[place] > due(landed, step) + LATE:  # type: ignore[operator]  # A step without a moment fails the test.
                trouble[case_id, step] = times[place] - due(landed, step)  # type: ignore[operator]  # A step without a moment fails the test.
    return trouble


def once_each(scene: Scene) -> bool:
    """Whether the store remembers each step of each case exactly once."""
    taken = scene.taken()
    return taken.keys() == scene.landed.keys() and all(
        steps.keys() == set(Step) and all(len(times) == 1 for times in steps.values())
        for steps in taken.values()
    )


def test_everybody_is_told_in_their_turn(scene: Scene) -> None:
    case_id = scene.arrive()
    scene.watch.once()
    scene.pass_time(timedelta(minutes=4, seconds=50), ROUND)
    assert scene.steps() == {}
    scene.turn(ROUND)
    scene.watch.once()
    assert scene.doors["again-in"].steps() == {Step.AGAIN: 1}
    scene.pass_time(timedelta(minutes=10))
    assert scene.doors["deputy-in"].steps() == {Step.DEPUTY: 1}
    assert scene.store.escalations.steps(case_id, clinic=CLINIC)[0] == 2
    scene.pass_time(timedelta(hours=1))
    assert scene.doors["on_call-in"].steps() == {Step.ON_CALL: 1}
    assert sum(scene.steps().values()) == 3
    assert all(not door.told for name, door in scene.doors.items() if name.endswith("-out"))
    assert once_each(scene)


@pytest.mark.parametrize("how", ["half", "slow"])
def test_a_door_that_works_in_part_or_slowly_tells_each_step_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    tell, free = Door.tell, Event()

    def badly(door: Door, notice: Notice) -> None:
        if how == "slow":
            free.wait(10)
        tell(door, notice)
        if how == "half":
            raise AlertFailed(door.name, reached=1)

    monkeypatch.setattr(Door, "tell", badly)
    for way in scene.watch._telling._ways if how == "slow" else ():
        way.bounded._seconds = 0.01
    case_id = scene.arrive()
    scene.watch.once()
    scene.pass_time(timedelta(minutes=5), ROUND)
    for _ in range(6):
        catch_up(scene.watch._telling, free)
        scene.watch._credit()
        scene.pass_time(ROUND, ROUND)
    # Slow, no door of the plan has taken it, so that all the others are told, once.
    doors = len(scene.doors) if how == "slow" else 1
    assert scene.steps() == {Step.AGAIN: doors}
    assert scene.taken()[case_id].keys() == {Step.AGAIN}


def test_opened_is_not_acted_on(scene: Scene) -> None:
    case_id = scene.arrive()
    scene.store.cases.get(case_id, clinic=CLINIC, by="user-dora")
    scene.store.cases.claim(case_id, clinic=CLINIC, by="user-dora", now=scene.clock())
    scene.pass_time(timedelta(minutes=6))
    assert scene.steps() == {Step.AGAIN: 1}


def act(scene: Scene, case_id: str, how: str = "phoned") -> None:
    scene.store.escalations.act(case_id, how, clinic=CLINIC, by="user-dora", seen=None)


def hand(scene: Scene, case_id: str, to: str = "user-nia") -> None:
    words, who = Protected("Yours."), {"clinic": CLINIC, "by": "user-dora"}
    scene.store.escalations.hand_over(case_id, words, to=to, **who, seen=None)


def test_a_named_person_stops_it_and_says_how(scene: Scene) -> None:
    phoned, closed, left = (scene.arrive() for _ in range(3))
    scene.pass_time(timedelta(minutes=6))
    act(scene, phoned)
    close(scene, closed)
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == {Step.AGAIN: 3, Step.DEPUTY: 1, Step.ON_CALL: 1}
    case = scene.store.cases.get(phoned, clinic=CLINIC, by="user-dora").case
    assert (case.acted_by, case.acted_how) == ("user-dora", "phoned")
    assert scene.taken()[left].keys() == set(Step)
    with pytest.raises(NotAnswerable):
        act(scene, phoned)
    with pytest.raises(NotAnswerable):
        hand(scene, phoned)
    with pytest.raises(NotFound):
        hand(scene, left, "nobody")


def test_handing_it_over_is_no_act_and_reaches_the_receiver(scene: Scene) -> None:
    nia = add_staff(scene.store, CLINIC, "nia")
    case_id, who = scene.arrive(), {"clinic": CLINIC, "by": nia.id}
    scene.pass_time(timedelta(minutes=4))
    hand(scene, case_id)
    ((mention, row),) = scene.store.notes.for_me(**who)
    assert (mention.note.kind, row.case.id) == (NoteKind.HANDED_OVER, case_id)
    case, now = scene.store.cases.get(case_id, **who).case, scene.clock()
    whose = scene.store.colleagues.about(case_id, **who, now=now).beside.assignment
    assert whose is not None
    assert (whose.user_id, case.claimed_by, case.acted_at) == (nia.id, None, None)
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == dict.fromkeys(Step, 1), "no step is late because of it"
    hand(scene, case_id, nia.id)
    scene.pass_time(timedelta(minutes=6))
    assert scene.steps()[Step.AGAIN] == 2, "and they begin anew after the last"
    act(scene, case_id)
    scene.pass_time(HALF_HOUR)
    assert sum(scene.steps().values()) == 4


def test_who_phoned_may_say_so_while_a_colleague_has_the_case(scene: Scene) -> None:
    add_staff(scene.store, CLINIC, "nia")
    case_id, who = scene.arrive(), {"clinic": CLINIC, "by": "user-nia"}
    scene.store.cases.claim(case_id, **who, now=scene.clock())
    act(scene, case_id)
    case = scene.store.cases.get(case_id, **who).case
    assert (case.acted_by, case.claimed_by) == ("user-dora", "user-nia")
    (event,) = scene.store.audit.events(**who, action="urgent.acted")
    assert event.detail["held_by"] == "user-nia"


def test_sorting_it_again_takes_no_act_back(scene: Scene) -> None:
    case_id, who = scene.arrive(), {"clinic": CLINIC, "by": "user-dora"}
    act(scene, case_id)
    dora, desk = scene.store.people.user("user-dora", clinic=CLINIC), Desk(scene.store)

    def sort(urgency: Urgency) -> None:
        how = {"route": Route.URGENT_CLINICAL, "urgency": urgency, "why": NOTHING}
        desk.queue.reroute(dora, case_id, **how)

    sort(Urgency.TODAY)
    assert scene.store.cases.get(case_id, **who).case.acted_by == "user-dora"
    sort(Urgency.EMERGENCY)
    assert scene.store.cases.get(case_id, **who).case.acted_by is None, "it got worse"


def close(scene: Scene, case_id: str) -> None:
    file = scene.store.cases.get(case_id, clinic=CLINIC, by="user-dora")
    for part in file.case.requests:
        scene.store.cases.tick(case_id, part.id, clinic=CLINIC, by="user-dora")
    scene.store.cases.close(case_id, "phoned", NOTHING, clinic=CLINIC, by="user-dora")


@pytest.mark.parametrize("by", ["worker", "watch"])
def test_no_machine_can_stop_it(scene: Scene, by: str) -> None:
    case_id = scene.arrive()
    with pytest.raises(StoreRefused):
        scene.store.escalations.act(case_id, "phoned", clinic=CLINIC, by=by, seen=None)
    scene.pass_time(timedelta(minutes=6))
    assert scene.steps() == {Step.AGAIN: 1}


def test_out_of_hours_somebody_else_is_told(scene: Scene) -> None:
    # Noon of a Monday; the practice opens in the morning only, and on the next day not at all.
    hours = {"days": {"monday": "08:00-12:10", "tuesday": "08:00-18:00"}}
    scene.say(Setting.HOURS, {**hours, "holidays": ["2026-11-03"]})
    scene.arrive()
    scene.pass_time(HALF_HOUR)
    assert scene.doors["again-in"].steps() == {Step.AGAIN: 1}
    assert scene.doors["deputy-out"].steps() == {Step.DEPUTY: 1}
    assert scene.doors["on_call-out"].steps() == {Step.ON_CALL: 1}
    scene.turn(timedelta(hours=21))
    scene.arrive()
    scene.pass_time(timedelta(minutes=6))
    assert scene.doors["again-out"].steps() == {Step.AGAIN: 1}, "a holiday is out of hours"


def test_without_a_plan_everybody_is_told(store_url: str, keys: Keys) -> None:
    scene = Scene(store_url, keys, plan=EscalationPlan())
    scene.arrive()
    scene.pass_time(HALF_HOUR)
    assert {
        name: sum(door.steps().values()) for name, door in scene.doors.items()
    } == dict.fromkeys(scene.doors, 3)
    assert once_each(scene)
    scene.store.close()


def test_a_door_that_fails_hands_the_turn_to_every_other(scene: Scene) -> None:
    scene.doors["again-in"].broken = True
    scene.arrive()
    scene.pass_time(timedelta(minutes=6))
    assert scene.doors["on_call-in"].steps() == {Step.AGAIN: 1}
    for door in scene.doors.values():
        door.broken = True
    told = scene.steps()
    scene.pass_time(timedelta(minutes=10))
    assert scene.steps() == told
    scene.doors["deputy-in"].broken = False
    scene.pass_time(ROUND)
    assert scene.doors["deputy-in"].steps()[Step.DEPUTY] == 1, "told as soon as a door works"


def test_a_clock_set_back_before_the_first_look_hides_no_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_at_five_minutes() -> int:
        before = scene.steps()[Step.AGAIN]
        scene.pass_time(ROUND, ROUND)
        scene.arrive()
        scene.clock.forward(-timedelta(hours=1))
        scene.pass_time(LATE, LATE)
        scene.pass_time(timedelta(minutes=4, seconds=30), ROUND)
        return scene.steps()[Step.AGAIN] - before

    assert told_at_five_minutes() == 1
    # The oracle: only the clock is asked how long it has waited.
    monkeypatch.setattr(Escalator, "_hidden", lambda *_: 0.0)
    assert told_at_five_minutes() == 0


def disturb(scene: Scene, chance: random.Random) -> None:
    """Kill, restart, set the clock: whatever happens to a machine between two rounds."""
    what = chance.random()
    if what < 0.05:
        scene.restart(boot=chance.random() < 0.2)
    elif what < 0.10:
        # Somebody sets the clock back, a day at worst; never forward, which only makes it early.
        scene.clock.forward(-timedelta(minutes=chance.choice((1, 60, 24 * 60))))


def test_no_step_is_late_whatever_happens_to_the_machine(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    left = MESSAGES
    while left or scene.real() < max(scene.landed.values()) + HALF_HOUR:
        for _ in range(min(left, chance.choice((0, 1, 2, 3)))):
            scene.arrive()
            left -= 1
        disturb(scene, chance)
        scene.pass_time(chance.choice((ROUND, LATE)))
    record_property("tried", MESSAGES)
    assert len(scene.landed) == MESSAGES
    assert late(scene) == {}, f"seed {SEED}"
    assert once_each(scene)


def test_a_kill_between_telling_and_remembering_tells_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.arrive()
    scene.pass_time(ALMOST, ALMOST)

    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Escalations, "taken", killed)
        scene.pass_time(ROUND)
    assert scene.steps() == {Step.AGAIN: 1}
    scene.restart()
    scene.pass_time(ROUND)
    assert scene.steps() == {Step.AGAIN: 2}, "told twice rather than not at all"
    scene.pass_time(ROUND)
    assert scene.steps() == {Step.AGAIN: 2}
    assert [len(times) for steps in scene.taken().values() for times in steps.values()] == [1]


def test_another_urgent_message_begins_anew(scene: Scene) -> None:
    case_id = scene.arrive()
    act(scene, case_id)
    scene.pass_time(timedelta(minutes=10))
    close(scene, case_id)
    again = scene.arrive()
    scene.pass_time(timedelta(minutes=6))
    assert scene.taken().keys() == {again}


def test_sabotage_a_clock_that_is_compared_is_late(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: how long somebody waits is the present moment less that of landing."""

    def compared(work: Work, rows: Sequence[Row[Any]], _: Tick) -> list[Overdue]:
        waits = [(row, (work.now - row.since).total_seconds()) for row in rows]
        return [one for row, waited in waits for one in _due(row.id, row.case_id, waited, row.step)]

    scene.arrive()
    scene.pass_time(timedelta(minutes=4))
    scene.clock.forward(-timedelta(hours=1))
    with monkeypatch.context() as patch:
        patch.setattr("triage.store.escalations._go_on", compared)
        scene.pass_time(timedelta(minutes=4))
    assert late(scene)
    assert scene.steps() == {}


def test_sabotage_a_step_that_is_remembered_before_it_is_told_gets_lost(scene: Scene) -> None:
    scene.arrive()
    scene.pass_time(ALMOST, ALMOST)
    scene.turn(ROUND)
    due_now = scene.store.escalations.count(scene.tick(), clinic=CLINIC)
    assert [one.step for one in due_now] == [Step.AGAIN]
    scene.store.escalations.taken(due_now, ["again-in"], clinic=CLINIC, by="watch")
    scene.restart()
    scene.pass_time(timedelta(minutes=5))
    assert late(scene), "nobody was told, and the search says so"


def test_what_was_counted_is_never_taken_back(scene: Scene) -> None:
    case_id = scene.arrive()
    scene.pass_time(timedelta(minutes=6))
    table = tables.escalations
    nothing = update(table).where(table.c.case_id == case_id).values(waited=0.0)
    with (
        pytest.raises(StoreRefused, match="time only grows"),
        scene.store.transactions.write() as work,
    ):
        work.run(nothing)
    stale = [Overdue("nobody", case_id, Step.AGAIN)]
    scene.store.escalations.taken(stale, [], clinic=CLINIC, by="watch")
    assert len(scene.taken()[case_id][Step.AGAIN]) == 1


def test_routine_messages_alarm_nobody(scene: Scene) -> None:
    scene.arrive(urgency=Urgency.ROUTINE)
    scene.pass_time(HALF_HOUR)
    assert scene.steps() == {}
    assert PLAN.missing({"dora"}, scene.doors) == []
