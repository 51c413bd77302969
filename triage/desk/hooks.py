"""Deliveries from outside, signed: landed like every message, before the sender hears yes.

Rule of the room: nobody is signed in here, so nothing is read, shown or changed.
"""

import logging
from contextlib import suppress

from triage.domain import Arrival, Channel
from triage.errors import NotAllowed, TriageError, blame
from triage.store import Store

log = logging.getLogger(__name__)

#: How a door's sign of life is called, and its note while the last delivery was refused.
DOOR, REFUSED = "hook:", "hook_refused"


class HookDesk:
    """The counter for what forms and voicemail services deliver."""

    def __init__(self, store: Store, clinic: str | None) -> None:
        self._store = store
        self._clinic = clinic

    def land(self, arrival: Arrival) -> bool:
        """Keep a delivery for good; return whether it was new. Raises NotAllowed.

        When this returns, the bytes are committed and synced. The same id with the same bytes is
        nothing new; with other bytes it is a second message.
        """
        if self._clinic is None or arrival.channel is not Channel.FORM:
            raise NotAllowed("hook")
        landed = bool(self._store.landing.land((arrival,), clinic=self._clinic, by="hook"))
        # It is kept, and its sender hears so, whatever becomes of the sign of life.
        with suppress(TriageError):
            self._store.beats.beat(f"{DOOR}{arrival.position.inbox}")
        return landed

    def refused(self, name: str) -> None:
        """Let staff see that a delivery was refused, until this door takes one again."""
        try:
            self._store.beats.trouble(f"{DOOR}{name}", REFUSED)
        except TriageError as trouble:
            log.error("a refusal cannot be shown: %(error)s", blame(trouble, inbox=name))
