"""Keeping every inbox landed: one thread each, so that a bad server delays nobody else."""

import logging
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from triage.connectors import Inbox, Quota
from triage.domain import MISSED_BEAT
from triage.engine.progress import Counted, Progress, Tell
from triage.engine.reconcile import look_beneath, reconcile
from triage.errors import (
    InboxLied,
    InboxMissedNews,
    InboxRefused,
    MailboxUnreachable,
    StoreRefused,
    TriageError,
    blame,
)
from triage.pipeline import land
from triage.store import Store

log = logging.getLogger(__name__)

#: Longest wait for news before the mailbox is looked at anyway, in seconds.
POLL = 60.0
#: First and longest pause after a failure, in seconds; doubled in between, with jitter.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Comparing with the server may take this part of the time: after one that took a second, cycles
#: of the next nine only land. A mailbox of ordinary size is compared in every cycle.
COMPARE_SHARE = 9.0


class InboxKeeper:
    """Lands one inbox for ever; failures are logged by type and tried again."""

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        *,
        clinic: str,
        landed: Callable[[], None] = lambda: None,
        poll: float = POLL,
        clock: Callable[[], float] = time.monotonic,
        tell: Tell | None = None,
    ) -> None:
        self._inbox = inbox
        self._progress = Progress(inbox.name, store, tell, stored=self._stored)
        self._store = store
        self._clinic = clinic
        self._landed = landed
        self._poll = poll
        self._clock = clock
        self._compare_at = -math.inf
        #: The name of the last error's type, empty while all is well.
        self.trouble = ""

    @property
    def name(self) -> str:
        """The inbox's name in triage.toml."""
        return self._inbox.name

    def _stored(self) -> int:
        return sum(self._store.landing.ledger_counts(self.name, clinic=self._clinic).values())

    def start(self, stop: Event) -> Thread:
        """Run in a thread of its own until `stop` is set."""
        thread = Thread(target=self.run, args=(stop,), name=f"inbox-{self.name}", daemon=True)
        thread.start()
        return thread

    def run(self, stop: Event) -> None:
        """Land, wait for news, land again; after a failure pause a little longer each time."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            if self.once():
                pause = FIRST_PAUSE
            else:
                stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311  # Jitter is no secret.
                pause = min(pause * 2, LONGEST_PAUSE)
        self._inbox.close()

    def once(self) -> bool:
        """Land everything new, compare with the server, wait for news; return whether it worked."""
        try:
            self.fetch()
            self.trouble = ""
            self._inbox.wait(self._poll)
        except Exception as trouble:
            self.trouble = type(trouble).__name__
            self._unchecked(trouble)
            log.error("inbox %(inbox)s failed: %(error)s", blame(trouble, inbox=self.name))
            self._inbox.close()
            return False
        return True

    def fetch(self) -> int:
        """Land everything new once, compare, and return how many landed; raises what fails."""
        landed = self._cycle()
        self._checked()
        return landed

    def _cycle(self) -> int:
        trouble: Exception | None = None
        landed = 0
        try:
            trouble = look_beneath(self._inbox, self._store, clinic=self._clinic)
            counted = Counted(self._inbox, self._progress)
            landed = len(land(counted, self._store, clinic=self._clinic))
        except (InboxLied, InboxRefused, MailboxUnreachable) as caught:
            # One mailbox is in trouble; the others are compared all the same.
            trouble = caught
        if self._clock() >= self._compare_at:
            began = self._clock()
            landed += reconcile(self._inbox, self._store, clinic=self._clinic)
            self._compare_at = self._clock() + COMPARE_SHARE * (self._clock() - began)
        if landed or trouble:
            self._landed()
        if trouble is not None:
            raise trouble
        return landed

    def _checked(self) -> None:
        """Say that a look was completed, an empty one too: no mail is normal, no look is not."""
        full = False
        if isinstance(self._inbox, Quota):
            # The look was complete, whatever the server makes of this question.
            with suppress(TriageError):
                full = self._inbox.full()
        self._store.beats.beat(f"inbox:{self.name}", notes=["inbox_full"] if full else [])

    def _unchecked(self, trouble: Exception) -> None:
        """Say why no look was completed, as far as the store lets us."""
        if isinstance(trouble, InboxMissedNews):
            # The next look, seconds from now, must not take it off the pages before it was read.
            with suppress(Exception):
                self._store.beats.beat(f"{MISSED_BEAT}{self.name}", notes=["news_missed"])
            return
        note = "inbox_refused" if isinstance(trouble, InboxRefused) else "inbox_failing"
        # Of what the store will not take staff hear at once, not when the inbox was silent long.
        note = "store_refused" if isinstance(trouble, StoreRefused) else note
        with suppress(Exception):
            self._store.beats.trouble(f"inbox:{self.name}", note)
