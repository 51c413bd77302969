"""Urgent messages: how many wait for somebody to act, and the act itself, by name.

Rule of the room: opening is no act. Whoever acts says how; only a person of the clinic can.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from triage.desk.rights import Right, may, require
from triage.domain import Protected, Step, User
from triage.errors import NotAllowed, NotAnswerable
from triage.store import Store
from triage.store.escalations import UrgentNow
from triage.store.transaction import Within

#: What can be said of an urgent message that stays in the queue; closing it is an act, too.
PHONED, EMERGENCY_SERVICES, HANDED_OVER = "phoned", "sent_to_emergency_services", "handed_over"
ACTS = (PHONED, EMERGENCY_SERVICES, HANDED_OVER)
#: What the colleague reads under "For me".
YOURS = Protected(
    "This urgent message was handed over to you. Call the patient, then say on its page what was "
    "done: the alarms go on until somebody does."
)


@dataclass(frozen=True, slots=True)
class UrgentCase:
    """What an urgent case shows of its closed loop."""

    #: The steps that were taken while nobody acted, and when the last of them was.
    steps: tuple[Step, ...] = ()
    stepped_at: datetime | None = None
    #: To whom it can be handed over.
    people: tuple[User, ...] = ()


class UrgentDesk:
    """The counter of the closed loop."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def now(self, actor: User) -> tuple[UrgentNow, datetime]:
        """Return how many wait and since when, and the present moment; about nobody."""
        require(actor, Right.SEE_QUEUE)
        return self._store.escalations.now(clinic=actor.clinic), self._clock()

    def of_case(self, actor: User, case_id: str) -> UrgentCase:
        """Return who was told of one case while nobody acted, and who could take it."""
        require(actor, Right.SEE_QUEUE)
        number, at = self._store.escalations.steps(case_id, clinic=actor.clinic)
        people = self._store.people.users(clinic=actor.clinic)
        can = tuple(one for one in people if may(one, Right.WORK_CASE) and one.id != actor.id)
        return UrgentCase(tuple(Step)[:number], at, can)

    def act(
        self,
        actor: User,
        case_id: str,
        *,
        how: str,
        to: str = "",
        seen: str | None = None,
        within: Within | None = None,
    ) -> None:
        """Say what was done; `to` is who it is handed to, and until they act the alarms go on.

        `within` is kept together with an act that ends them, or not at all. Raises NotAllowed where
        that person may not work on cases, NotAnswerable for anything that is no act, and
        ChangedUnderneath when another message has joined.
        """
        require(actor, Right.WORK_CASE)
        if how not in ACTS or (how == HANDED_OVER) != bool(to):
            raise NotAnswerable(f"act {how}" if how in ACTS else "act")
        who = {"clinic": actor.clinic, "by": actor.id}
        if to:
            person = self._store.people.user(to, clinic=actor.clinic)
            if not may(person, Right.WORK_CASE) or person.id == actor.id:
                raise NotAllowed(Right.WORK_CASE.value)
            self._store.escalations.hand_over(case_id, YOURS, to=to, **who, seen=seen)
        else:
            self._store.escalations.act(case_id, how, **who, seen=seen, within=within)
