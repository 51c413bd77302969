"""Remembers which messages a portal fails to hand over that its tasks route.

Rule of the room: a message that fails again and again holds up no other task; its own task is shown
in its place, and its words are asked for again for as long as the portal lists the task.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from triage.errors import InboxUnreachable

Answer = TypeVar("Answer")
#: After so many looks in which a message failed, its task is handed over without it.
_LOOKS = 3
#: Seconds of one look that may go into messages that fail: a portal that is down is let alone.
_ENOUGH = 60.0


class Focuses:
    """The messages behind one portal's tasks, as far as they failed."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        again_after: timedelta,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._steady, self._again_after = clock, steady, again_after
        #: Address -> looks in which it failed, and from when on it is asked for once more.
        self._failed: dict[str, tuple[int, datetime]] = {}
        self._this_look: set[str] = set()
        self._spent = 0.0

    def begin(self) -> None:
        """Begin another look."""
        self._this_look.clear()
        self._spent = 0.0

    def due(self, address: str) -> bool:
        """Whether its task was handed over without it and it is worth another try."""
        return self._given_up(address) and self._failed[address][1] <= self._clock()

    def ask(self, address: str, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer, or None where the task must do without.

        Raises InboxUnreachable while it failed in fewer than three looks.
        """
        rests = self._given_up(address) and not self.due(address)
        if rests or address in self._this_look or self._spent > _ENOUGH:
            self._do_without(address, "not asked again in this look")
            return None
        began = self._steady()
        try:
            answer = question()
        except InboxUnreachable as trouble:
            self._spent += self._steady() - began
            self._this_look.add(address)
            looks = self._failed.get(address, (0, self._clock()))[0] + 1
            self._failed[address] = looks, self._clock() + self._again_after
            self._do_without(address, str(trouble.args[0]))
            return None
        self._failed.pop(address, None)
        return answer

    def _given_up(self, address: str) -> bool:
        return address in self._failed and self._failed[address][0] >= _LOOKS

    def _do_without(self, address: str, why: str) -> None:
        if not self._given_up(address):
            raise InboxUnreachable(why)
