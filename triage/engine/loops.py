"""What the worker and the sender do all day."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

from triage.connectors import Outbox
from triage.domain import Channel, ReplyState
from triage.engine.anchoring import Anchoring
from triage.engine.chores import Chore, start_chores
from triage.engine.inboxes import InboxKeeper
from triage.engine.jobs import Jobs
from triage.errors import blame
from triage.pipeline import Rooms, recover, send
from triage.store import Store

log = logging.getLogger(__name__)

#: How often landed messages are looked for even when nobody rang, in seconds.
SWEEP = 2.0
#: How often due replies are looked for, in seconds.
DISPATCH = 0.5
#: No send takes longer; a reply on the wire since before that was left by a dead sender.
LONGEST_SEND = timedelta(minutes=15)
#: Replies on the wire at the same time.
LINES = 4


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


class Sender:
    """Sends approved replies once their undo window has passed; alone holds outgoing secrets."""

    def __init__(
        self,
        store: Store,
        outboxes: Mapping[Channel, Outbox],
        *,
        master: bytes,
        clinic: str | None = None,
        notes: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        #: Only this clinic's replies are sent; None sends everybody's (tests, one clinic).
        self._clinic = clinic
        self._notes = tuple(notes)
        self._store = store
        self._outboxes = outboxes
        self._master = master
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Put what an earlier sender left half-done in front of a person, then dispatch."""
        self.recover(self._clock())
        while not stop.is_set():
            self.once()
            stop.wait(DISPATCH)

    def recover(self, before: datetime) -> int:
        """Mark replies on the wire since before `before` as uncertain; return how many."""
        stuck = self._store.replies.stuck(before=before, clinic=self._clinic)
        for clinic, reply_id in stuck:
            recover(self._store, clinic=clinic, by="sender", reply_ids=[reply_id])
        return len(stuck)

    def once(self) -> int:
        """Send everything due; return how many were tried."""
        try:
            self.recover(self._clock() - LONGEST_SEND)
            due = self._store.replies.due(self._clock(), limit=50, clinic=self._clinic)
            # A few at a time, so that a server that never answers holds up few others.
            with ThreadPoolExecutor(LINES) as pool:
                states = list(pool.map(self._send, due))
            failing = {"outbox_failing"} if ReplyState.QUEUED in states else set()
            self._store.beats.beat("sender", notes=sorted({*self._notes, *failing}))
        except Exception as trouble:
            log.error("sender round failed: %(error)s", blame(trouble))
            return 0
        return len(due)

    def _send(self, due: tuple[str, str]) -> ReplyState | None:
        """Send one reply; whatever goes wrong with it stops no other."""
        clinic, reply_id = due
        try:
            return send(
                reply_id,
                self._store,
                self._outboxes,
                clinic=clinic,
                by="sender",
                master=self._master,
            )
        except Exception as trouble:
            log.error("reply %(reply)s failed: %(error)s", blame(trouble, reply=reply_id))
            return None
