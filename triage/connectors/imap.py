"""Fetches mail from an IMAP server without changing anything there.

Rule of the room: a cursor never passes a message that was not delivered, but for those it names;
when the server contradicts itself, all is yielded again and the store tells old from new.

For administrators. Give triage an account of its own with read rights to the mailboxes; it marks,
moves and deletes nothing, so the mail stays where it is and other programs may go on reading it
(`after_storing`, `keyword` and `move_to` change that, once a mail is stored).
Settings: `host`, `user`, and optionally `port` (993, 143 without TLS), `security` (`tls`,
`starttls`, `plain` on this machine only), `ca_file` (PEM of a private authority), `auth`
(`password`, `xoauth2`, `oauthbearer`), `mailboxes` (default `["INBOX"]`; list Junk too, patients
land there), `poll_seconds` (15, used where the server has no IDLE), `timeout_seconds` (30),
`batch_messages` (50), `batch_megabytes` (20), `oversize_megabytes` (60: above this a message is
fetched in pieces, as is one without a size; it is delivered whatever its size). The secret is the
password or the token; with `token_url` and `client_id` (and `scope`, `grant`) it is what tokens are
fetched with.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from triage.connectors.imap_check import examine
from triage.connectors.imap_cursor import Place
from triage.connectors.imap_line import Line, View, read_access
from triage.connectors.imap_listing import Contents
from triage.connectors.imap_marks import Afterwards
from triage.connectors.imap_patience import Patience
from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Cursor, Delivery, Listing, Position
from triage.errors import (
    InboxLied,
    InboxRefused,
    InboxUnreachable,
    MailboxUnreachable,
    TriageError,
)

_MEGABYTE = 1024 * 1024
#: How long one IDLE lasts before it is renewed, in seconds: a dead line is noticed this soon.
_RENEW = 30.0
#: Messages read again below the cursor over each new connection.
_TOP = 3
#: After so many messages in a row whose size cannot be told, those left of a batch go without.
_IN_A_ROW = 3
#: Stands for a size that cannot be told; no mail is as short.
_UNKNOWN = 1
#: What is wrong with one mailbox and leaves the others as they are, if the server still answers.
_OF_ONE_MAILBOX = (InboxLied, InboxRefused, InboxUnreachable)


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
        self._access = read_access(options, secret, clock)
        self._mailboxes = options.words("mailboxes", ["INBOX"])
        self._poll = options.number("poll_seconds", 15, least=0.05, most=3600)
        self._most = options.whole("batch_messages", 50, least=1, most=1000)
        self._batch = options.number("batch_megabytes", 20, least=0.001, most=500) * _MEGABYTE
        self._huge = options.number("oversize_megabytes", 60, least=0.001, most=10_000) * _MEGABYTE
        self._afterwards = Afterwards(options, self._mailboxes)
        options.done()
        self._clock = clock
        self._line: Line | None = None
        self._looked: dict[str, tuple[str, int]] = {}
        self._contents = Contents()
        self._patience = Patience(clock)
        #: Mailbox -> the line over which its newest known messages were read again.
        self._looked_beneath: dict[str, Line] = {}
        #: What befell mailboxes at that look: they are not read on before it was taken.
        self._held_back: dict[str, TriageError] = {}
        self._closed = threading.Event()
        self._left = 0

    def left(self) -> int:
        """Return how many messages of the mailbox being read are still to come."""
        return self._left

    def deliveries(self, cursors: Mapping[str, Cursor]) -> Iterator[Delivery]:
        """Yield every message past `cursors`, lowest UID first, one mailbox after the other.

        Raises InboxUnreachable or InboxRefused at once when nobody can log in. A mailbox whose
        answers contradict each other, or at which the server hangs up, does not hold up the others:
        InboxLied or MailboxUnreachable comes at the end.
        """
        self._closed.clear()
        self._connected()
        troubles: list[TriageError] = []
        held_back, self._held_back = self._held_back, {}
        for mailbox in self._mailboxes:
            try:
                if mailbox in held_back:
                    raise held_back[mailbox]
                yield from self._mailbox(mailbox, cursors.get(mailbox))
            except _OF_ONE_MAILBOX as trouble:
                troubles.append(self._only_here(mailbox, trouble))
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
                if self._closed.is_set():
                    # Closed while a line was opened: whoever closed may not have seen this one.
                    self.close()
                    return False
                if self._something_new(line):
                    return True
                left = end - self._clock()
                if left <= 0:
                    return False
                if not line.can_idle:
                    self._closed.wait(min(left, self._poll))
                elif line.idle(min(left, self._pause())):
                    return True
        except (InboxUnreachable, InboxLied):
            # A line that is cut while it speaks fails in either way.
            if not self._closed.is_set():
                raise
        return False

    def check(self) -> tuple[str, ...]:
        """Try every step from the host's name to each mailbox; say what works, what to mend."""
        return tuple(examine(self._access, self._mailboxes, self._afterwards, self._poll))

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

    def _only_here(self, mailbox: str, trouble: TriageError) -> TriageError:
        """Return what to tell after the other mailboxes; raise where the whole server is gone."""
        if isinstance(trouble, InboxUnreachable) and not isinstance(trouble, MailboxUnreachable):
            self._connected()
            return MailboxUnreachable(f"{trouble.args[0]}, mailbox {mailbox}")
        return trouble

    def _something_new(self, line: Line) -> bool:
        new = False
        # Backwards, so that IDLE afterwards listens to the first mailbox.
        for mailbox in reversed(self._mailboxes):
            look = _look(line.examine(mailbox))
            new = new or self._looked.setdefault(mailbox, look) != look
        return new

    def _pause(self) -> float:
        return _RENEW if len(self._mailboxes) == 1 else min(_RENEW, self._poll)

    def listings(self, cursors: Mapping[str, Cursor]) -> Iterator[Listing]:
        """Yield what each mailbox holds up to its cursor; trouble with one comes after the rest."""
        troubles: list[TriageError] = []
        for mailbox in self._mailboxes:
            cursor = cursors.get(mailbox)
            place = Place.read(cursor.uid) if cursor is not None else None
            if cursor is None or place is None:
                continue
            try:
                view, uids = self._contents.of(self._connected(), mailbox)
            except _OF_ONE_MAILBOX as trouble:
                troubles.append(self._only_here(mailbox, trouble))
                continue
            if view.epoch == cursor.epoch:
                passed = frozenset(str(uid) for uid in uids if uid <= place.reached)
                yield Listing(mailbox, view.epoch, passed)
        if troubles:
            raise troubles[0]

    def newest(self, cursors: Mapping[str, Cursor]) -> Iterator[tuple[Arrival, ...]]:
        """Yield the last few messages each cursor has passed, once over every new connection."""
        for mailbox in self._mailboxes:
            cursor, line = cursors.get(mailbox), self._connected()
            if self._looked_beneath.get(mailbox) is line:
                continue
            place = Place.read(cursor.uid) if cursor is not None else None
            try:
                if cursor and place and line.examine(mailbox).epoch == cursor.epoch:
                    top = Listing(mailbox, cursor.epoch, line.newest(place.reached, _TOP))
                    for bodies in self._bodies(top, top.uids):
                        yield tuple(_arrival(self, top, uid, body) for uid, body in bodies)
            except (InboxLied, InboxRefused):
                # It is told, and told in full, when the mailbox is read.
                continue
            except InboxUnreachable as trouble:
                # It may come back with an older backup: nobody passes the mark without this look.
                self._held_back[mailbox] = self._only_here(mailbox, trouble)
                continue
            self._looked_beneath[mailbox] = line

    def again(self, arrivals: Collection[Arrival]) -> tuple[Arrival, ...]:
        """Return these messages of one mailbox as the server gives them now, and claim none."""
        places = [one.position for one in arrivals]
        top = Listing(places[0].mailbox, places[0].epoch, frozenset(one.uid for one in places))
        found = (pair for bodies in self._bodies(top, top.uids) for pair in bodies)
        return tuple(_arrival(self, top, uid, body) for uid, body in found)

    def fetch(self, listing: Listing, uids: Collection[str]) -> Iterator[tuple[Arrival, ...]]:
        """Yield those messages of a listing again, as far as the server hands them over."""
        for bodies in self._bodies(listing, uids):
            yield self._arrivals(listing, dict(bodies))

    def _bodies(self, listing: Listing, uids: Collection[str]) -> Iterator[list[tuple[int, bytes]]]:
        view = self._connected().examine(listing.mailbox)
        if view.epoch != listing.epoch:
            return
        for chunk in self._sized(view, self._patience.due(view, [int(uid) for uid in uids])):
            yield sorted(self._fetch(view, chunk)[0].items())

    def stored(self, listing: Listing, uids: Collection[str]) -> None:
        """Mark or move what is stored, where `after_storing` says so; by default only look."""
        self._afterwards.carry_out(self._access, listing, uids)

    def _mailbox(self, mailbox: str, cursor: Cursor | None) -> Iterator[Delivery]:
        line = self._connected()
        view = line.examine(mailbox)
        self._looked[mailbox] = _look(view)
        place = _start(line, view, cursor)
        if cursor is not None and cursor.epoch == view.epoch and str(place) != cursor.uid:
            # The server went back. The stored cursor must go back first: were we to stop halfway,
            # the mailbox could grow past the old mark and hide what lies below it.
            yield Delivery((), Cursor(mailbox, view.epoch, str(place)))
        reached, owed = place.reached, set(place.owed)
        # Of a mailbox read from its start the whole is known before it is listed.
        self._left = view.exists if place.reached == 0 else 0
        for chunk in self._chunks(view, place):
            bodies, missing = self._fetch(view, chunk)
            self._left = max(0, self._left - len(chunk))
            reached, owed = max(reached, *chunk), (owed - chunk.keys()) | set(missing)
            arrivals = self._arrivals(view, bodies)
            mark = str(Place(reached, tuple(sorted(owed))))
            yield Delivery(arrivals, Cursor(mailbox, view.epoch, mark))
        if owed - set(place.owed):
            # Said once; from then on the comparison with the ledger keeps the alarm standing.
            raise InboxLied(f"{self._access.who}, a listed message could not be fetched")

    def _chunks(self, view: View, place: Place) -> Iterator[dict[int, int]]:
        """Yield uid -> claimed size, at most `batch_messages` and about `batch_megabytes` each."""
        left = self._afterwards.leftovers(self._again(view), view, place.reached)
        yield from self._sized(view, sorted({*self._patience.due(view, place.owed), *left}))
        for uids in self._again(view).uids(view, place.reached):
            self._left = max(self._left, len(uids))
            yield from self._sized(view, uids)

    def _sized(self, view: View, uids: Sequence[int]) -> Iterator[dict[int, int]]:
        for start in range(0, len(uids), self._most):
            sizes = self._sizes(view, uids[start : start + self._most])
            yield from _by_weight(sizes, self._batch)

    def _sizes(self, view: View, uids: Sequence[int]) -> dict[int, int]:
        """Return uid -> claimed size, _UNKNOWN where the server cannot tell."""
        told = dict.fromkeys(uids, _UNKNOWN)
        with contextlib.suppress(InboxLied, InboxUnreachable):
            return told | self._again(view).sizes(uids)
        # One bad answer must not take the whole batch along; but where it is not one message that
        # fails, the server is not asked, nor logged in to, for each of them.
        failed = 0
        for uid in uids:
            try:
                told |= self._again(view).sizes([uid])
                failed = 0
            except (InboxLied, InboxUnreachable):
                # If the server is gone for good, opening the mailbox again says so.
                self._again(view)
                failed += 1
            if failed == _IN_A_ROW:
                break
        return told

    def _fetch(self, view: View, chunk: Mapping[int, int]) -> tuple[dict[int, bytes], list[int]]:
        """Return the bodies, and in ascending order the UIDs the server lists but will not give."""
        bodies: dict[int, bytes] = {}
        # One without a size comes by itself: how long is long enough for the whole, nobody knows.
        known = {uid: size for uid, size in chunk.items() if size != _UNKNOWN}
        if 0 <= max(known.values(), default=-1) <= self._huge:
            try:
                bodies = self._again(view).bodies(list(known), sum(known.values()))
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
        self._patience.note(view, chunk, missing)
        return bodies, missing

    def _one(self, view: View, uid: int, size: int) -> bytes | None:
        """Fetch one message by itself; None when the server gives nothing or breaks off."""
        try:
            line = self._again(view)
            in_pieces = size == _UNKNOWN or size > self._huge
            body = line.body_in_pieces(uid) if in_pieces else None
            if body is None:
                # Where nothing is known of it, as long as for the largest batch.
                patience = int(self._batch) if size == _UNKNOWN else size
                body = line.bodies([uid], patience).get(uid)
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
            # Else the next to ask would take this line for one with the mailbox as it was.
            self._line = None
            line.close()
            raise InboxUnreachable(f"{self._access.who}, mailbox renumbered while it was read")
        return line

    def _arrivals(self, at: View | Listing, bodies: Mapping[int, bytes]) -> tuple[Arrival, ...]:
        self._afterwards.hand_over(at, bodies)
        return tuple(_arrival(self, at, uid, bodies[uid]) for uid in sorted(bodies))


def _arrival(inbox: ImapInbox, at: View | Listing, uid: int, content: bytes) -> Arrival:
    position = Position(inbox.name, at.mailbox, at.epoch, str(uid))
    return Arrival(position, inbox.channel, "message/rfc822", content)


def _look(view: View) -> tuple[str, int]:
    return view.epoch, view.exists if view.uid_next is None else view.uid_next


def _start(line: Line, view: View, cursor: Cursor | None) -> Place:
    """Return the place to go on from; the very start where the cursor cannot be trusted."""
    place = Place.read(cursor.uid) if cursor is not None else None
    if cursor is None or place is None or cursor.epoch != view.epoch:
        return Place(0)
    if view.uid_next is None:
        return place if line.last() >= place.reached else Place(0)
    return place if view.uid_next > place.reached else Place(0)


def _by_weight(sizes: Mapping[int, int], limit: float) -> Iterator[dict[int, int]]:
    chunk: dict[int, int] = {}
    for uid in sorted(sizes):
        if chunk and sum(chunk.values()) + sizes[uid] > limit:
            yield chunk
            chunk = {}
        chunk[uid] = sizes[uid]
    if chunk:
        yield chunk
