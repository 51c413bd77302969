"""Reads a Maildir: one file per mail in `new` and `cur`, and its Maildir++ sub-folders if asked.

Rule of the room: the Maildir is read, never changed: no mail moves from `new` to `cur`, no flag is
set, `tmp` is not looked into, and no flag is believed, since another program may have set it.

For administrators. Settings: `path`, `subfolders` (false), `settle_seconds` (0: a mail server puts
whole files there), and those of a folder. A mail is known by the name of its file without its
flags, which no server changes, and by its bytes. The name stands in the database as it is.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from triage.connectors.folder import FolderInbox, Look, look, printable
from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Position
from triage.errors import InboxUnreachable

#: Where whole mails lie.
PLACES = ("new", "cur")
#: The name of the mailbox that is the Maildir itself.
TOP = "INBOX"
EPOCH = "maildir"
#: Where the flags begin; file systems that take no colon get another sign.
_FLAGS = re.compile(r"[:;!]2,")


class MaildirInbox(FolderInbox):
    """A Maildir on this machine; see the module for its settings."""

    SETTLE = 0.0

    def _more(self, options: Options) -> None:
        self._subfolders = options.yes("subfolders")
        #: The last listing that was handed over whole, and its mark.
        self._whole: tuple[str, Mapping[str, Look]] = ("", {})

    def check(self) -> tuple[str, ...]:
        """Say how many mails lie in each mailbox."""
        try:
            counts = dict.fromkeys((name for name, _ in self._folders()), 0)
            for name in self._listing():
                counts[_mailbox(name)] += 1
        except InboxUnreachable as trouble:
            return (str(trouble),)
        return tuple(f"{self.name}: {box} holds {count} mails." for box, count in counts.items())

    def _folders(self) -> Iterator[tuple[str, Path]]:
        """Yield (mailbox, folder): the Maildir itself, then its sub-folders by name."""
        if not is_maildir(self._path):
            raise InboxUnreachable(f"{self._who}, no `new` and `cur` there")
        yield TOP, self._path
        if self._subfolders:
            for path in sorted(self._path.iterdir()):
                if path.name.startswith(".") and is_maildir(path):
                    yield printable(path.name), path

    def _listing(self) -> dict[str, Look]:
        """Return relative path -> look of every mail, oldest first."""
        found: dict[str, Look] = {}
        try:
            for _, folder in self._folders():
                for place in PLACES:
                    if (folder / place).is_dir():
                        found |= self._looks(folder / place)
        except OSError as error:
            raise InboxUnreachable(f"{self._who} ({type(error).__name__})") from None
        return dict(sorted(found.items(), key=lambda item: (item[1][2], item[0])))

    def _looks(self, place: Path) -> dict[str, Look]:
        # A name that begins with a dot is no mail, by the rules of a Maildir.
        paths = [path for path in place.iterdir() if not path.name.startswith(".")]
        looks = {str(path.relative_to(self._path)): look(path) for path in paths}
        return {name: seen for name, seen in looks.items() if seen is not None}

    def _due(self, ready: Mapping[str, Look], cursor: Cursor) -> Mapping[str, Look]:
        """Return what is new since the listing of the cursor, or all of it after a start."""
        mark, before = self._whole
        if not cursor.uid or cursor.uid != mark:
            return ready
        return {name: seen for name, seen in ready.items() if before.get(name) != seen}

    def _handed_over(self, mark: str, ready: Mapping[str, Look]) -> None:
        self._whole = mark, dict(ready)

    def _arrival(self, name: str, content: bytes) -> Arrival:
        uid = printable(_FLAGS.split(Path(name).name)[0])
        position = Position(self.name, _mailbox(name), EPOCH, uid)
        return Arrival(position, Channel.EMAIL, "message/rfc822", content)


def is_maildir(path: Path) -> bool:
    """Whether a folder is laid out as a Maildir: many programs leave an empty `new` away."""
    return path.is_dir() and any((path / place).is_dir() for place in PLACES)


def _mailbox(name: str) -> str:
    """Return the mailbox of a relative path: `cur/1.host` or `.Sent/cur/1.host`."""
    parts = Path(name).parts
    return printable(parts[0]) if len(parts) > 2 else TOP
