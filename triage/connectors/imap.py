"""Fetches mail from an IMAP server without changing anything there.

Rule of the room: a cursor never passes a message that was not delivered; when the server
contradicts itself, everything is yielded again and the store tells old from new.

For administrators. Give triage an account of its own with read rights to the mailboxes; it never
marks, moves or deletes, so the mail stays where it is and other programs may go on reading it.
Settings: `host`, `user`, and optionally `port` (993, 143 without TLS), `security` (`tls`,
`starttls`, `plain` on this machine only), `ca_file` (PEM of a private authority), `auth`
(`password`, `xoauth2`, `oauthbearer`), `mailboxes` (default `["INBOX"]`; list Junk too, patients
land there), `poll_seconds` (15, used where the server has no IDLE), `timeout_seconds` (30),
`batch_messages` (50), `batch_megabytes` (20), `oversize_megabytes` (60: above this a message is
fetched in pieces; it is delivered whatever its size). The secret is the password or the token.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping

from triage.connectors.imap_line import Access, Line, View
from triage.connectors.options import Options
from triage.connectors.tls import read_security
from triage.domain import Arrival, Channel, Cursor, Delivery, Position
from triage.errors import InboxLied, InboxRefused, InboxUnreachable, TriageError

_MEGABYTE = 1024 * 1024
#: How long one IDLE lasts before it is renewed, in seconds: a dead line is noticed this soon.
_RENEW = 30.0


class ImapInbox:
    """An IMAP account; see the module for its settings."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = Options(settings, "inbox")
        self.name = options.name
        self.channel = Channel.EMAIL
        self._access = _access(options, secret)
        self._mailboxes = options.words("mailboxes", ["INBOX"])
        self._poll = options.number("poll_seconds", 15, least=0.05, most=3600)
        self._most = options.whole("batch_messages", 50, least=1, most=1000)
        self._batch = options.number("batch_megabytes", 20, least=0.001, most=500) * _MEGABYTE
        self._huge = options.number("oversize_megabytes", 60, least=0.001, most=10_000) * _MEGABYTE
        options.done()
        self._clock = clock
        self._line: Line | None = None
        self._looked: dict[str, tuple[str, int]] = {}
        self._closed = threading.Event()

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield every message past `cursors`, lowest UID first, one mailbox after the other.

        Raises InboxUnreachable or InboxRefused at once when nobody can log in. A mailbox whose
        answers contradict each other does not hold up the others: InboxLied comes at the end.
        """
        self._closed.clear()
        self._connected()
        troubles: list[TriageError] = []
        for mailbox in self._mailboxes:
            try:
                yield from self._mailbox(mailbox, cursors.get(mailbox))
            except (InboxLied, InboxRefused) as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]

    def wait(self, seconds: float) -> bool:
        """Return True as soon as a mailbox differs from what `deliveries` last saw.

        Uses IDLE on the first mailbox and looks at the others each time it is renewed; without
        IDLE it looks every `poll_seconds`.
        """
        self._closed.clear()
        end = self._clock() + seconds
        try:
            while not self._closed.is_set():
                line = self._connected()
                if self._something_new(line):
                    return True
                left = end - self._clock()
                if left <= 0:
                    return False
                if not line.can_idle:
                    self._closed.wait(min(left, self._poll))
                elif line.idle(min(left, self._pause())):
                    return True
        except InboxUnreachable:
            if not self._closed.is_set():
                raise
        return False

    def check(self) -> tuple[str, ...]:
        """Log in, open every mailbox, and say what was found."""
        found: list[str] = []
        try:
            line = self._connected()
            found.append(f"{self.name}: logged in to {self._access.host} as {self._access.user}.")
            if self._access.security == "plain":
                found.append("The line is not encrypted; that is allowed on this machine only.")
            if not line.can_idle:
                found.append(f"The server has no IDLE; it is asked every {self._poll:g} seconds.")
            for mailbox in self._mailboxes:
                view = self._connected().examine(mailbox)
                found.append(f"Mailbox {mailbox}: {view.exists} messages, opened read-only.")
        except TriageError as trouble:
            found.append(str(trouble))
        return tuple(found)

    def full(self) -> bool:
        """Say whether the first mailbox is full or nearly so, as far as the server tells."""
        return self._connected().full(self._mailboxes[0])

    def close(self) -> None:
        """Let go of the connection, also while another thread waits."""
        self._closed.set()
        line, self._line = self._line, None
        if line is not None:
            line.cut()
            line.close()

    def _connected(self) -> Line:
        """Return a line that answers, opening a new one where the old has died."""
        if self._line is not None and not self._line.alive():
            self._line = None
        if self._line is None:
            self._line = Line(self._access)
        return self._line

    def _something_new(self, line: Line) -> bool:
        new = False
        # Backwards, so that IDLE afterwards listens to the first mailbox.
        for mailbox in reversed(self._mailboxes):
            look = _look(line.examine(mailbox))
            new = new or self._looked.setdefault(mailbox, look) != look
        return new

    def _pause(self) -> float:
        return _RENEW if len(self._mailboxes) == 1 else min(_RENEW, self._poll)

    def _mailbox(self, mailbox: str, cursor: Cursor | None) -> Iterator[Delivery]:
        line = self._connected()
        view = line.examine(mailbox)
        self._looked[mailbox] = _look(view)
        after = _start(line, view, cursor)
        if cursor is not None and cursor.epoch == view.epoch and str(after) != cursor.uid:
            # The server went back. The stored cursor must go back first: were we to stop halfway,
            # the mailbox could grow past the old mark and hide what lies below it.
            yield Delivery((), Cursor(mailbox, view.epoch, str(after)))
        safe, lost = after, False
        for chunk in self._chunks(view, after):
            bodies, missing = self._fetch(view, chunk)
            if missing and not lost:
                safe, lost = max(safe, missing[0] - 1), True
            elif not lost:
                safe = max(chunk)
            arrivals = tuple(self._arrival(view, uid, bodies[uid]) for uid in sorted(bodies))
            yield Delivery(arrivals, Cursor(mailbox, view.epoch, str(safe)))
        if lost:
            raise InboxLied(f"{self._access.who}, a listed message could not be fetched")

    def _chunks(self, view: View, after: int) -> Iterator[dict[int, int]]:
        """Yield uid -> claimed size, at most `batch_messages` and about `batch_megabytes` each."""
        for uids in self._again(view).uids(view, after):
            for start in range(0, len(uids), self._most):
                sizes = self._again(view).sizes(uids[start : start + self._most])
                yield from _by_weight(sizes, self._batch)

    def _fetch(self, view: View, chunk: Mapping[int, int]) -> tuple[dict[int, bytes], list[int]]:
        """Return the bodies, and in ascending order the UIDs the server lists but will not give."""
        bodies: dict[int, bytes] = {}
        if max(chunk.values()) <= self._huge:
            try:
                bodies = self._again(view).bodies(list(chunk), sum(chunk.values()))
            except (InboxLied, InboxUnreachable):
                # One bad answer must not take the whole batch along: ask for each by itself.
                bodies = {}
        bodies = {uid: body for uid, body in bodies.items() if body or not chunk[uid]}
        owed = [uid for uid in chunk if uid not in bodies]
        missing = []
        for uid in sorted(self._again(view).present(owed)) if owed else []:
            body = self._one(view, uid, chunk[uid])
            if body is None:
                missing.append(uid)
            else:
                bodies[uid] = body
        return bodies, missing

    def _one(self, view: View, uid: int, size: int) -> bytes | None:
        """Fetch one message by itself; None when the server gives nothing or breaks off."""
        try:
            line = self._again(view)
            body = line.body_in_pieces(uid) if size > self._huge else None
            if body is None:
                body = line.bodies([uid], size).get(uid)
        except (InboxLied, InboxUnreachable):
            # If the server is gone for good, opening the mailbox again says so.
            self._again(view)
            return None
        return body if body or not size else None

    def _again(self, view: View) -> Line:
        """Return the line with this mailbox open, re-opened after a break in the same epoch."""
        if self._line is not None and self._line.stands:
            return self._line
        line = self._connected()
        if line.examine(view.mailbox).epoch != view.epoch:
            raise InboxUnreachable(f"{self._access.who}, mailbox renumbered while it was read")
        return line

    def _arrival(self, view: View, uid: int, content: bytes) -> Arrival:
        position = Position(self.name, view.mailbox, view.epoch, str(uid))
        return Arrival(position, self.channel, "message/rfc822", content)


def _access(options: Options, secret: str) -> Access:
    host = options.text("host")
    security, context = read_security(options, host)
    return Access(
        who=options.who,
        host=host,
        port=options.whole("port", 993 if security == "tls" else 143, least=1, most=65535),
        user=options.text("user"),
        auth=options.one_of("auth", ["password", "xoauth2", "oauthbearer"]),
        security=security,
        context=context,
        timeout=options.number("timeout_seconds", 30, least=0.1, most=600),
        secret=secret,
    )


def _look(view: View) -> tuple[str, int]:
    return view.epoch, view.exists if view.uid_next is None else view.uid_next


def _start(line: Line, view: View, cursor: Cursor | None) -> int:
    """Return the UID to go on after; 0, the whole mailbox, where the cursor cannot be trusted."""
    if cursor is None or cursor.epoch != view.epoch or not cursor.uid.isdecimal():
        return 0
    reached = int(cursor.uid)
    if view.uid_next is None:
        return reached if line.last() >= reached else 0
    return reached if view.uid_next > reached else 0


def _by_weight(sizes: Mapping[int, int], limit: float) -> Iterator[dict[int, int]]:
    chunk: dict[int, int] = {}
    for uid in sorted(sizes):
        if chunk and sum(chunk.values()) + sizes[uid] > limit:
            yield chunk
            chunk = {}
        chunk[uid] = sizes[uid]
    if chunk:
        yield chunk
