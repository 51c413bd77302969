"""Tells people of urgent messages nobody has acted on: again, then the deputy, then who is on call.

Rule of the room: nothing of a message is known here, only how many wait and how long. A step is
remembered after somebody was told: a kill in between tells twice, and never not at all.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from triage.domain import Alarm, EscalationPlan, Fault, Notice, OpeningHours, Step
from triage.errors import blame
from triage.store import Store
from triage.store.escalations import Overdue, Tick

log = logging.getLogger(__name__)

#: Step -> what staff are told.
FAULTS: Mapping[Step, Fault] = {
    Step.AGAIN: Fault.URGENT_AGAIN,
    Step.DEPUTY: Fault.URGENT_DEPUTY,
    Step.ON_CALL: Fault.URGENT_ON_CALL,
}
#: Seconds a wall clock loses at least when somebody sets it back; less is its own drift.
SET_BACK = 1.0
#: Tells through doors of these names, or through all; returns those that took it.
Tell = Callable[[Notice, Collection[str] | None], Sequence[str]]
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def machine_tick() -> Tick:
    """Return what the machine itself counts; it goes on while a machine sleeps, where it can."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Tick(boot or "unknown", time.clock_gettime(clock))


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found: steps to take, and whom the plan names for them."""

    overdue: Sequence[Overdue] = ()
    plan: EscalationPlan = field(default_factory=EscalationPlan)
    hours: OpeningHours = field(default_factory=OpeningHours)
    #: User names of everybody who works here by now.
    staff: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One step that was told: for which cases, what was said, and the doors that took it."""

    due: Sequence[Overdue]
    notice: Notice
    doors: Sequence[str]


class Escalator:
    """Takes the steps of one clinic's plan when they are due."""

    def __init__(
        self,
        clinic: str,
        *,
        tick: Callable[[], Tick] = machine_tick,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clinic = clinic
        self._tick = tick
        self._clock = clock
        #: When the last look was, by the wall clock and by the machine's own count.
        self._last: tuple[datetime, Tick] | None = None

    def look(self, store: Store) -> Found:
        """Count the time that passed and return what is due; may hang where the store does."""
        now, tick = self._clock(), self._tick()
        least = self._hidden(now, tick)
        overdue = store.escalations.count(tick, clinic=self._clinic, least=least)
        self._last = (now, tick)
        if not overdue:
            return Found()
        staff = store.practice.staff(clinic=self._clinic)
        return Found(overdue, self._plan(store), self._hours(store), staff)

    def _hidden(self, now: datetime, tick: Tick) -> float:
        """Return for how many seconds, at most, what is new has waited where the clock hides it.

        A clock that was set back since the last look says that it has only just come, or not yet.
        """
        if self._last is None or self._last[1].boot != tick.boot:
            return 0.0
        passed = tick.seconds - self._last[1].seconds
        shown = (now - self._last[0]).total_seconds()
        return passed if passed - shown > SET_BACK else 0.0

    def tell(self, found: Found, tell: Tell) -> Sequence[Told]:
        """Tell everybody whose turn it is; return each step, also where no door took it.

        Where nobody of the plan can be told everybody is: an alert too many harms less.
        """
        now, told = self._clock(), list[Told]()
        in_hours = found.hours.open_at(now)
        for step in Step:
            due = [one for one in found.overdue if one.step is step]
            if not due:
                continue
            notice = Notice(self._clinic, now, ((Alarm(FAULTS[step], str(len(due))), True),))
            called = found.plan.called(step, in_hours=in_hours)
            # The first step tells a room; behind the doors of the others stands whoever is named.
            here = step is Step.AGAIN or called.who in found.staff
            doors = tell(notice, called.doors) if called.doors and here else ()
            doors = doors or tell(notice, None)
            facts = {"step": step.value, "doors": len(doors)}
            log.warning("urgent step %(step)s told to %(doors)d", facts)
            told.append(Told(due, notice, doors))
        return told

    def planned(self, store: Store, doors: Collection[str]) -> bool:
        """Whether somebody is named and can be told at every step, in hours and out of hours."""
        staff = store.practice.staff(clinic=self._clinic)
        return not self._plan(store).missing(staff, doors)

    def remember(self, store: Store, told: Sequence[Told], *, by: str) -> int:
        """Keep that these steps were taken; return how many."""
        for one in told:
            store.escalations.taken(one.due, one.doors, clinic=self._clinic, by=by)
        return len(told)

    def _plan(self, store: Store) -> EscalationPlan:
        """Return the plan; one that cannot be read names nobody, so that everybody is told."""
        try:
            return store.practice.plan(clinic=self._clinic)
        except ValueError as trouble:
            log.error("the setting %(part)s is wrong: %(error)s", blame(trouble, part="escalation"))
            return EscalationPlan()

    def _hours(self, store: Store) -> OpeningHours:
        try:
            return store.practice.hours(clinic=self._clinic)
        except ValueError as trouble:
            log.error("the setting %(part)s is wrong: %(error)s", blame(trouble, part="hours"))
            return OpeningHours()
