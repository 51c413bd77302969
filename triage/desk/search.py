"""Searching: what a person asks is kept for minutes in memory, under an id that says nothing.

Rule of the room: words that are looked for are patient text: they are in no address, no log, no
cookie, no row and no file. A page names them by the id alone, so that reloading and going back
work; the id is its person's own and is forgotten with the process.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.desk.health import banners
from triage.desk.rights import Right, require
from triage.desk.views import SearchView
from triage.domain import CaseRow, User, Wanted, new_id
from triage.errors import NotFound
from triage.store import Store

#: As long as an idle session lasts.
KEPT_FOR = timedelta(minutes=15)
#: Beyond that the oldest is forgotten.
MOST_KEPT = 1000


@dataclass(slots=True)
class _Kept:
    """What one person asked, and when they last looked at the answer."""

    who: tuple[str, str]
    wanted: Wanted
    at: datetime


class SearchDesk:
    """The counter for questions about all cases."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], clinical: Mapping[str, str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._clinical = clinical
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def keep(self, actor: User, wanted: Wanted) -> str:
        """Remember what is looked for; return the id under which this person finds it again."""
        require(actor, Right.SEE_QUEUE)
        search_id, now = new_id(), self._clock()
        with self._lock:
            self._forget(now)
            self._kept[search_id] = _Kept((actor.clinic, actor.id), wanted, now)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return search_id

    def of_patient(self, actor: User, case_id: str) -> str:
        """Remember that all cases of a case's patient are looked for; as `keep`.

        Raises NotFound where nobody has said yet who it is.
        """
        require(actor, Right.SEE_QUEUE)
        file = self._store.cases.get(case_id, clinic=actor.clinic, by=actor.id)
        if file.patient is None:
            raise NotFound("patient")
        return self.keep(actor, Wanted(patient=file.patient.id))

    def chained(self, actor: User, cases: Sequence[str]) -> Mapping[str, CaseRow]:
        """Return a line of each of these cases, which a page shows beside one; audited."""
        require(actor, Right.SEE_QUEUE)
        if not cases:
            return {}
        return self._store.search.lines(cases, clinic=actor.clinic, by=actor.id)

    def find(
        self, actor: User, search_id: str, *, before: int | None = None, limit: int = 50
    ) -> SearchView:
        """Return one page of what fits; audited as one row listing the cases. Raises NotFound."""
        require(actor, Right.SEE_QUEUE)
        wanted = self._wanted(actor, search_id)
        hits = self._store.search.find(
            wanted, clinic=actor.clinic, by=actor.id, before=before, limit=limit
        )
        return SearchView(wanted, hits, banners(self._store, actor, self._clock(), self._clinical))

    def _wanted(self, actor: User, search_id: str) -> Wanted:
        now = self._clock()
        with self._lock:
            self._forget(now)
            kept = self._kept.get(search_id)
            if kept is None or kept.who != (actor.clinic, actor.id):
                raise NotFound("This search was forgotten after 15 minutes. Type it again.")
            kept.at = now
            self._kept.move_to_end(search_id)
            return kept.wanted

    def _forget(self, now: datetime) -> None:
        """Drop what nobody looked at for too long; the oldest look comes first."""
        while self._kept:
            search_id, kept = next(iter(self._kept.items()))
            if kept.at + KEPT_FOR > now:
                return
            del self._kept[search_id]
