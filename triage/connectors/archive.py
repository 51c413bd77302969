"""Old mail brought in once: a Maildir, an mbox or a folder of .eml files, looked at as one inbox.

Rule of the room: what is imported is known by it ever after, because the place it came from says
so; nothing of it counts as read, answered or done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

from triage.connectors.folder import FolderInbox
from triage.connectors.maildir import MaildirInbox, is_maildir
from triage.connectors.mbox import MboxInbox
from triage.domain import IMPORTED, Arrival, Channel, Cursor, Delivery
from triage.errors import InboxUnreachable

#: The head of a mail is looked for in so many bytes.
_HEADERS = 64_000


class _Archive(Protocol):
    name: str
    channel: Channel

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]: ...

    def wait(self, seconds: float) -> bool: ...

    def check(self) -> tuple[str, ...]: ...

    def weight(self) -> int: ...

    def close(self) -> None: ...


class ImportedInbox:
    """Hands over what an archive holds, marked as imported; with `since` only what is younger."""

    def __init__(self, archive: _Archive, since: datetime | None = None) -> None:
        self._archive = archive
        self._since = since
        #: How many were older than `since`, and so stay in the archive only.
        self.left_out = 0
        self.name = archive.name
        self.channel = archive.channel

    @property
    def whole(self) -> bool:
        """Whether nothing is left out for its age."""
        return self._since is None

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield the archive's deliveries; raises what the archive raises."""
        own = {
            box: replace(cursor, epoch=cursor.epoch.removeprefix(IMPORTED))
            for box, cursor in cursors.items()
            if cursor.epoch.startswith(IMPORTED)
        }
        for delivery in self._archive.deliveries(own):
            cursor = replace(delivery.cursor, epoch=IMPORTED + delivery.cursor.epoch)
            wanted = tuple(_marked(one) for one in delivery.arrivals if self._wanted(one))
            self.left_out += len(delivery.arrivals) - len(wanted)
            yield Delivery(wanted, cursor)

    def _wanted(self, arrival: Arrival) -> bool:
        """Whether it is young enough; what does not say its age is."""
        if self._since is None:
            return True
        dated = age_of(arrival.content)
        return dated is None or dated >= self._since

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


def archive_at(
    path: Path, name: str, *, subfolders: bool = False, since: datetime | None = None
) -> ImportedInbox:
    """Return what lies at a path as an inbox of this name; raise InboxUnreachable."""
    settings: dict[str, object] = {"name": name, "path": str(path)}
    if is_maildir(path):
        return ImportedInbox(MaildirInbox({**settings, "subfolders": subfolders}), since)
    if path.is_dir():
        return ImportedInbox(FolderInbox({**settings, "settle_seconds": 0}), since)
    if path.is_file():
        return ImportedInbox(MboxInbox(settings), since)
    raise InboxUnreachable(f"{name}, nothing to import at this path")


def age_of(content: bytes) -> datetime | None:
    """Return when the last server took a mail in, or else what it says of itself; None if neither.

    The youngest date counts, so that a wrong one brings a mail in rather than leaves it out.
    """
    try:
        headers = BytesHeaderParser(policy=compat32).parsebytes(content[:_HEADERS])
        said = [str(one).rpartition(";")[2] for one in headers.get_all("received", [])]
        said += [str(one) for one in headers.get_all("date", [])]
    except Exception:
        # A head that cannot be parsed is no reason to leave a mail out.
        return None
    dates = [moment for text in said if (moment := _moment(text)) is not None]
    return max(dates, default=None)


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text.strip())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _marked(arrival: Arrival) -> Arrival:
    place = arrival.position
    return replace(arrival, position=replace(place, epoch=IMPORTED + place.epoch))
