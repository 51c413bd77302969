"""How long the path waits for a model, and what it remembers of those that fail.

Rule of the room: a model that hangs is waited for once; nothing here knows what a model does.
"""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Longest a model may think about one batch before the path goes on without it, in seconds.
LONGEST = 60.0


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

    @property
    def exhausted(self) -> bool:
        """Whether an abandoned step is still running."""
        return self._stuck is not None and self._stuck.is_alive()

    def run(
        self, step: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
    ) -> list[Result] | None:
        """Return the step's results, or None when it raised or took too long."""
        if self.exhausted:
            return None
        answer: Queue[list[Result] | None] = Queue(1)
        # A daemon thread, because a step that never returns must not keep the process alive.
        thread = Thread(target=_answer, args=(step, items, answer), daemon=True)
        thread.start()
        try:
            return answer.get(timeout=self._seconds)
        except Empty:
            self._stuck = thread
            log.error("a model did not answer within %.0f s", self._seconds)
            return None


def _answer(
    step: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    answer: "Queue[list[Result] | None]",
) -> None:
    try:
        answer.put(step(items))
    except Exception as trouble:
        log.error("a model step failed: %s", type(trouble).__name__)
        answer.put(None)
