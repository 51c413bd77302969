"""After a time without a machine: what was done on paper is entered, case by case, by name.

Rule of the room: a case that was on paper stays on the list until somebody has said what was done
with it, also when that was nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from triage.desk.queue import OUTCOMES, QueueDesk
from triage.desk.rights import Right, require
from triage.desk.views import PaperView
from triage.domain import CaseState, PaperEntry, Protected, User
from triage.errors import NotAnswerable
from triage.store import Store

#: Nobody touched the case; or somebody did, and it stays open.
NOTHING_DONE, STILL_OPEN = "nothing", "still_open"
#: A clock on the wall may be ahead of the machine's by so much.
_AHEAD = timedelta(minutes=5)


class PaperDesk:
    """The counter for what was on paper."""

    def __init__(self, store: Store, clock: Callable[[], datetime], queue: QueueDesk) -> None:
        self._store = store
        self._clock = clock
        self._queue = queue

    def view(self, actor: User) -> PaperView:
        """Return every time on paper, newest first, and how old the list on the disk is."""
        require(actor, Right.SEE_QUEUE)
        people = self._store.people.users(clinic=actor.clinic)
        names: Mapping[str, str] = {one.id: one.display_name for one in people}
        return PaperView(
            zone=self.zone(actor),
            newest=self._store.paper.newest(clinic=actor.clinic),
            outages=self._store.paper.outages(clinic=actor.clinic, by=actor.id),
            names=names,
        )

    def zone(self, actor: User) -> ZoneInfo:
        """Return the practice's time zone."""
        return ZoneInfo(self._store.people.clinic(actor.clinic).timezone)

    def begin(self, actor: User) -> None:
        """Say that people worked from the newest list; raise NotFound when there is none."""
        require(actor, Right.WORK_CASE)
        self._store.paper.begin(clinic=actor.clinic, by=actor.id, now=self._clock())

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
    ) -> None:
        """Enter what was done with one case; a named outcome closes it as it does at the desk.

        Raises NotAnswerable for a time that has not come, OpenRequest, AlreadyClaimed and whatever
        else keeps a case from being closed; then nothing is entered.
        """
        require(actor, Right.WORK_CASE)
        if outcome not in (NOTHING_DONE, STILL_OPEN, *OUTCOMES):
            raise NotAnswerable(f"outcome {outcome}")
        if acted_at > self._clock() + _AHEAD:
            raise NotAnswerable("This time has not come yet.")
        entry = PaperEntry(case_id, acted_by, acted_at, outcome, actor.id, note)
        if outcome in OUTCOMES and self._open(actor, case_id):
            self._queue.close(actor, case_id, outcome=outcome, note=note)
        self._store.paper.enter(list_id, entry, clinic=actor.clinic)

    def _open(self, actor: User, case_id: str) -> bool:
        case = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id).case
        return case.state is CaseState.OPEN
