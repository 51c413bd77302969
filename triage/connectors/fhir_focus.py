"""Remembers which messages a portal fails to hand over that its tasks route.

Rule of the room: a message that fails again and again holds up no other task; its own task is shown
in its place, and its words are asked for again, ever more rarely, for as long as the portal lists
the task.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from triage.errors import InboxUnreachable

Answer = TypeVar("Answer")
#: After so many looks in which a message failed, or had to wait, its task is handed over without.
_LOOKS = 3
#: Seconds of one look that may go into messages that fail: a portal that is down is let alone.
_ENOUGH = 60.0
#: A message that goes on failing is asked for again after this long at the latest.
_LONGEST_PAUSE = timedelta(hours=4)


@dataclass(slots=True)
class _Missing:
    """A message that did not come: in how many looks, after how many tries, and when to try."""

    due: datetime
    looks: int = 0
    failures: int = 0


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
        self._missing: dict[str, _Missing] = {}
        self._this_look: set[str] = set()
        #: Whether it failed before -> seconds of this look. Those that fail for hours must take no
        #: time from those that were never asked for, wherever they stand in the portal's list.
        self._spent = {True: 0.0, False: 0.0}

    def begin(self) -> None:
        """Begin another look."""
        self._this_look.clear()
        self._spent = {True: 0.0, False: 0.0}

    def due(self, address: str) -> bool:
        """Whether its task was handed over without it and it is worth another try."""
        return self._given_up(address) and self._missing[address].due <= self._clock()

    def ask(self, address: str, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer, or None where the task must do without.

        Raises InboxUnreachable until it failed, or had to wait, in three looks.
        """
        rests = self._given_up(address) and not self.due(address)
        again = address in self._missing and self._missing[address].failures > 0
        if rests or address in self._this_look or self._spent[again] > _ENOUGH:
            self._do_without(address, "not asked again in this look")
            return None
        began = self._steady()
        try:
            answer = question()
        except InboxUnreachable as trouble:
            self._spent[again] += self._steady() - began
            self._do_without(address, str(trouble.args[0]), failed=True)
            return None
        self._missing.pop(address, None)
        return answer

    def _given_up(self, address: str) -> bool:
        return address in self._missing and self._missing[address].looks >= _LOOKS

    def _do_without(self, address: str, why: str, *, failed: bool = False) -> None:
        now = self._clock()
        missing = self._missing.setdefault(address, _Missing(now))
        missing.looks += address not in self._this_look
        self._this_look.add(address)
        if failed:
            missing.failures += 1
            doubled = min(max(0, missing.failures - _LOOKS), 16)
            pause = min(self._again_after * 2**doubled, _LONGEST_PAUSE)
            missing.due = now + pause
        if not self._given_up(address):
            raise InboxUnreachable(why)
