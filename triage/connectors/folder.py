"""Reads messages that somebody puts into a folder: .eml files and FHIR Communications as .json.

Rule of the room: the folder is read, never changed. No clock decides what is new, because files
are moved in with old dates; any change of the listing yields the whole folder again, and the store
tells old from new.

For administrators. Settings: `path`, and optionally `settle_seconds` (1: a file younger than this
is taken only once it has stopped changing), `poll_seconds` (1), `batch_messages` (50),
`batch_megabytes` (20). Sub-folders, links and files with other endings are left alone; `check`
counts them. A file's name becomes its id and is not encrypted: number the files, never name them
after a patient. Made for imports and trials: at each change the whole folder is read again.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Delivery, Position
from triage.errors import InboxUnreachable

_MAILBOX = "."
_EPOCH = "folder"
_KINDS = {
    ".eml": (Channel.EMAIL, "message/rfc822"),
    ".json": (Channel.PORTAL, "application/fhir+json"),
}

#: What a file looks like from outside: i-node, size, time of the last change of its bytes.
Look = tuple[int, int, int]


class FolderInbox:
    """A folder of .eml and .json files; see the module for its settings."""

    #: How long a file stands still before it is taken, unless the settings say.
    SETTLE = 1.0

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str = "",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        del secret  # A folder has none; every inbox is made the same way.
        options = Options(settings, "inbox")
        self.name = options.name
        self.channel = Channel.EMAIL
        self._who = options.who
        self._path = Path(options.text("path"))
        self._settle = options.number("settle_seconds", self.SETTLE, least=0, most=3600)
        self._poll = options.number("poll_seconds", 1, least=0.01, most=3600)
        self._most = options.whole("batch_messages", 50, least=1, most=1000)
        self._weight = options.number("batch_megabytes", 20, least=0.001, most=500) * 1024 * 1024
        self._more(options)
        options.done()
        self._clock = clock
        #: Files seen while still young: name -> (how it looked, when it first looked so).
        self._young: dict[str, tuple[Look, float]] = {}
        self._delivered = ""
        self._closed = threading.Event()

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield every settled file, oldest first, unless the listing is the cursor's listing.

        Raises InboxUnreachable when the folder, or in the end when a file, cannot be read.
        """
        self._closed.clear()
        cursor = cursors.get(_MAILBOX, Cursor(_MAILBOX, _EPOCH, ""))
        ready = self._ready()
        mark = _fingerprint(ready)
        if mark != cursor.uid:
            unread: list[str] = []
            for arrivals in self._batches(self._due(ready, cursor), unread):
                yield Delivery(arrivals, cursor)
            for name in unread:
                ready.pop(name)
            if not unread:
                self._handed_over(mark, ready)
                yield Delivery((), Cursor(_MAILBOX, _EPOCH, mark))
            elif any(look(self._path / name) is not None for name in unread):
                raise InboxUnreachable(f"{self._who}, {len(unread)} files cannot be read")
        self._delivered = _fingerprint(ready)

    def wait(self, seconds: float) -> bool:
        """Look at the folder every `poll_seconds`; True as soon as the listing has changed."""
        self._closed.clear()
        end = time.monotonic() + seconds
        while True:
            if _fingerprint(self._ready()) != self._delivered:
                return True
            left = end - time.monotonic()
            if left <= 0 or self._closed.wait(min(left, self._poll)):
                return False

    def check(self) -> tuple[str, ...]:
        """Say how many files would be read and how many are left alone."""
        try:
            files = self._listing()
            others = sum(1 for _ in self._path.iterdir()) - len(files)
        except (InboxUnreachable, OSError):
            return (str(InboxUnreachable(self._who)),)
        found = [f"{self.name}: the folder holds {len(files)} messages."]
        if others:
            found.append(f"{others} other entries there are left alone.")
        return tuple(found)

    def weight(self) -> int:
        """Return how many bytes there are to read."""
        return sum(seen[1] for seen in self._listing().values())

    def close(self) -> None:
        """Stop waiting; there is no connection to let go of."""
        self._closed.set()

    def _listing(self) -> dict[str, Look]:
        """Return name -> look of every regular file of a known kind, oldest first."""
        try:
            paths = [path for path in self._path.iterdir() if path.suffix.lower() in _KINDS]
        except OSError as error:
            raise InboxUnreachable(f"{self._who} ({type(error).__name__})") from None
        looks = {path.name: look(path) for path in paths}
        known = {name: look for name, look in looks.items() if look is not None}
        return dict(sorted(known.items(), key=lambda item: (item[1][2], item[0])))

    def _ready(self) -> dict[str, Look]:
        """Return the listing without files that may still be being written."""
        now, listing = self._clock(), self._listing()
        ready = {}
        for name, look in listing.items():
            before, since = self._young.get(name, (look, now))
            since = since if before == look else now
            # A date in the future is no age at all: then only standing still counts.
            age = max(now - look[2] / 1e9, now - since)
            if age >= self._settle:
                ready[name] = look
            self._young[name] = (look, since)
        self._young = {name: seen for name, seen in self._young.items() if name in listing}
        return ready

    def _more(self, options: Options) -> None:
        """Read the settings that only a kin of this folder has."""

    def _due(self, ready: Mapping[str, Look], cursor: Cursor) -> Mapping[str, Look]:
        """Return what must be read when the listing is not the cursor's: the whole folder."""
        del cursor
        return ready

    def _handed_over(self, mark: str, ready: Mapping[str, Look]) -> None:
        """Hear that everything of this listing was handed over and kept."""

    def _batches(
        self, ready: Mapping[str, Look], unread: list[str]
    ) -> Iterator[tuple[Arrival, ...]]:
        batch: list[Arrival] = []
        weight = 0
        for name, look in ready.items():
            content = self._read(name, look)
            if content is None:
                unread.append(name)
                continue
            if batch and (len(batch) >= self._most or weight + len(content) > self._weight):
                yield tuple(batch)
                batch, weight = [], 0
            batch.append(self._arrival(name, content))
            weight += len(content)
        if batch:
            yield tuple(batch)

    def _read(self, name: str, seen: Look) -> bytes | None:
        """Return the bytes of one file; None when it changed, went away or cannot be read."""
        path = self._path / name
        try:
            content = path.read_bytes()
        except OSError:
            return None
        return content if look(path) == seen and len(content) == seen[1] else None

    def _arrival(self, name: str, content: bytes) -> Arrival:
        channel, media_type = _KINDS[Path(name).suffix.lower()]
        position = Position(self.name, _MAILBOX, _EPOCH, printable(name))
        return Arrival(position, channel, media_type, content)


def look(path: Path) -> Look | None:
    """Return how a regular file looks from outside; None for anything else."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _fingerprint(files: Mapping[str, Look]) -> str:
    """Return a digest of the listing: names and looks, in the order of names."""
    lines = (f"{os.fsencode(name)!r} {look}" for name, look in sorted(files.items()))
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def printable(name: str) -> str:
    """Return the name as text that any database takes, whatever bytes it was made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
