"""What the worker does all day."""

import logging
from collections.abc import Callable, Sequence
from threading import Event

from triage import parsing
from triage.engine.anchoring import Anchoring
from triage.engine.chores import Chore, start_chores
from triage.engine.inboxes import InboxKeeper
from triage.engine.jobs import Jobs
from triage.errors import blame
from triage.pipeline import Rooms
from triage.store import Store

log = logging.getLogger(__name__)

#: How often landed messages are looked for even when nobody rang, in seconds.
SWEEP = 2.0


class Worker:
    """Lands every inbox and files what landed."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        keepers: Sequence[InboxKeeper],
        bell: Event,
        *,
        notes: Sequence[str] = (),
        refresh: Callable[[], tuple[Rooms, Sequence[str]] | None] = lambda: None,
        anchoring: Anchoring | None = None,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._keepers = keepers
        #: Rung by a keeper when something landed.
        self._bell = bell
        self._notes = tuple(notes)
        #: Returns new rooms, and notes on what they lack, once another model serves or a text
        #: was signed.
        self._refresh = refresh
        #: Writes the head of the audit outside the database.
        self._anchoring = anchoring
        #: What takes long and must hold up no message.
        self._chores = tuple(chores)

    def run(self, stop: Event) -> None:
        """Work until `stop` is set."""
        self._jobs.launch()
        self._jobs.say_serving()
        threads = [keeper.start(stop) for keeper in self._keepers]
        threads += start_chores(self._chores, stop)
        while not stop.is_set():
            self.once()
            self._bell.wait(SWEEP)
            self._bell.clear()
        for thread in threads:
            thread.join(5.0)
        self._jobs.stop()

    def once(self) -> None:
        """File what waits and give a sign of life, also after every batch of a long round."""
        try:
            if fresh := self._refresh():
                self._jobs.rooms, self._notes = fresh[0], tuple(fresh[1])
                self._jobs.say_serving()
        except Exception as trouble:
            # The rooms that serve go on; no trouble with new ones may hold up a message.
            log.error("new rooms cannot be made: %(error)s", blame(trouble))
        try:
            # Also the desk does this; a case that was put off comes back while nobody looks.
            self._store.snoozes.round(by="worker")
        except Exception as trouble:
            log.error("cases cannot be woken: %(error)s", blame(trouble))
        try:
            self._jobs.drain(lambda _: self._beat())
        except Exception as trouble:
            log.error("worker round failed: %(error)s", blame(trouble))
        else:
            self._beat()

    def _beat(self) -> None:
        """Say what does not work just now; a beat that fails stops no message."""
        notes = {*self._notes, *self._jobs.rooms.health.failing}
        notes |= {"no_parser"} if parsing.failing() else set()
        notes |= {"inbox_failing" for keeper in self._keepers if keeper.trouble}
        notes |= {note for chore in self._chores for note in chore.notes()}
        if self._anchoring is not None:
            self._anchoring.once()
            notes |= {"anchor_failing"} if self._anchoring.trouble else set()
        try:
            rooms = self._jobs.rooms
            paces = {
                "redactor": rooms.redactor_patience.pace,
                "classifier": rooms.classifier_patience.pace,
            }
            self._store.beats.beat("worker", notes=sorted(notes), paces=paces)
        except Exception as trouble:
            log.error("worker beat failed: %(error)s", blame(trouble))
