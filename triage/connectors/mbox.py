"""Reads an mbox: many mails in one file, each after a line that begins with `From `.

Rule of the room: the file is read piece by piece, never changed or locked, and never held in memory
as a whole. A mail is the very bytes between two such lines, `>From ` included: who wrote the file
may or may not have put that sign there, and nobody can tell any more. In doubt one mail becomes
two, which people see; two never become one, of which they would see half.

For administrators. Settings: `path`, `poll_seconds` (5), `batch_messages` (50), `batch_megabytes`
(20). Of a file that grew only its last mail and what is new are read again, of one whose beginning
changed all of it; the store tells old from new. Before that the digest of what was read is made
anew. Made for imports: let a mail server write a Maildir instead. The name of the file stands in
the database as it is.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from triage.connectors.folder import Look, look, printable
from triage.connectors.mbox_cursor import Mark, Prefix
from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Delivery, Position
from triage.errors import ArchiveRefused, InboxUnreachable

#: No mail of a mail server is larger; a larger piece is no mbox, or a damaged one.
LARGEST = 100_000_000
#: So much of a line is read at once.
_LINE = 65_536
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
#: A line that every program writes between mails: with a time of day and a month.
_CERTAIN = re.compile(rb"From .*\b" + _MONTH + rb"\b.* \d\d?:\d\d")
_HEADER = re.compile(rb"[!-9;-~]+:")
_BLANK = (b"\n", b"\r\n")
#: What a cursor holds that no reading goes on from.
ANEW = "0"


class MboxInbox:
    """One mbox file; see the module for its settings."""

    def __init__(self, settings: Mapping[str, object], secret: str = "") -> None:
        del secret  # A file has none; every inbox is made the same way.
        options = Options(settings, "inbox")
        self.name = options.name
        self.channel = Channel.EMAIL
        self._who = options.who
        self._path = Path(options.text("path"))
        self._poll = options.number("poll_seconds", 5, least=0.01, most=3600)
        self._most = options.whole("batch_messages", 50, least=1, most=1000)
        self._weight = options.number("batch_megabytes", 20, least=0.001, most=500) * 1024 * 1024
        options.done()
        self._delivered: Look | None = None
        #: The last cursor, of a file that was read to its end.
        self._whole = ""
        self._closed = threading.Event()

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield every mail past the cursor; all of them again when its beginning is another.

        Raises InboxUnreachable, and ArchiveRefused for a file that is no mbox, that changed while
        it was read, or that holds a piece too large for a mail; all others are yielded first.
        """
        self._closed.clear()
        seen, box = self._look(), printable(self._path.name)
        cursor = cursors.get(box)
        if cursor is not None and seen == self._delivered and cursor.uid == self._whole:
            return
        too_large: list[int] = []
        with self._opened() as file, self._opened() as beside:
            mark = Mark.read(cursor.uid) if cursor is not None else None
            start = None if mark is None else mark.resume(beside, seen[1])
            # A new epoch with each reading from the beginning.
            epoch = " ".join(map(str, seen)) if cursor is None or start is None else cursor.epoch
            file.seek(start or 0)
            for arrivals, last in self._batches(file, box, epoch, Prefix(beside), too_large):
                # Of bytes that changed before their digest was made nothing is remembered.
                uid = str(last) if self._look() == seen else ANEW
                yield Delivery(arrivals, Cursor(box, epoch, uid))
                self._whole = uid
            if mark is not None and start == mark.end == seen[1]:
                self._whole = str(mark)
        if self._look() != seen:
            raise ArchiveRefused(f"{self._who}, the file changed while it was read")
        self._delivered = seen
        if too_large:
            self._whole = ""
            raise ArchiveRefused(f"{self._who}, no mail but one huge piece at byte {too_large[0]}")

    def _batches(
        self, file: BinaryIO, box: str, epoch: str, digest: Prefix, too_large: list[int]
    ) -> Iterator[tuple[tuple[Arrival, ...], Mark]]:
        """Yield the mails from where `file` stands on, and the mark of the last of each batch."""
        batch: list[Arrival] = []
        begin = end = weight = 0
        for begin, after, content in mails(file, too_large):
            if batch and (len(batch) >= self._most or weight + len(content) > self._weight):
                before = digest.upto(begin)
                yield tuple(batch), Mark(begin, begin, before, before)
                batch, weight = [], 0
            position = Position(self.name, box, epoch, str(begin))
            batch.append(Arrival(position, self.channel, "message/rfc822", content))
            weight, end = weight + len(content), after
        if batch:
            yield tuple(batch), Mark(begin, end, digest.upto(begin), digest.upto(end))

    def wait(self, seconds: float) -> bool:
        """Look at the file every `poll_seconds`; True as soon as it is another."""
        self._closed.clear()
        end = time.monotonic() + seconds
        while True:
            if look(self._path) != self._delivered:
                return True
            left = end - time.monotonic()
            if left <= 0 or self._closed.wait(min(left, self._poll)):
                return False

    def check(self) -> tuple[str, ...]:
        """Say how large the file is and whether it begins as an mbox does."""
        try:
            size = self._look()[1]
            self._opened().close()
        except (InboxUnreachable, ArchiveRefused) as trouble:
            return (str(trouble),)
        return (f"{self.name}: an mbox of {size} bytes.",)

    def weight(self) -> int:
        """Return how many bytes there are to read."""
        return self._look()[1]

    def close(self) -> None:
        """Stop waiting; the file is open only while it is read."""
        self._closed.set()

    def _look(self) -> Look:
        seen = look(self._path)
        if seen is None:
            raise InboxUnreachable(f"{self._who}, no such file")
        return seen

    def _opened(self) -> BinaryIO:
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise InboxUnreachable(f"{self._who} ({type(error).__name__})") from None
        first = file.read(5)
        if first not in (b"", b"From "):
            file.close()
            raise ArchiveRefused(f"{self._who}, the file does not begin as an mbox does")
        file.seek(0)
        return file


def mails(file: BinaryIO, too_large: list[int]) -> Iterator[tuple[int, int, bytes]]:
    """Yield (begin, end, bytes) of each mail from where `file` stands, which is at a `From ` line.

    `begin` and `end` are offsets of `From ` lines in the file. A piece larger than any mail is not
    yielded: where it begins is added to `too_large`.
    """
    begin, content, size = -1, list[bytes](), 0
    at = file.tell()
    blank = whole = True
    for line in iter(lambda: file.readline(_LINE), b""):
        if whole and line.startswith(b"From ") and _parts(line, file, after_blank=blank):
            if begin >= 0 and size <= LARGEST:
                yield begin, at, _mail(content)
            begin, content, size = at, [], 0
        elif begin >= 0:
            size += len(line)
            if size <= LARGEST:
                content.append(line)
            elif content:
                too_large.append(begin)
                content = []
        at += len(line)
        blank, whole = whole and line in _BLANK, line.endswith(b"\n")
    if begin >= 0 and size <= LARGEST:
        yield begin, at, _mail(content)


def _parts(line: bytes, file: BinaryIO, *, after_blank: bool) -> bool:
    """Whether a line that begins with `From ` parts two mails.

    After an empty line one sign is enough, its date or a header below it. Without one, as where
    a mail was cut short, it needs both.
    """
    certain = _CERTAIN.match(line) is not None
    if certain and after_blank:
        return True
    here = file.tell()
    header = _HEADER.match(file.readline(_LINE)) is not None
    file.seek(here)
    return header and (certain or after_blank)


def _mail(lines: list[bytes]) -> bytes:
    """Return the bytes of a mail without the empty line that parts it from the next."""
    if len(lines) > 1 and lines[-1] in _BLANK:
        lines = lines[:-1]
    return b"".join(lines)
