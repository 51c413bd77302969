"""What the sender does all day.

Rule of the room: in doubt nothing is sent again. Undo windows and silences are counted by a clock
that nobody can set, and a reply whose sender fell silent is in front of a person within a minute,
whoever that sender was.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
#: Replies on the wire at the same time, for each channel: no server holds up another one's.
LINES = 4
#: Replies of one channel that are handed to its lines and not done with, at most.
MOST_BEGUN = 50
#: An outbox that could not be made is tried again so often, in seconds.
REOPEN = 60.0
#: Whatever is on the wire for longer, in seconds, is told as an outbox that fails.
SLOW = 60.0


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
        shut: Mapping[Channel, Callable[[], Outbox]] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        #: Only this clinic's replies are sent; None sends everybody's (tests, one clinic).
        self._clinic = clinic
        self._notes = tuple(notes)
        self._store = store
        self._outboxes = dict(outboxes)
        self._master = master
        self._clock = clock
        self._steady = steady
        self._turns = Turns()
        self._lines = Lines(LONGEST_SEND)
        self._unsettled: set[str] = set()
        #: Channels whose outbox could not be made, and what makes it: what leaves by them waits.
        self._shut = dict(shut or {})
        self._open_due = steady() + REOPEN
        self._stop = Event()
        self._pools: dict[Channel, ThreadPoolExecutor] = {}
        #: Replies that were handed to a line, until it is done with them; none is begun twice.
        self._begun: dict[str, Turn] = {}
        self._under_way: set[Future[ReplyState | None]] = set()

    def run(self, stop: Event) -> None:
        """Put what an earlier sender left half-done in front of a person, then dispatch."""
        self._stop = stop
        self._begin(stop)
        # Apart, so that a server that is slow to answer does not make us look dead.
        holding = Thread(target=self._keep_holding, args=(stop,), name="wire", daemon=True)
        holding.start()
        while not stop.is_set():
            # A line that is slow holds up neither the next round nor our sign of life.
            self._round(to_the_end=False)
            stop.wait(DISPATCH)
        self._end()

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
        """Send everything due and wait until that is done; return how many were tried."""
        return self._round(to_the_end=True)

    def _round(self, *, to_the_end: bool) -> int:
        """Begin to send what is due; return how many replies that is."""
        try:
            self.hold()
            self._open_again()
            # Asked first: what is done with in between is looked at in the next round.
            busy = set(self._begun)
            queued = self._store.wire.queued(clinic=self._clinic, shut=list(self._shut))
            due = self._turns.due(queued, now=self._clock(), steady=self._steady())
            begun = self._begin_some([turn for turn in due if turn.reply_id not in busy])
            states = self._await(begun) if to_the_end else []
            waits = any(turn.tried for turn in queued if turn.reply_id not in begun)
            waits = waits or any(turn.tried for turn in list(self._begun.values()))
            waits = waits or self._lines.slow(steady=self._steady(), seconds=SLOW)
            waits = waits or bool(self._shut) or ReplyState.QUEUED in states
            failing = {"outbox_failing"} if waits else set()
            self._store.beats.beat("sender", notes=sorted({*self._notes, *failing}))
        except Exception as trouble:
            log.error("sender round failed: %(error)s", blame(trouble))
            return 0
        return len(begun)

    def _open_again(self) -> None:
        """Make the outboxes that could not be made: a keyring is unlocked, a file put back."""
        if self._steady() < self._open_due:
            return
        self._open_due = self._steady() + REOPEN
        for channel, make in list(self._shut.items()):
            try:
                self._outboxes[channel] = make()
            except Exception as trouble:
                # Whatever a keyring or a file raises: the next way out is tried all the same.
                log.error(
                    "the way out %(door)s is still shut: %(error)s",
                    blame(trouble, door=channel.value),
                )
            else:
                del self._shut[channel]

    def _begin_some(self, due: Sequence[Turn]) -> dict[str, Future[ReplyState | None]]:
        """Hand what is due to the lines of its channel, as far as there is room."""
        begun: dict[str, Future[ReplyState | None]] = {}
        taken = Counter(turn.channel for turn in list(self._begun.values()))
        for turn in due:
            taken[turn.channel] += 1
            if taken[turn.channel] > MOST_BEGUN:
                continue
            if turn.channel not in self._pools:
                self._pools[turn.channel] = ThreadPoolExecutor(LINES, f"out-{turn.channel}")
            # Before it may run: it takes itself out again.
            self._begun[turn.reply_id] = turn
            try:
                begun[turn.reply_id] = self._pools[turn.channel].submit(self._send, turn)
            except RuntimeError:
                self._begun.pop(turn.reply_id, None)
                raise
        self._under_way = {line for line in self._under_way if not line.done()}
        self._under_way.update(begun.values())
        return begun

    def _await(self, begun: Mapping[str, Future[ReplyState | None]]) -> list[ReplyState | None]:
        """Wait for these; where one ends us, no other begins, and none outlives us unseen."""
        try:
            return [line.result() for line in begun.values()]
        except BaseException:
            for reply_id, line in begun.items():
                if line.cancel():
                    self._begun.pop(reply_id, None)
            wait([line for line in begun.values() if not line.cancelled()])
            raise

    def _end(self) -> None:
        """Begin nothing more, and say that we live until what is on the wire is done with."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        # One that was cancelled before it began is done with, although nobody ever waits it out.
        while left := [line for line in self._under_way if not line.done()]:
            wait(left, timeout=HOLD)
            try:
                self.hold()
            except Exception as trouble:
                log.error("the wire cannot be held: %(error)s", blame(trouble))

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
                rest=self._stop.wait,
            )
        except Exception as trouble:
            log.error("reply %(reply)s failed: %(error)s", blame(trouble, reply=turn.reply_id))
            return None
        finally:
            self._lines.done(turn.reply_id)
            self._begun.pop(turn.reply_id, None)
