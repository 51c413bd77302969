"""How long something waited while the clinic was open, and when it is due."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
#: Nothing is counted further: by then everything is too old, and a clinic open again.
_FARTHEST = 60
#: In so many days a clinic that opens once a week has twenty working days.
_LONGEST = 365
#: A day where nobody said when the clinic is open.
_USUAL = (time(8), time(17))
NO_DAYS: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Day of the week (0 is Monday) -> from when to when; empty: always open."""

    days: Mapping[int, tuple[time, time]] = field(default_factory=dict)
    zone: tzinfo = UTC
    #: Days on which nobody is there, whatever day of the week they are.
    holidays: frozenset[date] = frozenset()

    def between(self, since: datetime, now: datetime) -> timedelta:
        """Return how much of the time from `since` to `now` the clinic was open."""
        if not self.days or now - since > timedelta(days=_FARTHEST):
            return max(now - since, timedelta())
        total = timedelta()
        day = since.astimezone(self.zone).date()
        while day <= now.astimezone(self.zone).date():
            if span := self._on(day):
                begin, end = span
                total += max(min(end, now) - max(begin, since), timedelta())
            day += timedelta(days=1)
        return total

    def after(self, since: datetime, span: timedelta) -> datetime:
        """Return the moment at which the clinic has been open for `span` since then.

        Where it does not open for two months, the span is counted by the clock.
        """
        if not self.days:
            return since + span
        left, day = span, since.astimezone(self.zone).date()
        for _ in range(_FARTHEST):
            begin, end = self._on(day) or (since, since)
            begin = max(begin, since)
            if begin < end and begin + left <= end:
                return begin + left
            left -= max(end - begin, timedelta())
            day += timedelta(days=1)
        return since + span

    def morning_after(self, now: datetime, days: int) -> datetime:
        """Return when the clinic opens on its working day so many after today.

        Where nobody said when it is open, or it does not open for a year, its days begin at
        eight, Monday to Friday; holidays are left out as long as that leaves any day.
        """
        usual = dict.fromkeys(range(5), _USUAL)
        for hours in (self, replace(self, days=usual), replace(self, days=usual, holidays=NO_DAYS)):
            left, day = days, now.astimezone(self.zone).date()
            for _ in range(_LONGEST):
                day += timedelta(days=1)
                if (span := hours._on(day)) is None:
                    continue
                left -= 1
                if left <= 0:
                    return span[0]
        return now

    def open_at(self, now: datetime) -> bool:
        """Whether somebody is there at this moment."""
        if not self.days:
            return True
        begin, end = self._on(now.astimezone(self.zone).date()) or (now, now)
        return begin <= now < end

    def _on(self, day: date) -> tuple[datetime, datetime] | None:
        """Return from when to when the clinic is open on one day."""
        span = None if day in self.holidays else self.days.get(day.weekday())
        if span is None:
            return None
        begin, end = (datetime.combine(day, at, self.zone).astimezone(UTC) for at in span)
        return begin, end


def read_span(text: str) -> tuple[time, time]:
    """Read `08:00-17:30`; raise ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("opening hours are written 08:00-17:30")
    one, two, three, four = map(int, found.groups())
    if (three, four) <= (one, two):
        raise ValueError("opening hours end after they begin")
    return time(one, two), time(three, four)
