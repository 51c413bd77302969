"""When a reply's turn has come, and which reply's sender is dead, by a clock nobody can set.

Rule of the room: the wall clock is read once for each reply; from then on only time that really
passed counts. So an hour gained or lost neither shortens an undo window nor lengthens it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from threading import Lock

from triage.store.wire import Held, Turn

#: A sender says so often that it is still sending, in seconds;
HOLD = 5.0
#: and who has not said so for this long is dead: its reply is in front of a person in a minute.
DEAD = 40.0


class Turns:
    """What waits for its undo window, or for the next try, to pass."""

    def __init__(self) -> None:
        #: (reply, not before) -> at which steady second its turn comes.
        self._turns: dict[tuple[str, datetime], float] = {}

    def due(self, queued: Sequence[Turn], *, now: datetime, steady: float) -> list[Turn]:
        """Return those whose turn has come, in the given order."""
        known = {(turn.reply_id, turn.not_before): turn for turn in queued}
        kept = {key: at for key, at in self._turns.items() if key in known}
        for key, turn in known.items():
            if key not in kept:
                # Set back, the clock makes the wait look longer than it was ever meant to be.
                wait = min(max(turn.not_before - now, timedelta()), max(turn.pause, timedelta()))
                kept[key] = steady + wait.total_seconds()
        self._turns = kept
        return [turn for key, turn in known.items() if kept[key] <= steady]


class Lines:
    """What this sender has on the wire, and what others have."""

    def __init__(self, longest: float) -> None:
        #: After so many seconds a line of our own is given up: nobody says any more that it lives.
        self._longest = longest
        self._mine: dict[str, float] = {}
        self._others: dict[tuple[str, datetime], float] = {}
        self._lock = Lock()

    def took(self, reply_id: str, *, steady: float) -> None:
        """Remember that we are about to send it."""
        with self._lock:
            self._mine[reply_id] = steady

    def done(self, reply_id: str) -> None:
        """Forget it: whatever became of it is written down, or nobody will."""
        with self._lock:
            self._mine.pop(reply_id, None)

    def mine(self, *, steady: float) -> Collection[str]:
        """Return what we are sending and have not given up."""
        with self._lock:
            return {one for one, since in self._mine.items() if steady - since < self._longest}

    def slow(self, *, steady: float, seconds: float) -> bool:
        """Whether something has been on a line of ours for longer than this."""
        with self._lock:
            return any(steady - since > seconds for since in self._mine.values())

    def abandoned(self, held: Sequence[Held], *, steady: float) -> list[Held]:
        """Return the replies whose sender has said nothing for too long."""
        mine = self.mine(steady=steady)
        with self._lock:
            keys = {(one.reply_id, one.said_at): one for one in held if one.reply_id not in mine}
            self._others = {key: self._others.get(key, steady) for key in keys}
            return [one for key, one in keys.items() if steady - self._others[key] >= DEAD]
