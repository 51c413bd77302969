"""Tells staff through the alert doors, and knows which of them fail.

Rule of the room: an alert that reached somebody counts as told, however late and whoever else was
not reached, so that nobody is flooded; one that reached nobody is told again.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

from triage.connectors import AlertDoor
from triage.domain import Notice
from triage.errors import AlertFailed, blame

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

#: Longest that handing one mail or alert over may take, in seconds.
DOOR = 30.0


class Bounded(Generic[Answer]):
    """Asks something that may hang; while it hangs, every further question has no answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: Where the answer to a question that took too long will come.
        self._owed: Queue[Answer | None] | None = None

    def ask(self, step: Callable[[], Answer]) -> Answer | None:
        """Return the answer, or None when it raised, took too long or still hangs."""
        if self._owed is not None and self._owed.empty():
            return None
        self._owed = None
        answers: Queue[Answer | None] = Queue(1)

        def run() -> None:
            try:
                answers.put(step())
            except Exception as trouble:
                log.error("the watch asked in vain: %(error)s", blame(trouble))
                answers.put(None)

        # A daemon: a question that never ends must not keep the process alive.
        Thread(target=run, daemon=True).start()
        try:
            return answers.get(timeout=self._seconds)
        except Empty:
            self._owed = answers
            log.error("the watch got no answer within %(seconds).0f s", {"seconds": self._seconds})
            return None

    @property
    def hangs(self) -> bool:
        """Whether the answer to a question that took too long is still to be fetched."""
        return self._owed is not None

    def late(self) -> Answer | None:
        """Return the answer that took too long, once; None while there is none, or it raised."""
        if self._owed is None or self._owed.empty():
            return None
        owed, self._owed = self._owed, None
        return owed.get_nowait()


@dataclass(slots=True)
class _Way:
    door: AlertDoor
    bounded: Bounded[bool]
    #: What this door was told when it took too long, and nobody was reached by another one.
    waits: Notice | None = None


class Telling:
    """The alert doors of one clinic."""

    def __init__(self, doors: Sequence[AlertDoor]) -> None:
        self._ways = [_Way(door, Bounded[bool](DOOR)) for door in doors]
        #: Doors that did not reach everybody in time when they were last used.
        self.failing: set[str] = set()
        #: What was told late, and through which door, until somebody asks for it.
        self._came: list[tuple[Notice, str]] = []

    def __bool__(self) -> bool:
        """Whether there is any door."""
        return bool(self._ways)

    @property
    def names(self) -> list[str]:
        """How the doors are called."""
        return [way.door.name for way in self._ways]

    def through(self, notice: Notice, names: Collection[str] | None = None) -> list[str]:
        """Tell through the doors of these names, or all; return those that reached somebody."""
        told = []
        for way in self._ways:
            if names is not None and way.door.name not in names:
                continue
            if way.waits is notice and self._fetch(way):
                told.append(way.door.name)
                continue
            self._fetch(way)
            hung = way.bounded.hangs
            whole = way.bounded.ask(partial(_tell, way.door, notice))
            if whole is not None:
                told.append(way.door.name)
            elif way.bounded.hangs and not hung:
                way.waits = notice
            (self.failing.discard if whole else self.failing.add)(way.door.name)
        if told:
            self._settle(notice)
        return told

    def late(self) -> list[tuple[Notice, str]]:
        """Return what reached somebody only after we had stopped waiting, and through which door.

        Such a door still counts as failing: it is too slow for an alert.
        """
        for way in self._ways:
            self._fetch(way)
        came, self._came = self._came, []
        return came

    def awaits(self, notice: Notice) -> bool:
        """Whether a door that takes long may still say that this reached somebody."""
        return any(way.waits is notice for way in self._ways)

    def _fetch(self, way: _Way) -> bool:
        """Take in what a door says late; return whether what it was told reached somebody."""
        waits, reached = way.waits, way.bounded.late() is not None
        if not way.bounded.hangs:
            way.waits = None
        if not reached or waits is None:
            return False
        self._came.append((waits, way.door.name))
        self._settle(waits)
        return True

    def _settle(self, notice: Notice) -> None:
        """Wait for no other door to say that this reached somebody: one is enough."""
        for way in self._ways:
            way.waits = None if way.waits is notice else way.waits


def _tell(door: AlertDoor, notice: Notice) -> bool:
    """Return whether everybody behind a door was reached; raise where nobody was."""
    try:
        door.tell(notice)
    except AlertFailed as trouble:
        if not trouble.reached:
            raise
        log.error("door %(door)s reached only some: %(error)s", blame(trouble, door=door.name))
        return False
    return True
