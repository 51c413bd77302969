"""Runs a job and stops waiting for it, so that one hanging recogniser holds up nobody.

Rule of the room: a job that is late has failed; its thread is left behind and a new one takes over.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

from triage.errors import RedactionFailed

Result = TypeVar("Result")
#: Abandoned threads after which every job fails until one of them comes back.
MOST_ABANDONED = 4


class Deadline:
    """One worker thread, replaced when a job outlasts its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._worker: _Worker | None = None
        self._abandoned: list[_Worker] = []

    def run(self, job: Callable[[], Result]) -> Result:
        """Return what `job` returns; raise what it raises, or TimeoutError when it is late."""
        with self._lock:
            self._abandoned = [worker for worker in self._abandoned if worker.busy]
            if len(self._abandoned) >= MOST_ABANDONED:
                raise RedactionFailed("recognisers hang")
            worker = self._worker or _Worker()
            self._worker = worker
            task: _Task[Result] = _Task(job)
            worker.tasks.put(task)
            try:
                ok, result = task.answer.get(timeout=self._seconds)
            except Empty:
                self._abandoned.append(worker)
                # The thread ends by itself when its job ever does.
                worker.tasks.put(None)
                self._worker = None
                raise TimeoutError from None
        if ok:
            return result  # type: ignore[no-any-return]  # A queue forgets what it carries.
        raise result


class _Task(Generic[Result]):
    def __init__(self, job: Callable[[], Result]) -> None:
        self.job = job
        self.answer: SimpleQueue[tuple[bool, Any]] = SimpleQueue()


class _Worker:
    def __init__(self) -> None:
        self.tasks: SimpleQueue[_Task[Any] | None] = SimpleQueue()
        # A daemon, because a job that never returns must not keep the process alive.
        self._thread = Thread(target=self._work, name="redaction", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (task := self.tasks.get()) is not None:
            try:
                task.answer.put((True, task.job()))
            except BaseException as trouble:
                task.answer.put((False, trouble))
