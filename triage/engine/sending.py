"""What the sender does all day.

Rule of the room: in doubt nothing is sent again. Undo windows and silences are counted by a clock
that nobody can set, and a reply whose sender fell silent is in front of a person within a minute,
whoever that sender was.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Thread

from triage.connectors import Outbox
from triage.domain import Channel, ReplyState
from triage.engine.turns import HOLD, Lines, Turns
from triage.errors import blame
from triage.pipeline import recover, send
from triage.store import Store
from triage.store.wire import Turn

log = logging.getLogger(__name__)

#: How often due replies are looked for, in seconds.
DISPATCH = 0.5
#: No send takes longer, in seconds; then it is given up as if its sender had died.
LONGEST_SEND = 15 * 60.0
#: Replies on the wire at the same time.
LINES = 4


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
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        #: Only this clinic's replies are sent; None sends everybody's (tests, one clinic).
        self._clinic = clinic
        self._notes = tuple(notes)
        self._store = store
        self._outboxes = outboxes
        self._master = master
        self._clock = clock
        self._steady = steady
        self._turns = Turns()
        self._lines = Lines(LONGEST_SEND)
        self._unsettled: set[str] = set()

    def run(self, stop: Event) -> None:
        """Put what an earlier sender left half-done in front of a person, then dispatch."""
        self._begin(stop)
        # Apart, so that a server that is slow to answer does not make us look dead.
        holding = Thread(target=self._keep_holding, args=(stop,), name="wire", daemon=True)
        holding.start()
        while not stop.is_set():
            self.once()
            stop.wait(DISPATCH)

    def recover(self, before: datetime) -> int:
        """Mark replies on the wire since before `before` as uncertain; return how many."""
        stuck = self._store.replies.stuck(before=before, clinic=self._clinic)
        return sum([self._doubt(clinic, reply_id) for clinic, reply_id in stuck])

    def hold(self) -> int:
        """Say that we live; mark as uncertain what a dead sender left, and return how many."""
        mine = self._lines.mine(steady=self._steady())
        if mine:
            self._store.wire.hold(mine)
        held = self._store.wire.held(clinic=self._clinic)
        left = self._lines.abandoned(held, steady=self._steady())
        return sum([self._doubt(one.clinic, one.reply_id) for one in left])

    def _doubt(self, clinic: str, reply_id: str) -> bool:
        """Mark one reply as uncertain; one that cannot be settled holds up no other."""
        try:
            recover(self._store, clinic=clinic, by="sender", reply_ids=[reply_id])
        except Exception as trouble:
            # Looked at again twice a second, and said once.
            if reply_id not in self._unsettled:
                facts = blame(trouble, reply=reply_id)
                log.error("reply %(reply)s cannot be settled: %(error)s", facts)
            self._unsettled.add(reply_id)
            return False
        self._unsettled.discard(reply_id)
        return True

    def once(self) -> int:
        """Send everything due; return how many were tried."""
        try:
            self.hold()
            queued = self._store.wire.queued(clinic=self._clinic)
            due = self._turns.due(queued, now=self._clock(), steady=self._steady())[:50]
            # A few at a time, so that a server that never answers holds up few others.
            with ThreadPoolExecutor(LINES) as pool:
                states = list(pool.map(self._send, due))
            waits = any(turn.tried for turn in queued if turn not in due)
            failing = {"outbox_failing"} if waits or ReplyState.QUEUED in states else set()
            self._store.beats.beat("sender", notes=sorted({*self._notes, *failing}))
        except Exception as trouble:
            log.error("sender round failed: %(error)s", blame(trouble))
            return 0
        return len(due)

    def _begin(self, stop: Event) -> None:
        """Look at once for what an earlier sender left, and again while the store refuses."""
        while not stop.is_set():
            try:
                # A row written by a clock that ran ahead was left like any other.
                self.recover(datetime.max.replace(tzinfo=UTC))
                return
            except Exception as trouble:
                log.error("nothing is sent yet: %(error)s", blame(trouble))
                stop.wait(HOLD)

    def _keep_holding(self, stop: Event) -> None:
        while not stop.wait(HOLD):
            try:
                self.hold()
            except Exception as trouble:
                log.error("the wire cannot be held: %(error)s", blame(trouble))

    def _send(self, turn: Turn) -> ReplyState | None:
        """Send one reply; whatever goes wrong with it stops no other."""
        self._lines.took(turn.reply_id, steady=self._steady())
        try:
            return send(
                turn.reply_id,
                self._store,
                self._outboxes,
                clinic=turn.clinic,
                by="sender",
                master=self._master,
                waited=turn.not_before,
            )
        except Exception as trouble:
            log.error("reply %(reply)s failed: %(error)s", blame(trouble, reply=turn.reply_id))
            return None
        finally:
            self._lines.done(turn.reply_id)
