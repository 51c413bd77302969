"""What a practice manager decides: hours, targets, and who is told of an urgent message nobody
acts on. No field here is about a patient.

Rule of the room: a setting is read strictly from the plain values it is stored as, and a wrong one
is a ValueError that names the field in words.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from triage.domain.hours import DAYS, OpeningHours, read_span
from triage.domain.words import Lane, Route, Urgency


class Setting(StrEnum):
    """What can be set in the app; each is stored with every version it ever had."""

    HOURS = "hours"
    TARGETS = "targets"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one setting: who made it, and when."""

    setting: Setting
    number: int
    value: Mapping[str, Any]
    by: str
    at: datetime


#: Minutes of opening time after which each route is due, until the practice says otherwise.
SHIPPED_TARGETS: Mapping[Route, int] = {
    Route.URGENT_CLINICAL: 30,
    Route.CLINICAL_QUESTION: 240,
    Route.RESULTS: 480,
    Route.REFILL: 480,
    Route.RESCHEDULE: 480,
    Route.REFERRAL: 960,
    Route.INSURANCE_AUTHORIZATION: 960,
    Route.GENERAL: 960,
    Route.RECORDS_FORMS: 1440,
    Route.BILLING_DISPUTE: 1440,
    Route.NOT_FOR_US: 1440,
}
#: What nobody could read or sort is looked at soon, whatever it is about; by the clock's minutes.
UNSORTED = 60
#: By then an urgent message is overdue: the second alert.
URGENT = timedelta(minutes=5)
#: Longest target there can be: ten days of eight hours.
LONGEST = 4800


@dataclass(frozen=True, slots=True)
class Targets:
    """Route -> minutes of opening time."""

    minutes: Mapping[Route, int] = field(default_factory=lambda: dict(SHIPPED_TARGETS))

    @property
    def plain(self) -> dict[str, Any]:
        """The values as they are stored."""
        return {route.value: self.minutes[route] for route in Route}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "Targets":
        """Read stored values; a route that is not named has the shipped target."""
        found = {route: plain.get(route.value, SHIPPED_TARGETS[route]) for route in Route}
        for route, minutes in found.items():
            if not isinstance(minutes, int) or not 5 <= minutes <= LONGEST:
                raise ValueError(f"{route.value}: between 5 minutes and {LONGEST // 60} hours")
        return cls(found)


#: What a person must look at first stands above what was sorted.
TIERS: Mapping[Lane, int] = {Lane.UNREADABLE: 2, Lane.UNSORTED: 1}


@dataclass(frozen=True, slots=True)
class Place:
    """What decides where an open case stands, besides its urgency."""

    route: Route
    home_lane: Lane
    urgency: Urgency
    opened_at: datetime
    #: How many times sooner than others it is due: the patient wrote again.
    haste: int = 1
    urgent_since: datetime | None = None

    def due_at(self, hours: OpeningHours, targets: Targets) -> datetime:
        """Return when somebody should have answered."""
        if self.urgency > Urgency.ROUTINE:
            return (self.urgent_since or self.opened_at) + URGENT
        minutes = targets.minutes[self.route]
        if self.home_lane in (Lane.UNREADABLE, Lane.UNSORTED):
            minutes = min(minutes, UNSORTED)
        return hours.after(self.opened_at, timedelta(minutes=minutes) / self.haste)

    @property
    def tier(self) -> int:
        """What a person must look at first stands above what was sorted: 2, 1 or 0."""
        return TIERS.get(self.home_lane, 0)


def hours_plain(hours: OpeningHours) -> dict[str, Any]:
    """Return opening hours as they are stored."""
    spans = {DAYS[day]: f"{a:%H:%M}-{b:%H:%M}" for day, (a, b) in sorted(hours.days.items())}
    return {"days": spans, "holidays": sorted(day.isoformat() for day in hours.holidays)}


def read_hours(plain: Mapping[str, Any], zone: tzinfo) -> OpeningHours:
    """Read stored opening hours; raise ValueError."""
    days = {}
    for day, span in dict(plain.get("days", {})).items():
        if day not in DAYS:
            raise ValueError("a day of the week is written monday")
        days[DAYS.index(day)] = read_span(str(span))
    try:
        holidays = frozenset(date.fromisoformat(str(one)) for one in plain.get("holidays", ()))
    except ValueError:
        raise ValueError("holidays are written 2026-12-25") from None
    return OpeningHours(days, zone, holidays)


class Step(StrEnum):
    """What happens while nobody acts on an urgent message; in this order."""

    AGAIN = "again"
    DEPUTY = "deputy"
    ON_CALL = "on_call"


#: Step -> how long after the message landed.
STEPS: Mapping[Step, timedelta] = {
    Step.AGAIN: timedelta(minutes=5),
    Step.DEPUTY: timedelta(minutes=15),
    Step.ON_CALL: timedelta(minutes=30),
}


@dataclass(frozen=True, slots=True)
class Called:
    """Who is told at one step, and by which alert doors of triage.toml."""

    #: User name of the person whose turn it is; a second alert may go to everybody.
    who: str = ""
    doors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EscalationPlan:
    """Who is told at which step, in hours and out of hours."""

    in_hours: Mapping[Step, Called] = field(default_factory=dict)
    out_of_hours: Mapping[Step, Called] = field(default_factory=dict)

    def called(self, step: Step, *, in_hours: bool) -> Called:
        """Return who is told; nobody where the plan does not say."""
        return (self.in_hours if in_hours else self.out_of_hours).get(step, Called())

    @property
    def plain(self) -> dict[str, Any]:
        """The values as they are stored."""
        return {
            name: {
                step.value: {"who": called.who, "doors": list(called.doors)}
                for step, called in sorted(part.items())
            }
            for name, part in (("in_hours", self.in_hours), ("out_of_hours", self.out_of_hours))
        }

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "EscalationPlan":
        """Read stored values; raise ValueError."""
        return cls(_called(plain.get("in_hours", {})), _called(plain.get("out_of_hours", {})))

    def missing(self, staff: Collection[str], doors: Collection[str]) -> Sequence[str]:
        """Return in words what keeps the plan from working; nothing where it is whole.

        `staff` are the user names of active people, `doors` the alert doors there are.
        """
        found = []
        for words, in_hours in (("in opening hours", True), ("out of hours", False)):
            for step in Step:
                called = self.called(step, in_hours=in_hours)
                after = f"after {STEPS[step].seconds // 60} minutes {words}"
                if not set(called.doors) & set(doors):
                    found.append(f"nobody is told {after}")
                elif step is not Step.AGAIN and called.who not in staff:
                    found.append(f"nobody is named {after}")
        return found


def _called(plain: Mapping[str, Any]) -> dict[Step, Called]:
    try:
        return {
            Step(step): Called(str(one.get("who", "")), tuple(map(str, one.get("doors", ()))))
            for step, one in plain.items()
        }
    except (AttributeError, ValueError):
        raise ValueError("a plan has the steps again, deputy and on_call") from None
