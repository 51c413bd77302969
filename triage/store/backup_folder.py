"""The folder of the backups: what lies in it, what may go, and who may write just now.

Rule of the room: keys of a backup lie apart from its rows and go after seven days, so that what
was erased is gone from there, too; rows may stay longer, because without keys they say nothing,
and the newest keys open rows of any age except what was erased since.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from triage.errors import StoreLocked, StoreRefused

DATA, KEYS, LIST, ORDER = "data", "keys", "erasures.list", "order.list"
_KINDS = (DATA, KEYS)
#: No backup of the keys is older; that is also how long an erased key may outlive its erasure.
KEPT_KEYS = timedelta(days=7)
#: How long the rows of a backup stay when nobody says otherwise.
KEPT_DATA = timedelta(days=30)
#: All of the last hour stay, then one of each hour this long, then one of each day.
_ALL, _HOURLY = timedelta(hours=1), timedelta(days=2)
#: Longer than this between two backups nobody believes a clock.
_LEAP = timedelta(days=2)
_STAMP = "%Y%m%dT%H%M%S%fZ"


class BackupFolder:
    """Backups by the moment they were made; `data/` has the rows, `keys/` the key store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.list = path / LIST

    def make(self) -> None:
        """Make what is missing of the folder, for its owner alone."""
        for kind in _KINDS:
            (self.path / kind).mkdir(parents=True, exist_ok=True, mode=0o700)

    def file(self, kind: str, moment: datetime) -> Path:
        """Return where the backup of a moment lies, or is to lie."""
        return self.path / kind / f"{moment.strftime(_STAMP)}.sealed"

    def moments(self, kind: str) -> list[datetime]:
        """Return the stamp of each backup that lies here whole, in the order they were made."""
        return sorted(map(made_at, (self.path / kind).glob("*.sealed")), key=self._turn())

    def begin(self, moment: datetime) -> datetime:
        """Remember that this backup comes after every other, whatever the clock said then or says.

        Return its moment: a later one where one of this very moment is there.
        """
        known = [made for made in self._order() if any(self.file(k, made).exists() for k in _KINDS)]
        while moment in known:
            moment += timedelta(microseconds=1)
        draft = self.path / f".{ORDER}.part"
        lines = "".join(f"{made.strftime(_STAMP)}\n" for made in (*known, moment))
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / ORDER)
        return moment

    def _order(self) -> list[datetime]:
        """Return the moments as they were written down, oldest first; nothing where none were."""
        try:
            stamps = (self.path / ORDER).read_text(encoding="ascii").split()
        except FileNotFoundError:
            return []
        return [made_at(Path(stamp)) for stamp in stamps]

    def _turn(self) -> Callable[[datetime], tuple[int, datetime]]:
        """Return what sorts moments by when they really were; those of no order come first."""
        places = {made: place for place, made in enumerate(self._order(), 1)}
        return lambda made: (places.get(made, 0), made)

    def newest(self) -> datetime | None:
        """Return when the newest backup was made that has its keys, or newer ones."""
        whole = self._whole(self.moments(DATA))
        return whole[-1] if whole else None

    def pair(self, made: str = "") -> tuple[Path, Path]:
        """Return the rows to put back, the newest unless `made` names others, and their keys.

        The keys are the newest there are: they have every key of older rows that was not destroyed
        since. Raises StoreRefused when there is no such backup.
        """
        found = [one for one in self.moments(DATA) if one.strftime(_STAMP).startswith(made)]
        whole, keys = self._whole(found), self.moments(KEYS)
        if not whole:
            what = f"backup {made}" if made else "backup"
            raise StoreRefused(f"there is no {what} with its keys in {self.path}")
        return self.file(DATA, whole[-1]), self.file(KEYS, keys[-1])

    def _whole(self, found: list[datetime]) -> list[datetime]:
        keys, turn = self.moments(KEYS), self._turn()
        return [one for one in found if keys and turn(keys[-1]) >= turn(one)]

    def prune(self, now: datetime, *, kept: timedelta = KEPT_DATA, spare: bool = False) -> None:
        """Drop half-written files and what is older than it may be; `spare` the newest of each."""
        for kind, longest in ((DATA, kept), (KEYS, min(kept, KEPT_KEYS))):
            for half in (self.path / kind).glob(".*.part"):
                half.unlink()
            there = self.moments(kind)
            ages = lived_ages(there, now)
            if kind == KEYS:
                # Erased keys go in time, whatever that time was; newer ones open all that stays.
                ages = [max(age, now - made) for age, made in zip(ages, there, strict=True)]
            for moment in _too_many(there, ages, longest):
                if not (spare and moment == there[-1]):
                    self.file(kind, moment).unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time write here; raise StoreLocked when another does."""
        with os.fdopen(os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreLocked("another backup is being made") from None
            yield


def made_at(path: Path) -> datetime:
    """Return when a backup was made, as its name says."""
    return datetime.strptime(f"{path.stem[:-1]}+0000", f"{_STAMP[:-1]}%z")


def lived_ages(moments: list[datetime], now: datetime) -> list[timedelta]:
    """Return how old each backup is in time that triage worked through, in the given order.

    Between two backups lies an hour, or a day where they were thinned out. A clock that leaps
    makes no more of it than two days, so no leap drops every backup at once; one from a clock
    that ran ahead grows old like any other.
    """
    ages: list[timedelta] = []
    age, later = timedelta(), now
    for moment in reversed(moments):
        age += min(max(later - moment, timedelta()), _LEAP)
        ages.append(age)
        later = moment
    return ages[::-1]


def _too_many(
    moments: list[datetime], ages: list[timedelta], longest: timedelta
) -> Iterator[datetime]:
    seen: set[str] = set()
    for moment, age in zip(reversed(moments), reversed(ages), strict=True):
        form = "%Y%m%d%H" if age < _HOURLY else "%Y%m%d"
        of = moment.strftime(_STAMP if age < _ALL else form)
        if age > longest or of in seen:
            yield moment
        seen.add(of)
