"""Delivery reports as mail servers write them, about a mail whose Message-ID the test chooses."""

import base64
from collections.abc import Callable

OURS = (
    "From: Front desk <desk@clinic.example>\r\nTo: pat1@example.org\r\n"
    "Message-ID: {id}\r\nSubject: Re: hello\r\n"
)
HEAD = (
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\n"
    "To: desk@clinic.example\r\nMessage-ID: <report{n}@mx.example.net>\r\n"
)
FIELDS = (
    "Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; pat1@example.org\r\n"
    "Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}\r\n"
)


def report(
    message_id: str,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    said: str = "550 refused",
    returned: str = "message/rfc822",
    n: int = 1,
) -> bytes:
    """Return a report with fields, as Postfix, Exchange and most others write it."""
    fields = FIELDS.format(action=action, status=status, said=said)
    words = "This is the mail system. I am sorry.\r\n"
    body = (
        f"--b\r\nContent-Type: text/plain\r\n\r\n{words}\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}\r\n"
        f"--b\r\nContent-Type: {returned}\r\n\r\n{OURS.format(id=message_id)}\r\n"
        "The words we sent.\r\n--b--\r\n"
    )
    head = HEAD.format(n=n) + "Auto-Submitted: auto-replied\r\nSubject: Delivery Status\r\n"
    kind = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    return (head + kind + body).encode()


def headers_only(message_id: str, *, status: str = "5.1.1", n: int = 1) -> bytes:
    """Return a report that gives back the headers only."""
    return report(message_id, status=status, returned="text/rfc822-headers", n=n)


def packed(message_id: str, *, status: str = "5.1.1", n: int = 1) -> bytes:
    """Return a report whose parts are in base64."""
    fields = base64.encodebytes(FIELDS.format(action="failed", status=status, said="-").encode())
    ours = base64.encodebytes(OURS.format(id=message_id).encode())
    encoded = b"Content-Transfer-Encoding: base64\r\n\r\n"
    head = HEAD.format(n=n) + "Subject: Undeliverable: Re: hello\r\n"
    return b"".join(
        (
            (head + "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n").encode(),
            b"Content-Type: message/delivery-status\r\n" + encoded + fields,
            b"--b\r\nContent-Type: text/rfc822-headers\r\n" + encoded + ours + b"--b--\r\n",
        )
    )


def letter(message_id: str, *, status: str = "5.1.1", n: int = 1) -> bytes:
    """Return a report in words only, as qmail writes it."""
    words = (
        "Hi. This is the qmail-send program at mx.example.net.\r\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n"
        f"<pat1@example.org>:\r\nRemote host said: 550 sorry (#{status})\r\n\r\n"
        "--- Below this line is a copy of the message.\r\n\r\n"
    )
    head = HEAD.format(n=n) + "Subject: failure notice\r\n\r\n"
    return (head + words + OURS.format(id=message_id) + "\r\nThe words we sent.\r\n").encode()


def quoted(message_id: str, *, status: str = "5.1.1", n: int = 1) -> bytes:
    """Return a report in words whose copy is quoted, as some gateways write it."""
    copy = "\r\n".join(f"> {line}" for line in OURS.format(id=message_id).splitlines())
    words = f"Your message could not be delivered: {status}\r\n\r\n{copy}\r\n"
    head = HEAD.format(n=n) + "X-Failed-Recipients: pat1@example.org\r\nSubject: Mail\r\n\r\n"
    return (head + words).encode()


def in_spanish(message_id: str, *, status: str = "5.1.1", n: int = 1) -> bytes:
    """Return a report in Spanish words."""
    words = f"No se ha podido entregar el mensaje. Error {status}.\r\n\r\n"
    head = HEAD.format(n=n) + "Subject: Correo devuelto\r\n\r\n"
    return (head + words + OURS.format(id=message_id)).encode()


SHAPES: tuple[Callable[..., bytes], ...] = (
    report,
    headers_only,
    packed,
    letter,
    quoted,
    in_spanish,
)
#: Codes of a failure and the reason a secretary is told.
STATUSES = {
    "5.1.1": "no_mailbox",
    "5.2.2": "mailbox_full",
    "5.3.4": "too_large",
    "5.7.1": "refused",
    "5.4.7": "unreachable",
}
