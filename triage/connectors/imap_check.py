"""Tries one IMAP account step by step and says in plain words what works and what to mend.

Rule of the room: a step that fails says which setting to look at; no secret is sent before the
certificate was verified, and nothing the server says about mail is repeated.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence

from triage.connectors.imap_line import Access, Line
from triage.connectors.imap_marks import Afterwards, WritingLine
from triage.errors import InboxLied, InboxRefused, InboxUnreachable, TriageError

#: Mailboxes named where one is missing.
_NAMED = 20


class _Stop(Exception):
    """What to mend before anything further can be tried."""


def examine(
    access: Access, mailboxes: Sequence[str], afterwards: Afterwards, poll: float
) -> Iterator[str]:
    """Yield what was found, one sentence or two a line."""
    try:
        yield _reach(access)
        yield _encrypt(access)
        line = _log_in(access)
    except _Stop as trouble:
        yield str(trouble)
        return
    with contextlib.closing(line):
        yield f"Logged in as {access.user}."
        yield from _abilities(line, poll)
        for mailbox in mailboxes:
            yield _look_into(line, mailbox)
    if afterwards.what != "nothing":
        yield from _writing(access, mailboxes, afterwards)


def _reach(access: Access) -> str:
    place = f"{access.host}, port {access.port}"
    try:
        socket.create_connection((access.host, access.port), access.timeout).close()
    except socket.gaierror:
        raise _Stop(f"The name {access.host} is not known. Mend `host`, or the DNS.") from None
    except TimeoutError:
        raise _Stop(
            f"{place} does not answer within {access.timeout:g} seconds. Look at `host`, `port`"
            " and the firewall."
        ) from None
    except OSError:
        raise _Stop(
            f"Nothing listens at {place}. Mend `port` (993 with tls, 143 with starttls) or `host`."
        ) from None
    return f"{place} answers."


def _encrypt(access: Access) -> str:
    try:
        with socket.create_connection((access.host, access.port), access.timeout) as line:
            if access.context is None:
                _greeted(line)
                return "The line is not encrypted; that is allowed on this machine only."
            if access.security == "starttls":
                _ask_for_tls(line)
            with access.context.wrap_socket(line, server_hostname=access.host) as secure:
                if access.security == "tls":
                    _greeted(secure)
                return f"The line is encrypted ({secure.version()}) and the certificate is good."
    except ssl.SSLCertVerificationError as trouble:
        raise _Stop(
            f"The server's certificate is not good: {trouble.verify_message}. Nothing was sent."
            " Ask its administrator; for a private authority give `ca_file`; or mend `host`."
        ) from None
    except ssl.SSLError:
        raise _Stop(
            f"The server does not speak TLS on port {access.port} as `security ="
            f' "{access.security}"` expects. With port 993 use "tls", with 143 "starttls".'
        ) from None
    except OSError as trouble:
        raise _Stop(
            f"The line broke at once ({type(trouble).__name__}). Look at `port` and `security`."
        ) from None


def _greeted(line: socket.socket) -> None:
    if not line.makefile("rb").readline(1000).startswith((b"* OK", b"* PREAUTH")):
        raise _Stop("This is not an IMAP server that lets anybody in. Mend `host` and `port`.")


def _ask_for_tls(line: socket.socket) -> None:
    _greeted(line)
    words = line.makefile("rwb")
    words.write(b"a STARTTLS\r\n")
    words.flush()
    answer = words.readline(1000)
    while answer.startswith(b"*"):
        answer = words.readline(1000)
    if not answer.startswith(b"a OK"):
        raise _Stop('The server offers no STARTTLS. Use `security = "tls"` and port 993.')


def _log_in(access: Access) -> Line:
    try:
        return Line(access)
    except InboxRefused as trouble:
        if "token" in str(trouble):
            raise _Stop(
                f"The token address refused ({trouble}). Look at `token_url`, `client_id`, `scope`"
                " and the secret; a refresh token may have been revoked or have run out."
            ) from None
        what = "the password" if access.auth == "password" else "the token or its rights"
        raise _Stop(
            f"The server refused {access.user}. Look at `user`, {what}, and whether IMAP is"
            " switched on for this account."
        ) from None
    except InboxUnreachable as trouble:
        raise _Stop(f"Nobody could log in: {trouble}") from None
    except InboxLied:
        raise _Stop("What answers does not speak IMAP. Mend `host` and `port`.") from None


def _abilities(line: Line, poll: float) -> Iterator[str]:
    if not line.can_idle:
        yield f"The server has no IDLE; it is asked every {poll:g} seconds."
    if not line.can_resync:
        yield "The server has no QRESYNC; each comparison lists the whole mailbox, which works."


def _look_into(line: Line, mailbox: str) -> str:
    try:
        view = line.examine(mailbox)
    except InboxRefused:
        there = line.mailboxes()
        more = " and others" if len(there) > _NAMED else ""
        return (
            f"Mailbox {mailbox}: the account may not open it or there is none. Mend `mailboxes`;"
            f" the server has {', '.join(there[:_NAMED])}{more}."
        )
    except InboxLied:
        return (
            f"Mailbox {mailbox}: the server gives no UIDVALIDITY, so mails cannot be told apart."
            " triage stops here rather than skip one. Ask the server's administrator."
        )
    except TriageError as trouble:
        return f"Mailbox {mailbox}: {trouble}"
    return f"Mailbox {mailbox}: {view.exists} messages, opened read-only."


def _writing(access: Access, mailboxes: Sequence[str], afterwards: Afterwards) -> Iterator[str]:
    try:
        with contextlib.closing(WritingLine(access)) as line:
            there = line.mailboxes()
            for mailbox in (one for one in mailboxes if one in there):
                line.open(mailbox)
            if afterwards.what == "move" and not line.can_move:
                yield 'The server has no MOVE. Use `after_storing = "keyword"` or "nothing".'
            elif afterwards.what == "move" and afterwards.target not in there:
                yield f"There is no mailbox {afterwards.target}. Make it, or mend `move_to`."
            else:
                yield f"Stored mail will be changed there: {afterwards.what}."
    except InboxRefused as trouble:
        yield f'{trouble} For `after_storing = "{afterwards.what}"` the account needs to write.'
    except TriageError as trouble:
        yield str(trouble)
