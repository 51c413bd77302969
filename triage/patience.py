"""How long the path waits for a model or for the store, and what it remembers of what fails.

Rule of the room: a model that hangs is waited for once; what is known of a reply that left is
offered to the store until it is kept. Nothing here knows what a model does.
"""

import logging
import time
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

from triage.domain import Pace
from triage.errors import StoreLocked, StoreRefused, blame

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Longest a model may think about one batch before the path goes on without it, in seconds: with
#: the beat of the worker and the page's own asking, a hang stands on every screen within ten.
LONGEST = 4.0
#: For every so many characters a model is given one second more; it takes a tenth of that.
CHARACTERS_A_SECOND = 40_000

#: Seconds between two tries to keep what became of a reply, five minutes in all: a database server
#: that is started again, or a disk that is made free, is back by then.
PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0, 20.0, *(30.0,) * 9)


def insist(step: Callable[[], None], *, rest: Callable[[float], object] = time.sleep) -> None:
    """Do a step of the store, again and again while it is locked or refuses; then raise.

    `rest` waits between two tries; where it says yes somebody wants us to stop, and it is enough.
    """
    for pause in PAUSES:
        try:
            return step()
        except (StoreLocked, StoreRefused) as trouble:
            log.warning("a step of the store is tried again: %(error)s", blame(trouble))
            if rest(pause):
                break
    return step()


class Health:
    """What failed on a whole batch the last time it was asked, for the banner."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    def note(self, what: str, failed: Sequence[bool]) -> None:
        """Remember `what` as failing when every item failed, as well again when one did not."""
        if failed and all(failed):
            self.failing.add(what)
        elif failed:
            self.failing.discard(what)


class Patience:
    """Runs a model's step and stops waiting for it, so that a hanging model delays nobody twice.

    After a step outlasts `seconds`, its thread is abandoned and every later step is answered at
    once with None until that thread comes back.
    """

    def __init__(self, seconds: float = LONGEST) -> None:
        self._seconds = seconds
        self._stuck: Thread | None = None
        #: How often it was asked, and for how long in all; a hang counts with its patience.
        self.pace = Pace()

    @property
    def exhausted(self) -> bool:
        """Whether an abandoned step is still running."""
        return self._stuck is not None and self._stuck.is_alive()

    def attempt(
        self,
        items: Sequence[Item],
        step: Callable[[Sequence[Item]], list[Result]],
        instead: Callable[[Sequence[Item]], list[Result]],
        length: Callable[[Item], int] = lambda _: 0,
    ) -> list[Result]:
        """Run `step` on all items, else on each alone; whatever still fails gets `instead`."""
        results = self.run(step, items, characters=sum(map(length, items)))
        if results is not None and len(results) == len(items):
            return results
        if len(items) == 1 or self.exhausted:
            return instead(items)
        return [self.attempt([item], step, instead, length)[0] for item in items]

    def run(
        self,
        step: Callable[[Sequence[Item]], list[Result]],
        items: Sequence[Item],
        *,
        characters: int = 0,
    ) -> list[Result] | None:
        """Return the step's results, or None when it raised or took too long."""
        if self.exhausted:
            return None
        answer: Queue[list[Result] | None] = Queue(1)
        # A daemon thread, because a step that never returns must not keep the process alive.
        thread = Thread(target=_answer, args=(step, items, answer), daemon=True)
        seconds = self._seconds + characters / CHARACTERS_A_SECOND
        began = time.monotonic()
        try:
            thread.start()
            return answer.get(timeout=seconds)
        except Empty:
            self._stuck = thread
            log.error("a model did not answer within %(seconds).0f s", {"seconds": seconds})
        except (RuntimeError, MemoryError) as trouble:
            # A machine short of memory may refuse to begin the thread at all.
            log.error("a model step did not begin: %(error)s", blame(trouble))
        finally:
            spent = self.pace.seconds + time.monotonic() - began
            self.pace = Pace(self.pace.steps + 1, spent)
        return None


def _answer(
    step: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    answer: "Queue[list[Result] | None]",
) -> None:
    try:
        answer.put(step(items))
    except BaseException as trouble:
        # Also what is no Exception, such as a panic in Rust: without an answer here it would
        # pass for a hang, and every message would be waited for.
        log.error("a model step failed: %(error)s", blame(trouble))
        answer.put(None)
