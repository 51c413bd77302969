"""How far the fetch of many messages is: for a terminal, and as a note on the inbox's heart-beat.

Rule of the room: numbers only. Whoever is told cannot slow the fetch down or stop it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping

from triage.connectors import Counting, Inbox
from triage.domain import Cursor, Delivery, fetching
from triage.errors import blame
from triage.store import Store

log = logging.getLogger(__name__)

#: Fewer messages than this are here before anybody could read how far they are.
MANY = 500
#: The note is renewed this often, in seconds.
EVERY = 2.0
#: Told of an inbox by name: how many are fetched, of how many.
Tell = Callable[[str, int, int], None]


class Counted:
    """Hands on what an inbox delivers, and says how far it is each time something is landed."""

    def __init__(self, inbox: Inbox, tell: Callable[[int, int], None]) -> None:
        self._inbox = inbox
        self._tell = tell
        self.name, self.channel = inbox.name, inbox.channel

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield what the inbox yields; asked for the next, the one before has been landed."""
        mailbox, done = "", 0
        for delivery in self._inbox.deliveries(cursors):
            if delivery.cursor.mailbox != mailbox:
                mailbox, done = delivery.cursor.mailbox, 0
            left = self._inbox.left() if isinstance(self._inbox, Counting) else 0
            yield delivery
            done += len(delivery.arrivals)
            self._tell(done, done + left)

    def wait(self, seconds: float) -> bool:
        """Wait as the inbox does."""
        return self._inbox.wait(seconds)

    def check(self) -> tuple[str, ...]:
        """Check the inbox."""
        return self._inbox.check()

    def close(self) -> None:
        """Close the inbox."""
        self._inbox.close()


class Progress:
    """What is said of one inbox while many of its messages are fetched."""

    def __init__(
        self,
        name: str,
        store: Store,
        tell: Tell | None = None,
        *,
        stored: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._store = store
        self._tell = tell
        #: How many messages of this inbox the store holds, and held when it was last said.
        self._stored, self._most = stored, -1
        self._clock = clock
        self._again = clock()

    def __call__(self, done: int, whole: int) -> None:
        """Say how far it is; a look at a few new messages is not worth a word."""
        if whole < MANY:
            return
        try:
            if self._tell is not None:
                self._tell(self._name, done, whole)
            if self._clock() >= self._again:
                self._again = self._clock() + EVERY
                self._beat(done, whole)
        except Exception as trouble:
            log.error("how far a fetch is cannot be said: %(error)s", blame(trouble))

    def _beat(self, done: int, whole: int) -> None:
        """Say that the fetch gets on, which is a sign of life.

        One that stands still is missed in time; so is one that fails each time at the same place
        and begins anew with what is stored already.
        """
        stored = self._stored()
        if stored > self._most:
            self._most = stored
            self._store.beats.beat(f"inbox:{self._name}", notes=[fetching(done, whole)])
