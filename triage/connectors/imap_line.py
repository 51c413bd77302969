"""One connection to a mailbox server that can only look.

Rule of the room: the four verbs are EXAMINE, SEARCH, FETCH with BODY.PEEK and IDLE; nothing here
can mark, move or delete. What the server says reaches no log, because it is patient text.
"""

import contextlib
import imaplib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from triage.connectors.imap_answers import fetch_named
from triage.connectors.imap_resync import enable_resync, resync
from triage.connectors.mail_tokens import Tokens, read_tokens
from triage.connectors.options import Options
from triage.connectors.tls import read_security
from triage.errors import InboxLied, InboxRefused, InboxUnreachable

#: Above this many messages the list of UIDs is asked for in windows: imaplib refuses lines of 1 MB.
_WINDOW = 50_000
#: A mailbox with this share of its quota used turns the next large mail away.
_FULL = 0.95
_PIECE = 4 * 1024 * 1024
#: The slowest line that is still worth waiting for, in bytes a second.
_SLOWEST = 32 * 1024

for _chatty in ("imapclient.imapclient", "imapclient.imaplib"):
    # At level DEBUG the library logs whole messages; no level of ours may ever switch that on.
    logging.getLogger(_chatty).addFilter(lambda record: record.levelno > logging.DEBUG)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server is and how to log in."""

    who: str
    host: str
    port: int
    user: str
    auth: str
    security: str
    context: ssl.SSLContext | None
    timeout: float
    secret: str = field(repr=False)
    #: Where access tokens come from; None where the secret is the password or the token.
    tokens: Tokens | None = field(default=None, repr=False)


def read_access(options: Options, secret: str, clock: Callable[[], float]) -> Access:
    """Read `host`, `port`, `user`, `security`, `auth` and `timeout_seconds` from settings."""
    host = options.text("host")
    security, context = read_security(options, host)
    auth = options.one_of("auth", ["password", "xoauth2", "oauthbearer"])
    timeout = options.number("timeout_seconds", 30, least=0.1, most=600)
    return Access(
        who=options.who,
        host=host,
        port=options.whole("port", 993 if security == "tls" else 143, least=1, most=65535),
        user=options.text("user"),
        auth=auth,
        security=security,
        context=context,
        timeout=timeout,
        secret=secret,
        tokens=read_tokens(options, secret, timeout, clock) if auth != "password" else None,
    )


@dataclass(frozen=True, slots=True)
class View:
    """A mailbox as EXAMINE showed it."""

    mailbox: str
    #: UIDVALIDITY, never empty and never zero.
    epoch: str
    #: None when the server leaves it out; then nothing is concluded from it.
    uid_next: int | None
    exists: int
    #: HIGHESTMODSEQ; None where the server keeps none (no CONDSTORE).
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What QRESYNC says happened in a mailbox since a moment we name."""

    view: View
    #: Arrived, or changed otherwise.
    touched: frozenset[int]
    vanished: frozenset[int]


class Line:
    """A logged-in connection; every failure is one of the three Inbox errors and ends the line."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client: Any = None
        with self._translated():
            self._client = _open(access)
        #: Whether the server tells what vanished, so that not all is listed anew each time.
        self._resync = False
        with self._speaking():
            self._log_in()
            self._resync = enable_resync(self._client)

    @property
    def stands(self) -> bool:
        """Whether no failure has ended this line yet."""
        return self._client is not None

    @property
    def can_idle(self) -> bool:
        """Whether the server tells of new mail by itself."""
        with self._speaking():
            return bool(self._client.has_capability("IDLE"))

    @property
    def can_resync(self) -> bool:
        """Whether the server tells what vanished since we last looked."""
        return self._resync

    @property
    def can_move(self) -> bool:
        """Whether the server moves messages in one step."""
        with self._speaking():
            return bool(self._client.has_capability("MOVE"))

    def mailboxes(self) -> list[str]:
        """Return the names of the mailboxes this account sees."""
        with self._speaking():
            return sorted(str(name) for _, _, name in self._client.list_folders())

    def full(self, mailbox: str) -> bool:
        """Say whether the server's quota leaves hardly any room; without quotas it never does."""
        with self._speaking():
            if not self._client.has_capability("QUOTA"):
                return False
            _, quotas = self._client.get_quota_root(mailbox)
            return any(one.limit and one.usage >= _FULL * one.limit for one in quotas)

    def alive(self) -> bool:
        """Ask whether the line still stands."""
        try:
            with self._speaking():
                self._client.noop()
        except (InboxUnreachable, InboxLied):
            return False
        return True

    def examine(self, mailbox: str) -> View:
        """Open `mailbox` read-only; InboxRefused if there is none, InboxLied without epoch."""
        with self._speaking():
            try:
                answer = self._client.select_folder(mailbox, readonly=True)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                raise InboxRefused(f"{self._access.who}, mailbox {mailbox}") from None
            return self._view(mailbox, answer)

    def changes(self, since: View) -> Change | None:
        """Open the mailbox and return what changed since `since`; None where nobody can say.

        Needs QRESYNC (RFC 7162), which was enabled at log-in where the server offers it.
        """
        if not self._resync or not since.modseq:
            return None
        with self._speaking():
            answer = resync(self._client, since.mailbox, since.epoch, since.modseq)
            view = self._view(since.mailbox, answer.opened)
            went_back = view.modseq is None or view.modseq < since.modseq
            if view.epoch != since.epoch or went_back:
                return None
            return Change(view, answer.touched, answer.vanished)

    def _view(self, mailbox: str, answer: Any) -> View:
        epoch = answer.get(b"UIDVALIDITY") or 0
        if epoch <= 0:
            raise InboxLied(f"{self._access.who}, mailbox without UIDVALIDITY")
        exists, modseq = int(answer[b"EXISTS"]), answer.get(b"HIGHESTMODSEQ") or None
        return View(mailbox, str(epoch), answer.get(b"UIDNEXT"), exists, modseq)

    def search(self, low: int, high: int | None, *, without: str = "") -> list[int]:
        """Return the UIDs that exist in [low, high], ascending; None means no upper end.

        With a keyword in `without`, only those that do not have it.
        """
        with self._speaking():
            words = ["UID", f"{low}:{'*' if high is None else high}"]
            found = self._client.search([*words, *(["UNKEYWORD", without] if without else [])])
            # `n:*` always returns the last message, even when its UID is below n.
            return sorted({uid for uid in found if low <= uid and (high is None or uid <= high)})

    def uids(self, view: View, after: int) -> Iterator[list[int]]:
        """Yield every UID above `after`, ascending, in lists short enough for one answer."""
        low = after + 1
        if view.exists > _WINDOW and view.uid_next is not None:
            while low + _WINDOW < view.uid_next:
                yield self.search(low, low + _WINDOW - 1)
                low += _WINDOW
        found = self.search(low, None)
        if after == 0 and low == 1 and view.exists > 0 and not found:
            raise InboxLied(f"{self._access.who}, messages counted but not listed")
        yield found

    def newest(self, reached: int, count: int) -> frozenset[str]:
        """Return the highest `count` UIDs there are up to `reached`, as far as one window holds."""
        high, found = reached, list[int]()
        while high > 0 and not found:
            low = max(1, high - _WINDOW + 1)
            found, high = self.search(low, high), low - 1
        return frozenset(map(str, found[-count:]))

    def last(self) -> int:
        """Return the highest UID there is, 0 in an empty mailbox."""
        with self._speaking():
            return max(self._client.search(["UID", "*"]), default=0)

    def present(self, uids: Sequence[int]) -> set[int]:
        """Return those of `uids` that still exist."""
        with self._speaking():
            listed = ",".join(str(uid) for uid in uids)
            return set(self._client.search(["UID", listed])) & set(uids)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return uid -> size in bytes as the server claims it; what it left out is missing."""
        with self._speaking():
            answer = fetch_named(self._client, uids, "RFC822.SIZE")
            found = {uid: answer.get(uid, {}).get(b"RFC822.SIZE") for uid in uids}
        return {uid: size for uid, size in found.items() if isinstance(size, int)}

    def bodies(self, uids: Sequence[int], size: int) -> dict[int, bytes]:
        """Return uid -> the server's own bytes; whatever the server left out is not in it.

        `size` is the expected total in bytes and only sets how long we are patient.
        """
        with self._speaking(self._access.timeout * 2 + size / _SLOWEST):
            answer = fetch_named(self._client, uids, "BODY.PEEK[]")
            found = {uid: answer.get(uid, {}).get(b"BODY[]") for uid in uids}
        return {uid: body for uid, body in found.items() if isinstance(body, bytes)}

    def body_in_pieces(self, uid: int) -> bytes | None:
        """Return one huge message piece by piece, so that a slow line makes progress; else None."""
        whole = bytearray()
        while True:
            with self._speaking(self._access.timeout * 2 + _PIECE / _SLOWEST):
                answer = fetch_named(self._client, [uid], f"BODY.PEEK[]<{len(whole)}.{_PIECE}>")
                piece = answer.get(uid, {}).get(f"BODY[]<{len(whole)}>".encode())
            if not isinstance(piece, bytes):
                return None
            whole += piece
            if len(piece) < _PIECE:
                return bytes(whole)

    def idle(self, seconds: float) -> bool:
        """Listen for up to `seconds`; True as soon as a message is announced."""
        with self._speaking(seconds + self._access.timeout * 2):
            self._client.idle()
            heard = self._client.idle_check(timeout=seconds)
            _, late = self._client.idle_done()
            return any(len(item) > 1 and item[1] == b"EXISTS" for item in [*heard, *late])

    def close(self) -> None:
        """Say good-bye if the server still listens, and let go; safe to call twice."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(Exception):
            client.socket().settimeout(2)
            client.logout()
        with contextlib.suppress(Exception):
            client.shutdown()

    def cut(self) -> None:
        """Break the line from another thread; whoever is reading gets InboxUnreachable."""
        client = self._client
        with contextlib.suppress(Exception):
            # The plain method: that of a TLS socket would first take the encryption away.
            socket.socket.shutdown(client.socket(), socket.SHUT_RDWR)

    def _log_in(self) -> None:
        tokens = self._access.tokens
        if tokens is None:
            self._authenticate(self._access.secret)
            return
        token = tokens.token()
        try:
            self._authenticate(token)
        except InboxRefused:
            # The server may have dropped a token before its time; a new one gets one try.
            tokens.forget()
            self._authenticate(tokens.token())

    def _authenticate(self, secret: str) -> None:
        access, client = self._access, self._client
        try:
            if access.auth == "xoauth2":
                client.oauth2_login(access.user, secret)
            elif access.auth == "oauthbearer":
                client.oauthbearer_login(access.user, secret)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(access.user, secret)
            else:
                client.login(f'"{_quoted(access.user)}"', secret)
        except imaplib.IMAP4.error as error:
            # imapclient wraps everything in LoginError; a broken line is not a wrong password.
            if isinstance(error.__context__, imaplib.IMAP4.abort) or "[UNAVAILABLE]" in str(error):
                raise InboxUnreachable(access.who) from None
            raise InboxRefused(access.who) from None

    @contextlib.contextmanager
    def _speaking(self, seconds: float | None = None) -> Iterator[None]:
        """Cut the line when the block takes longer than `seconds`: a drip is no answer either."""
        if not self.stands:
            raise InboxUnreachable(self._access.who)
        timer = threading.Timer(seconds or self._access.timeout * 2, self.cut)
        timer.daemon = True
        timer.start()
        try:
            with self._translated():
                yield
        finally:
            timer.cancel()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn every way a server can fail into an Inbox error; all but a refusal end the line."""
        try:
            yield
        except InboxRefused:
            raise
        except (InboxUnreachable, InboxLied):
            self._drop()
            raise
        except (imaplib.IMAP4.abort, OSError) as error:
            self._drop()
            # `from None`: the library's error quotes the server, and the server quotes patients.
            raise InboxUnreachable(f"{self._access.who} ({type(error).__name__})") from None
        except (imaplib.IMAP4.error, *_UNREADABLE) as error:
            self._drop()
            raise InboxLied(f"{self._access.who} ({type(error).__name__})") from None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.shutdown()


#: What the library raises on answers that make no sense.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _open(access: Access) -> Any:
    from imapclient import IMAPClient

    client = IMAPClient(
        access.host,
        port=access.port,
        ssl=access.security == "tls",
        ssl_context=access.context,
        timeout=access.timeout,
    )
    if access.security == "starttls":
        try:
            client.starttls(access.context)
        except BaseException:
            client.shutdown()
            raise
    return client
