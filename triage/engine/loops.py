"""What the worker and the sender do all day."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event

from triage.connectors import Outbox
from triage.domain import Channel
from triage.engine.inboxes import InboxKeeper
from triage.engine.jobs import Jobs
from triage.pipeline import recover, send
from triage.store import Store

log = logging.getLogger(__name__)

#: How often landed messages are looked for even when nobody rang, in seconds.
SWEEP = 2.0
#: How often due replies are looked for, in seconds.
DISPATCH = 0.5


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
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._keepers = keepers
        #: Rung by a keeper when something landed.
        self._bell = bell
        self._notes = tuple(notes)

    def run(self, stop: Event) -> None:
        """Work until `stop` is set."""
        self._jobs.launch()
        threads = [keeper.start(stop) for keeper in self._keepers]
        while not stop.is_set():
            self.once()
            self._bell.wait(SWEEP)
            self._bell.clear()
        for thread in threads:
            thread.join(5.0)
        self._jobs.stop()

    def once(self) -> None:
        """File what waits and give a sign of life."""
        try:
            self._jobs.drain()
            failing = any(keeper.trouble for keeper in self._keepers)
            notes = (*self._notes, *(("inbox_failing",) if failing else ()))
            self._store.beats.beat("worker", notes=notes)
        except Exception as trouble:
            log.error("worker round failed: %s", type(trouble).__name__)


class Sender:
    """Sends approved replies once their undo window has passed; alone holds outgoing secrets."""

    def __init__(
        self,
        store: Store,
        outboxes: Mapping[Channel, Outbox],
        *,
        master: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._outboxes = outboxes
        self._master = master
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Put what an earlier sender left half-done in front of a person, then dispatch."""
        self.recover()
        while not stop.is_set():
            self.once()
            stop.wait(DISPATCH)

    def recover(self) -> int:
        """Mark replies an earlier sender left on the wire as uncertain; return how many."""
        stuck = self._store.replies.stuck(before=self._clock())
        for clinic, reply_id in stuck:
            recover(self._store, clinic=clinic, by="sender", reply_ids=[reply_id])
        return len(stuck)

    def once(self) -> int:
        """Send everything due; return how many were tried."""
        try:
            due = self._store.replies.due(self._clock(), limit=50)
            for clinic, reply_id in due:
                send(
                    reply_id,
                    self._store,
                    self._outboxes,
                    clinic=clinic,
                    by="sender",
                    master=self._master,
                )
            self._store.beats.beat("sender")
        except Exception as trouble:
            log.error("sender round failed: %s", type(trouble).__name__)
            return 0
        return len(due)
