"""How long something waited while the clinic was open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
#: Nothing is counted further back: by then everything is too old.
_FARTHEST = 60


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Day of the week (0 is Monday) -> from when to when; empty: always open."""

    days: Mapping[int, tuple[time, time]] = field(default_factory=dict)
    zone: tzinfo = UTC

    def between(self, since: datetime, now: datetime) -> timedelta:
        """Return how much of the time from `since` to `now` the clinic was open."""
        if not self.days or now - since > timedelta(days=_FARTHEST):
            return max(now - since, timedelta())
        total = timedelta()
        day = since.astimezone(self.zone).date()
        while day <= now.astimezone(self.zone).date():
            if span := self.days.get(day.weekday()):
                begin, end = (datetime.combine(day, at, self.zone).astimezone(UTC) for at in span)
                total += max(min(end, now) - max(begin, since), timedelta())
            day += timedelta(days=1)
        return total


def read_span(text: str) -> tuple[time, time]:
    """Read `08:00-17:30`; raise ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("opening hours are written 08:00-17:30")
    one, two, three, four = map(int, found.groups())
    if (three, four) <= (one, two):
        raise ValueError("opening hours end after they begin")
    return time(one, two), time(three, four)
