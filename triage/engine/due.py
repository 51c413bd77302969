"""When something is due again, by a clock that somebody may set.

Rule of the room: set forward, it comes early once; set back, it comes at once; it never waits
longer than it was told to.
"""

from datetime import datetime, timedelta


class Due:
    """One thing that is due again and again; at first at once."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._pause = timedelta()

    def now(self, now: datetime) -> bool:
        """Whether it is due."""
        if self._since is None:
            return True
        return not timedelta() <= now - self._since < self._pause

    def again(self, now: datetime, pause: timedelta) -> None:
        """Let it be due when `pause` has passed."""
        self._since, self._pause = now, pause
