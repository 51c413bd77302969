"""What staff were told, and when they are told again: collected, never a flood.

Rule of the room: a new alarm is told at once, always; one that stays is repeated every now and
then; the more often one comes back, the longer it must be gone before it counts as well again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.domain import Alarm, Notice

#: An alarm has ended when it was not seen for this long; doubled each time it came back,
SETTLED = timedelta(seconds=60)
#: at most so often;
DOUBLED = 5
#: and after a time without it all is forgotten.
FORGOTTEN = timedelta(hours=1)


@dataclass
class _Entry:
    seen: datetime
    told: datetime
    #: Whether staff still believe that it is wrong.
    open: bool = False
    times: int = 0

    @property
    def settled(self) -> timedelta:
        return SETTLED * (1 << min(max(self.times - 1, 0), DOUBLED))


class AlarmBook:
    """The alarms of one clinic; keeps no text."""

    def __init__(self, clinic: str, *, repeat: timedelta = timedelta(minutes=30)) -> None:
        self._clinic = clinic
        self._repeat = repeat
        self._entries: dict[Alarm, _Entry] = {}

    @property
    def open(self) -> tuple[Alarm, ...]:
        """Return what staff believe to be wrong."""
        return tuple(sorted(alarm for alarm, entry in self._entries.items() if entry.open))

    def notice(self, found: Iterable[Alarm], now: datetime) -> Notice | None:
        """Return what staff must be told now, None when there is nothing to say.

        It counts as told only once `told` was called with it.
        """
        for entry in self._entries.values():
            # A clock that was set back must not keep an alarm, or silence, going.
            entry.seen, entry.told = min(entry.seen, now), min(entry.told, now)
        for alarm in set(found):
            self._entries.setdefault(alarm, _Entry(now, now)).seen = now
        entries = self._entries
        active = {a for a, e in entries.items() if now - e.seen < e.settled}
        ended = tuple(sorted(a for a, e in entries.items() if e.open and a not in active))
        # Seen only in an earlier round, but told to nobody then, it is as new as it was.
        new = {a for a in active if not entries[a].open}
        still = {a for a in active if entries[a].open}
        late = any(now - entries[a].told >= self._repeat for a in still)
        for alarm, entry in list(entries.items()):
            if not entry.open and now - entry.seen > FORGOTTEN:
                del entries[alarm]
        # What ended beside something that stays is told with the next repetition.
        if not (new or late or (ended and not still)):
            return None
        return Notice(self._clinic, now, tuple((a, a in new) for a in sorted(still | new)), ended)

    def told(self, notice: Notice) -> None:
        """Remember that staff were told; maybe only now, and other things since."""
        entries = self._entries
        for alarm, new in notice.alarms:
            entry = entries.setdefault(alarm, _Entry(notice.at, notice.at))
            if entry.told <= notice.at:
                entry.told, entry.open = notice.at, True
                entry.times += new
        for alarm in notice.ended:
            if alarm in entries and entries[alarm].told <= notice.at:
                entries[alarm].told, entries[alarm].open = notice.at, False
