"""Who has said nothing for too long, and whether the clock can be believed.

Rule of the room: a silence is counted in time that really passed. The moment in a heart-beat only
tells one beat from the next, so a clock that leaps or stands still hides no death and invents none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from triage.domain import Beat

#: A clock that is set by more than this between two looks leapt; fewer seconds are put right daily.
LEAP = timedelta(seconds=60)
#: How long it is said.
TOLD = timedelta(minutes=30)


class Silences:
    """When each heart-beat was last heard, by a clock nobody can set."""

    def __init__(self, *, now: datetime, steady: float) -> None:
        self._began = steady
        self._heard: dict[str, tuple[datetime, float]] = {}
        self._listened = False
        self._wall, self._steady = now, steady
        self._leapt_until = steady

    def hear(self, beats: Mapping[str, Beat], *, steady: float) -> None:
        """Take note of every beat that is another than before."""
        for name, beat in beats.items():
            if name not in self._heard or self._heard[name][0] != beat.at:
                # At the first look nobody knows how old a beat is: it counts from our beginning.
                self._heard[name] = (beat.at, steady if self._listened else self._began)
        self._listened = True

    def of(self, name: str, *, steady: float) -> timedelta:
        """Return how long it has been silent, at most since we began to listen."""
        _, at = self._heard.get(name, (None, self._began))
        return timedelta(seconds=steady - at)

    def leapt(self, now: datetime, *, steady: float) -> bool:
        """Whether the clock went another way than time did, now or in the last half hour."""
        drift = (now - self._wall) - timedelta(seconds=steady - self._steady)
        if abs(drift) > LEAP:
            self._leapt_until = steady + TOLD.total_seconds()
        if abs(drift) > LEAP or now != self._wall:
            # What is small is let go by; while the clock stands still it adds up until it is seen.
            self._wall, self._steady = now, steady
        return steady < self._leapt_until
