"""After a time without a machine: what was done on paper is entered, case by case, by name.

Rule of the room: a case that was on paper stays on the list until somebody has said what was done
with it, also when that was nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from triage.desk.outcomes import words_of
from triage.desk.queue import OUTCOMES, URGENT_OUTCOMES, QueueDesk
from triage.desk.rights import Right, require
from triage.desk.urgent import PHONED, UrgentDesk
from triage.desk.views import PaperView
from triage.domain import CaseState, PaperEntry, Protected, Told, User
from triage.errors import NotAnswerable
from triage.store import Store

#: Nobody touched the case; or somebody did, and it stays open, which ends no alarm.
NOTHING_DONE, STILL_OPEN = "nothing", "still_open"
#: Somebody called the patient of an urgent case, which stays open and alarms no more.
PHONED_OPEN = "phoned_open"
#: What may be said of a calm case, and of an urgent one.
ON_PAPER = (NOTHING_DONE, STILL_OPEN, *OUTCOMES)
URGENT_ON_PAPER = (NOTHING_DONE, STILL_OPEN, PHONED_OPEN, *URGENT_OUTCOMES)
#: A clock on the wall may be ahead of the machine's by so much.
_AHEAD = timedelta(minutes=5)


class PaperDesk:
    """The counter for what was on paper."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], queue: QueueDesk, urgent: UrgentDesk
    ) -> None:
        self._store = store
        self._urgent = urgent
        self._clock = clock
        self._queue = queue

    def view(self, actor: User) -> PaperView:
        """Return every time on paper, newest first, and how old the list on the disk is."""
        require(actor, Right.SEE_QUEUE)
        return PaperView(
            zone=self.zone(actor),
            newest=self._store.paper.newest(clinic=actor.clinic),
            outages=self._store.paper.outages(clinic=actor.clinic, by=actor.id),
            names=self.names(actor),
        )

    def names(self, actor: User) -> Mapping[str, str]:
        """Return the display names of the clinic's people by id."""
        people = self._store.people.users(clinic=actor.clinic)
        return {one.id: one.display_name for one in people}

    def zone(self, actor: User) -> ZoneInfo:
        """Return the practice's time zone."""
        return ZoneInfo(self._store.people.clinic(actor.clinic).timezone)

    def begin(self, actor: User) -> None:
        """Say that people worked from the newest list; raise NotFound when there is none."""
        require(actor, Right.WORK_CASE)
        self._store.paper.begin(clinic=actor.clinic, by=actor.id, now=self._clock())

    def nobody(self, actor: User, list_id: str) -> int:
        """Enter that nothing was done for every case of a list that lacks an entry."""
        require(actor, Right.WORK_CASE)
        who = {"clinic": actor.clinic, "by": actor.id}
        return self._store.paper.enter_rest(list_id, NOTHING_DONE, **who)

    def enter(
        self,
        actor: User,
        list_id: str,
        case_id: str,
        *,
        acted_by: str,
        acted_at: datetime,
        outcome: str,
        note: Protected,
        told: Told | None = None,
        all_done: bool = False,
    ) -> None:
        """Enter what was done with one case; a named outcome closes it as it does at the desk.

        `told` are the fields that go with the outcome, asked for as they are at the desk; when
        it was needs no field, it is `acted_at`. `all_done` says that this was all it asked for.
        Raises OutcomeIncomplete, NotAnswerable for a time that has not come, NotFound,
        AlreadyEntered, OpenRequest, AlreadyClaimed, ChangedUnderneath where a message has joined
        that stood on no list, and whatever else keeps a case from being closed; then nothing is
        entered, closed or ticked off, and the alarm goes on.
        """
        require(actor, Right.WORK_CASE)
        if outcome not in {*ON_PAPER, *URGENT_ON_PAPER}:
            raise NotAnswerable(f"outcome {outcome}")
        if acted_at > self._clock() + _AHEAD:
            raise NotAnswerable("This time has not come yet.")
        note = words_of(outcome, told, note)
        entry = PaperEntry(case_id, acted_by, acted_at, outcome, actor.id, note)
        # Before anything happens to the case: what can be refused is refused at once.
        self._store.paper.check(list_id, entry, clinic=actor.clinic)
        case = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id).case
        if outcome == PHONED_OPEN and not case.urgency:
            raise NotAnswerable(f"outcome {PHONED_OPEN}")
        # One transaction: of two who enter the same case one acts on it, and the other nothing.
        step = self._store.paper.entering(list_id, entry, clinic=actor.clinic)
        is_open = case.state is CaseState.OPEN
        if outcome == PHONED_OPEN and is_open and case.acted_at is None:
            self._urgent.act(actor, case_id, how=PHONED, within=step)
        elif outcome in OUTCOMES and is_open:
            said: Any = {"outcome": outcome, "note": note, "all_done": all_done}
            self._queue.close(actor, case_id, **said, within=step)
        else:
            self._store.paper.enter(list_id, entry, clinic=actor.clinic)

    def entered(self, actor: User, list_id: str, case_id: str) -> PaperEntry | None:
        """Return what a colleague entered first, for whom it kept from entering; None if nobody."""
        require(actor, Right.WORK_CASE)
        return self._store.paper.entry(list_id, case_id, clinic=actor.clinic, by=actor.id)
