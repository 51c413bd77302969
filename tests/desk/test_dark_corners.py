"""Safety-bar 31: whatever people do, every open case is in exactly one lane somebody can open.

Random days of sorting, claiming, handing over, putting off, approving, leaving and coming back.
After each step the lanes are read as a secretary reads them, page by page, and must hold every
open case once.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.sizes import many
from tests.store.practice import Clock, add_staff, ana, reading
from triage.desk import Desk
from triage.domain import (
    Assigned,
    CaseState,
    Lane,
    Protected,
    ReplyState,
    Role,
    Route,
    Urgency,
    User,
    new_id,
)
from triage.errors import TriageError
from triage.store import Keys, Store, open_store, tables

pytestmark = pytest.mark.bar(31)
SEED = 31
STEPS = many(60, long=10_000)
WHY = Protected("because")


@dataclass
class Day:
    """A practice in which chance decides what people do next."""

    store: Store
    desk: Desk
    clinic: str
    clock: Clock
    chance: random.Random
    boss: User
    staff: list[User]
    teams: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    #: What is still to come of this round, so that every kind of step has its turns.
    ahead: list[str] = field(default_factory=list)

    def steps(self) -> dict[str, Callable[[], object]]:
        return {name: getattr(self, name) for name in dir(type(self)) if name.startswith("do_")}

    def one(self) -> User:
        return self.chance.choice(self.staff)

    def case(self) -> str:
        return self.chance.choice(self.cases[-12:])

    def do_message(self) -> None:
        urgent = self.chance.random() < 0.2
        lane = self.chance.choice([Lane.SORTED, Lane.UNSORTED, Lane.UNREADABLE])
        who = self.chance.choice(["ana1@patients.example", "ana2@patients.example", "x@y.example"])
        rank = {"urgency": Urgency.TODAY, "lane": Lane.URGENT} if urgent else {"lane": lane}
        made = reading(
            self.store,
            self.clinic,
            uid=new_id(),
            route=self.chance.choice(list(Route)),
            sender=Protected(who),
            **rank,  # type: ignore[arg-type]  # As named.
        )
        self.cases.append(self.store.cases.file(made, clinic=self.clinic, by="worker"))

    def do_claim(self) -> None:
        self.desk.queue.claim(self.one(), self.case())

    def do_take_over(self) -> None:
        self.desk.queue.take_over(self.boss, self.case(), reason=WHY)

    def do_release(self) -> None:
        self.desk.queue.release(self.one(), self.case())

    def do_sort(self) -> None:
        soon = self.chance.choice(list(Urgency))
        route = self.chance.choice(list(Route))
        self.desk.queue.reroute(self.one(), self.case(), route=route, urgency=soon, why=WHY)

    def do_hand(self) -> None:
        whom = [f"user:{one.id}" for one in self.staff] + [f"team:{one}" for one in self.teams]
        self.desk.together.assign(self.one(), self.case(), to=self.chance.choice(whom), reason=WHY)

    def do_team(self) -> None:
        members = [one.id for one in self.staff if self.chance.random() < 0.4]
        known = self.chance.choice([None, *self.teams])
        name = f"Team {self.chance.randrange(6)}"
        team = self.desk.teams.put_team(self.boss, called=name, members=members, team_id=known)
        self.teams = sorted({*self.teams, team.id})

    def do_put_off(self) -> None:
        until = self.clock() + timedelta(hours=self.chance.randrange(1, 300))
        self.desk.together.snooze(self.one(), self.case(), until=until)

    def do_wait_for_answer(self) -> None:
        self.desk.together.remind(self.one(), self.case(), days=self.chance.randrange(1, 9))

    def do_answer(self) -> None:
        from tests.store.practice import signing_key

        person, case_id = self.staff[0], self.case()
        words = {"subject": Protected("s"), "body": Protected("b")}
        saved = self.desk.replies.save(person, case_id, **words)
        proof = signing_key(person.id).prove(saved.id, saved.outgoing.digest)
        digest = saved.outgoing.digest
        self.desk.replies.approve(person, case_id, digest=digest, proof=proof)

    def do_send(self) -> None:
        for clinic, reply_id in self.store.replies.due(self.clock(), limit=9):
            if self.store.replies.claim(reply_id, clinic=clinic, by="sender") is not None:
                state = self.chance.choice(
                    [ReplyState.SENT, ReplyState.UNCERTAIN, ReplyState.FAILED]
                )
                self.store.replies.settle(reply_id, state, clinic=clinic, by="sender")

    def do_leave(self) -> None:
        person = self.chance.choice(self.staff[1:])
        active = self.chance.random() < 0.5
        self.store.people.set_active(person.id, active, clinic=self.clinic, by="test")

    def do_time(self) -> None:
        self.clock.forward(timedelta(hours=self.chance.choice([1, 9, 70])))

    def do_close(self) -> None:
        case_id, person = self.case(), self.one()
        for part in self.store.cases.get(case_id, clinic=self.clinic, by="t").case.requests:
            self.desk.queue.tick(person, case_id, part.id)
        self.desk.queue.close(person, case_id, outcome="phoned", note=WHY)

    def step(self) -> None:
        if not self.ahead:
            self.ahead = sorted(self.steps())
            self.chance.shuffle(self.ahead)
        name = self.ahead.pop()
        do = self.steps()[name]
        try:
            do()
        except TriageError:
            return
        self.done[name] = self.done.get(name, 0) + 1


def invisible(day: Day) -> list[str]:
    """Return what is wrong with the lanes, as somebody on shift sees them."""
    view = day.desk.queue.view(day.boss, limit=10_000)
    cases = tables.cases
    with day.store.transactions.read() as work:
        mine = (cases.c.clinic == day.clinic, cases.c.state == CaseState.OPEN.value)
        there = {row.id for row in work.rows(select(cases.c.id).where(*mine))}
    seen = [row.case.id for row in view.rows]
    lanes = {lane: {row.case.id for row in view.rows if row.case.lane is lane} for lane in Lane}
    wrong = []
    if sorted(seen) != sorted(there):
        wrong.append("a case is in no lane, or in two")
    if sum(view.counts.values()) != len(there):
        wrong.append("the counts are not the cases")
    if any(view.counts[lane] != len(ids) for lane, ids in lanes.items()):
        wrong.append("a lane counts what it does not show")
    if any(row.case.urgency and row.case.lane is Lane.SNOOZED for row in view.rows):
        wrong.append("an urgent case sleeps")
    now, active = day.clock(), {u.id for u in day.store.people.users(clinic=day.clinic) if u.active}
    for row in view.rows:
        sleep, whose = row.beside.snooze, row.beside.assignment
        if row.case.lane is Lane.SNOOZED and (sleep is None or sleep.until <= now):
            wrong.append("a case sleeps without an end, or past it")
        if whose is not None and whose.user_id not in {None, *active}:
            wrong.append("a case is somebody's who left")
    return wrong


@pytest.fixture
def day(store_url: str, keys: Keys) -> Iterator[Day]:
    clock = Clock()
    store = open_store(store_url, keys, clock=clock)
    from triage.domain import Clinic

    store.people.add_clinic(Clinic("clinic-a", "Harbour Family Practice", "UTC"))
    store.people.import_roster(
        [ana("clinic-a"), ana("clinic-a", number=2)], clinic="clinic-a", by="t"
    )
    staff = [add_staff(store, "clinic-a", name) for name in ("dora", "milo", "nia")]
    boss = replace(add_staff(store, "clinic-a", "sam"), roles=frozenset({Role.SUPERVISOR}))
    desk = Desk(store, clock=clock, undo=timedelta(0), mail_domain="clinic.example")
    found = Day(store, desk, "clinic-a", clock, random.Random(SEED), boss, staff)
    for _ in range(4):
        found.do_message()
    found.do_team()
    yield found
    store.close()


def test_nothing_is_ever_invisible(day: Day, record_property: Callable[[str, int], None]) -> None:
    for number in range(STEPS):
        day.step()
        if number % many(6, long=7) == 0:
            assert invisible(day) == [], f"seed {SEED}, step {number}"
    assert invisible(day) == []
    # Each kind of step was taken, or nothing was proven of it.
    missing = day.steps().keys() - day.done.keys()
    assert len(missing) <= many(4, long=0), missing
    view = day.desk.teams.put_view(day.boss, called="Given to nobody", assigned=Assigned.NOBODY)
    shown = day.desk.queue.view(day.boss, saved=view.id, limit=10_000)
    assert len(shown.rows) == shown.in_views[view.id]
    record_property("tried", STEPS)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", ["never woken", "kept by who left", "counts asleep as done"])
def test_a_dark_corner_is_found(day: Day, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Sabotage: each of these hides a case, and the look finds it."""
    case_id = day.cases[0]
    soon = {"route": Route.GENERAL, "urgency": Urgency.ROUTINE, "why": WHY}
    day.desk.queue.reroute(day.boss, case_id, **soon)  # type: ignore[arg-type]  # As named.
    assert invisible(day) == []
    if fault == "kept by who left":
        monkeypatch.setattr("triage.store.people.take_from", lambda *_, **__: None)
        person = day.staff[1]
        day.desk.together.assign(day.boss, case_id, to=f"user:{person.id}", reason=WHY)
        day.store.people.set_active(person.id, False, clinic=day.clinic, by="test")
    else:
        day.desk.together.snooze(day.boss, case_id, until=day.clock() + timedelta(hours=1))
    if fault == "never woken":
        monkeypatch.setattr(type(day.store.snoozes), "round", lambda *_, **__: 0)
        day.clock.forward(timedelta(hours=2))
    if fault == "counts asleep as done":
        real = type(day.store.cases).counts
        monkeypatch.setattr(
            type(day.store.cases),
            "counts",
            lambda self, **who: real(self, **who) | {Lane.SNOOZED: 0},
        )
    assert invisible(day) != []
