"""A clinic with urgent messages, alert doors that remember, and a watch that can be killed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.store.practice import NOON, Clock, add_staff, reading
from triage.domain import (
    STEPS,
    Called,
    Clinic,
    EscalationPlan,
    Lane,
    Notice,
    Protected,
    Route,
    Setting,
    Step,
    Urgency,
    new_id,
)
from triage.engine import Escalator, Limits, Watch, Watched
from triage.engine.escalating import FAULTS
from triage.errors import AlertFailed
from triage.store import Keys, Store, open_store
from triage.store.escalations import Tick

CLINIC = "c1"
#: A round of the watch.
ROUND = timedelta(seconds=10)
STEP_OF = {fault: step for step, fault in FAULTS.items()}
PLAN = EscalationPlan(
    {step: Called("dora", (f"{step.value}-in",)) for step in Step},
    {step: Called("dora", (f"{step.value}-out",)) for step in Step},
)


@dataclass
class Door:
    """An alert door that remembers who was told, by the time nobody can set."""

    name: str
    real: Callable[[], datetime]
    told: list[tuple[datetime, Notice]] = field(default_factory=list)
    broken: bool = False

    def tell(self, notice: Notice) -> None:
        if self.broken:
            raise AlertFailed(self.name)
        self.told.append((self.real(), notice))

    def steps(self) -> Counter[Step]:
        """Return for how many cases each step was told."""
        found: Counter[Step] = Counter()
        for _, notice in self.told:
            for alarm, _ in notice.alarms:
                if alarm.fault in STEP_OF:
                    found[STEP_OF[alarm.fault]] += int(alarm.part)
        return found


class Scene:
    """A clinic with a plan; `real` is the true time, `clock` what the machine believes."""

    def __init__(self, url: str, keys: Keys, *, plan: EscalationPlan = PLAN) -> None:
        self.url, self.keys = url, keys
        self.clock, self.real, self.boot = Clock(), Clock(), "boot-1"
        names = [f"{step.value}-{part}" for step in Step for part in ("in", "out")]
        self.doors = {name: Door(name, self.real) for name in names}
        self.store = self._open()
        self.store.people.add_clinic(Clinic(CLINIC, "Harbour", "UTC"))
        add_staff(self.store, CLINIC)
        self.say(Setting.ESCALATION, plan.plain)
        self.landed: dict[str, datetime] = {}
        self.watch = self._watch()

    def _open(self) -> Store:
        return open_store(self.url, self.keys, clock=self.clock)

    def _watch(self) -> Watch:
        store = self.store
        made = Watch(
            lambda: store,
            Watched(CLINIC, processes=()),
            list(self.doors.values()),
            limits=Limits(patience=60.0),
            urgent=Escalator(CLINIC, tick=self.tick, clock=self.clock),
            clock=self.clock,
            steady=lambda: self.clock.now.timestamp(),
        )
        made._store = store
        return made

    def tick(self) -> Tick:
        return Tick(self.boot, (self.real.now - NOON).total_seconds())

    def say(self, setting: Setting, value: dict[str, object]) -> None:
        before = self.store.practice.newest(setting, clinic=CLINIC)
        seen = before.number if before else 0
        self.store.practice.change(setting, value, seen=seen, clinic=CLINIC, by="user-dora")

    def arrive(self, *, urgency: Urgency = Urgency.EMERGENCY, **more: object) -> str:
        """File one message of somebody unknown; return its case's id."""
        route = Route.URGENT_CLINICAL if urgency else Route.GENERAL
        lane = Lane.URGENT if urgency else Lane.SORTED
        more = {"sender": more.pop("sender", None) or _stranger(), **more}
        given = reading(
            self.store, CLINIC, uid=new_id(), urgency=urgency, route=route, lane=lane,
            **more,  # type: ignore[arg-type]  # Options of `reading`, chosen by the test.
        )  # fmt: skip
        case_id = self.store.cases.file(given, clinic=CLINIC, by="worker")
        self.landed.setdefault(case_id, self.real.now)
        return case_id

    def pass_time(self, span: timedelta, every: timedelta = timedelta(minutes=1)) -> None:
        """Let time pass, with a look of the watch at urgent messages every so often."""
        for _ in range(max(1, int(span / every))):
            self.turn(min(span, every))
            # The rest of a round of the watch is about machines, and of other tests.
            self.watch._escalate()

    def turn(self, span: timedelta) -> None:
        self.clock.forward(span)
        self.real.forward(span)

    def restart(self, *, boot: bool = False) -> None:
        """Start a fresh watch, after a restart of the machine if `boot`."""
        if boot:
            self.boot = f"boot-{new_id()}"
        self.store.close()
        self.store = self._open()
        self.watch = self._watch()

    def steps(self) -> Counter[Step]:
        """Return for how many cases each step was told, by any door."""
        return sum((door.steps() for door in self.doors.values()), Counter())

    def taken(self) -> dict[str, dict[Step, list[datetime]]]:
        """Return case -> step -> when the audit says it was taken."""
        found: dict[str, dict[Step, list[datetime]]] = {}
        events = self.store.audit.events(clinic=CLINIC, by="test", action="urgent.told", limit=5000)
        for event in events:
            step = Step(event.detail["step"])
            found.setdefault(event.cases[0], {}).setdefault(step, []).append(event.at)
        return found


def due(landed: datetime, step: Step) -> datetime:
    return landed + STEPS[step]


def _stranger() -> Protected:
    return Protected(f"{new_id()}@strangers.example")
