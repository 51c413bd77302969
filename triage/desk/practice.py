"""Settings of the practice: hours, targets, who is told of urgent messages.

Rule of the room: every change is a version of its own, by name; what was shown when somebody
decided is compared with what counts, so that nobody overwrites a colleague unseen.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from triage.desk.rights import Right, require
from triage.domain import (
    EscalationPlan,
    OpeningHours,
    Setting,
    Targets,
    User,
    Version,
    read_hours,
)
from triage.errors import BadPractice
from triage.store import Store


@dataclass(frozen=True, slots=True)
class PracticeView:
    """Everything the page of settings shows."""

    hours: OpeningHours
    targets: Targets
    plan: EscalationPlan
    #: Why nobody is told out of hours, as triage.toml says; nothing where it does not.
    nobody: str
    #: Why the plan does not work, in words; nothing where it does.
    missing: tuple[str, ...]
    staff: tuple[User, ...]
    #: The alert doors of triage.toml, by name.
    doors: tuple[str, ...]
    #: Setting -> its newest versions, newest first.
    history: Mapping[Setting, Sequence[Version]]

    def version(self, setting: Setting) -> int:
        """The number of the version that counts; 0 before there is one."""
        return next((one.number for one in self.history[setting]), 0)


class PracticeDesk:
    """The counter of the practice manager."""

    def __init__(self, store: Store, doors: Collection[str] | None) -> None:
        self._store = store
        self._doors = doors

    def view(self, actor: User) -> PracticeView:
        """Return every setting as it counts now, and who made it so."""
        require(actor, Right.SET_PRACTICE)
        practice, clinic = self._store.practice, actor.clinic
        plan = practice.plan(clinic=clinic)
        said = practice.newest(Setting.ESCALATION, clinic=clinic)
        return PracticeView(
            hours=practice.hours(clinic=clinic),
            targets=practice.targets(clinic=clinic),
            plan=plan,
            nobody=str(said.value.get("nobody", "")) if said else "",
            missing=tuple(plan.missing(practice.staff(clinic=clinic), self._doors or ())),
            staff=tuple(one for one in self._store.people.users(clinic=clinic) if one.active),
            doors=tuple(sorted(self._doors or ())),
            history={one: practice.history(one, clinic=clinic) for one in Setting},
        )

    def set_hours(self, actor: User, plain: Mapping[str, Any], *, version: int) -> None:
        """Say when the practice is open; every case is placed anew. Raises BadPractice."""
        require(actor, Right.SET_PRACTICE)
        zone = ZoneInfo("UTC")
        self._change(actor, Setting.HOURS, lambda: read_hours(plain, zone), plain, version)
        self._store.due.again(clinic=actor.clinic, by=actor.id)

    def set_targets(self, actor: User, plain: Mapping[str, Any], *, version: int) -> None:
        """Say after how many minutes each route is due; every case is placed anew."""
        require(actor, Right.SET_PRACTICE)
        self._change(actor, Setting.TARGETS, lambda: Targets.read(plain), plain, version)
        self._store.due.again(clinic=actor.clinic, by=actor.id)

    def set_plan(self, actor: User, plain: Mapping[str, Any], *, version: int) -> None:
        """Say who is told at which step while nobody acts; raise BadPractice where it cannot work.

        A plan that names nobody at some step is refused: the one before stays.
        """
        require(actor, Right.SET_PRACTICE)
        try:
            plan = EscalationPlan.read(plain)
        except ValueError as trouble:
            raise BadPractice(str(trouble)) from None
        staff = self._store.practice.staff(clinic=actor.clinic)
        wanting = plan.missing(staff, self._doors or ())
        if wanting:
            raise BadPractice("; ".join(wanting))
        self._change(actor, Setting.ESCALATION, lambda: plan, plan.plain, version)

    def _change(
        self, actor: User, setting: Setting, read: Any, plain: Mapping[str, Any], version: int
    ) -> None:
        try:
            read()
        except ValueError as trouble:
            raise BadPractice(str(trouble)) from None
        self._store.practice.change(setting, plain, seen=version, clinic=actor.clinic, by=actor.id)
