"""What the worker does beside the mail: slow, regular, and in a thread of its own.

Rule of the room: a chore holds up no message, stops no other chore, and says itself what is wrong.
"""

import logging
from collections.abc import Collection, Sequence
from threading import Event, Thread
from typing import Protocol

from triage.errors import blame

log = logging.getLogger(__name__)

#: How often each chore looks whether it is time, in seconds.
LOOK = 20.0


class Chore(Protocol):
    """Something that is due again and again."""

    def once(self) -> bool:
        """Do it if it is time to; return whether it was done."""
        ...

    def notes(self) -> Collection[str]:
        """Return what a person must know just now; asks nobody, so that it cannot hang."""
        ...


def start_chores(chores: Sequence[Chore], stop: Event) -> list[Thread]:
    """Start one thread per chore that goes on until `stop` is set."""
    threads = [
        Thread(target=_run, args=(chore, stop), name=type(chore).__name__, daemon=True)
        for chore in chores
    ]
    for thread in threads:
        thread.start()
    return threads


def _run(chore: Chore, stop: Event) -> None:
    while not stop.is_set():
        try:
            chore.once()
        except Exception as trouble:
            log.error("a chore failed: %(error)s", blame(trouble))
        stop.wait(LOOK)
