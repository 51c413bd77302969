"""Old mail brought in once: a Maildir, an mbox or a folder of .eml files, looked at as one inbox.

Rule of the room: what is imported is known by it ever after, because the place it came from says
so; nothing of it counts as read, answered or done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from triage.connectors.folder import FolderInbox
from triage.connectors.maildir import MaildirInbox, is_maildir
from triage.connectors.mbox import MboxInbox
from triage.domain import IMPORTED, Arrival, Channel, Cursor, Delivery
from triage.errors import InboxUnreachable


class _Archive(Protocol):
    name: str
    channel: Channel

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]: ...

    def wait(self, seconds: float) -> bool: ...

    def check(self) -> tuple[str, ...]: ...

    def weight(self) -> int: ...

    def close(self) -> None: ...


class ImportedInbox:
    """Hands over what an archive holds, marked as imported."""

    def __init__(self, archive: _Archive) -> None:
        self._archive = archive
        self.name = archive.name
        self.channel = archive.channel

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield the archive's deliveries; raises what the archive raises."""
        own = {
            box: replace(cursor, epoch=cursor.epoch.removeprefix(IMPORTED))
            for box, cursor in cursors.items()
            if cursor.epoch.startswith(IMPORTED)
        }
        for delivery in self._archive.deliveries(own):
            cursor = replace(delivery.cursor, epoch=IMPORTED + delivery.cursor.epoch)
            yield Delivery(tuple(map(_marked, delivery.arrivals)), cursor)

    def wait(self, seconds: float) -> bool:
        """Wait for news as the archive does."""
        return self._archive.wait(seconds)

    def check(self) -> tuple[str, ...]:
        """Say what the archive says of itself."""
        return self._archive.check()

    def weight(self) -> int:
        """Return how many bytes there are to read."""
        return self._archive.weight()

    def close(self) -> None:
        """Let go of the archive."""
        self._archive.close()


def archive_at(path: Path, name: str, *, subfolders: bool = False) -> ImportedInbox:
    """Return what lies at a path as an inbox of this name; raise InboxUnreachable."""
    settings: dict[str, object] = {"name": name, "path": str(path)}
    if is_maildir(path):
        return ImportedInbox(MaildirInbox({**settings, "subfolders": subfolders}))
    if path.is_dir():
        return ImportedInbox(FolderInbox({**settings, "settle_seconds": 0}))
    if path.is_file():
        return ImportedInbox(MboxInbox(settings))
    raise InboxUnreachable(f"{name}, nothing to import at this path")


def _marked(arrival: Arrival) -> Arrival:
    place = arrival.position
    return replace(arrival, position=replace(place, epoch=IMPORTED + place.epoch))
