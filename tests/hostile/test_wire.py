"""Safety-bar 37: whatever stands in a field, the bytes on the wire are one message, ours.

Short form: 400 payloads, each in one of the fields. Long form (TRIAGE_LONG=1): each in every field.
The bytes are caught as they leave and read again; the oracle is a composer as most people write it.
"""

import contextlib
import itertools
import json
import re
import socket
from collections.abc import Iterator
from email import message_from_bytes
from typing import BinaryIO

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing, portal
from tests.hostile.vectors import line_feeds
from tests.liars import Listener
from tests.sizes import LONG
from triage.connectors import smtp
from triage.connectors.fhir_outbox import FhirOutbox
from triage.connectors.smtp import SmtpOutbox
from triage.errors import BadSettings, SendRefused, TriageError

pytestmark = [pytest.mark.bar(37), pytest.mark.timeout(2400 if LONG else 180)]
NAMES = [
    "Date", "From", "To", "Message-ID", "Subject", "In-Reply-To", "References", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip
BREAKS = (
    "\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029",
    "\n\r", "\r\r\n", "\r\x00\n", "\u010a", "\u010d", "\u560a", "\uff0a", "%0d%0a", "%0a", "\\r\\n",
    "&#10;", "=0A", "=0D=0A", "\t", "\x1b", "\x7f", "\u200b\n", "\r\n ",
)  # fmt: skip
EVIL = (
    "Bcc: eve@evil.example", "Cc: eve@evil.example", "To: eve@evil.example", "Subject: other",
    "Reply-To: eve@evil.example", "Content-Type: text/html", ".", "\r\nbody",
    "RCPT TO:<eve@evil.example>", ".\r\nMAIL FROM:<eve@evil.example>\r\nRCPT TO:<x@evil.example>",
)  # fmt: skip
WORDS = ("=0A", "=0D=0A", "=0D", "=00", "=0B", "=E2=80=A8", "=C2=85")
#: Ways to end a message too early for a server that counts line ends its own way.
SMUGGLED = [
    f"text{before}.{after}MAIL FROM:<eve@evil.example>{after}RCPT TO:<x@evil.example>{after}DATA"
    for before in ("\n", "\r", "\r\n", "\n\n", "\r\r", "\x00\n", "\n\x00", "\u2028", "\x85", "\x0b")
    for after in ("\n", "\r", "\r\n", "\r\r\n", "\n\x00", "\x0c")
]


def payloads() -> list[str]:
    """Return more than 400 different ways to break out of a field."""
    found = [f"x{gap}{evil}" for gap, evil in itertools.product(BREAKS, EVIL)]
    found += [
        f"=?{charset}?q?x{word}Bcc=3A_eve=40evil=2Eexample?="
        for charset, word in itertools.product(("utf-8", "iso-8859-1", "utf-7", "?"), WORDS)
    ]
    found += [
        f"=?utf-8?b?{packed}?="
        for packed in ("eApCY2M6IGV2ZUBldmlsLmV4YW1wbGU=", "eA0KQmNjOiBldmVAZXZpbC5leGFtcGxl")
    ]
    found += [*SMUGGLED, *line_feeds(), "x" * 5000, "é" * 3000, "word " * 800, " " * 300]
    found += ["." * 998, "a\n" * 2000, "x" * 996 + "\r\n.", '"a" <eve@evil.example>', "a@b, c@d"]
    return list(dict.fromkeys(found))


PAYLOADS = payloads()


class Ear(Listener):
    """Answers yes to everything and remembers every byte it was sent, in order."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        line.sendall(b"220 ear\r\n")
        whole = bytearray()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = len(self.heard)
        self.heard.append(b"")
        inside = False
        while command := words.readline():
            whole += command
            self.heard[at] = bytes(whole)
            if inside:
                inside = command != b".\r\n"
                if not inside:
                    line.sendall(b"250 taken\r\n")
                continue
            inside = command[:4].upper() == b"DATA"
            line.sendall(b"354 go on\r\n" if inside else b"250 yes\r\n")
            if command[:4].upper() == b"QUIT":
                return


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    # Nobody protests here, so there is no protest to wait for.
    monkeypatch.setattr(smtp, "_GRACE", 0.0)
    with Ear() as listening:
        yield listening


FIELDS = ("to", "subject", "body", "in_reply_to", "message_id", "sender", "sender_name")


def send(port: int, field: str, payload: str) -> None:
    """Send a reply whose `field` carries a payload, where the payload fits best."""
    settings: dict[str, object] = {
        "name": "out", "host": "127.0.0.1", "port": port, "security": "plain",
        "sender": "desk@clinic.example", "sender_name": "Clinic", "timeout_seconds": 5,
    }  # fmt: skip
    words, message_id = {}, MESSAGE_ID
    match field:
        case "to":
            words["to"] = f"pat@example.org{payload}"
        case "in_reply_to":
            words["in_reply_to"] = f"<q@example.org>{payload}"
        case "message_id":
            message_id = MESSAGE_ID + payload
        case "sender":
            settings["sender"] = f"desk@clinic.example{payload}"
        case "sender_name":
            settings["sender_name"] = payload
        case _:
            words[field] = payload
    reply = outgoing(**words)
    SmtpOutbox(settings, "").send(approve(reply), reply, message_id=message_id)


def faults(wire: bytes) -> list[str]:
    """Return what is wrong with one SMTP conversation as it was on the wire."""
    wrong = []
    head, _, rest = wire.partition(b"DATA\r\n")
    message, _, after = rest.partition(b"\r\n.\r\n")
    verbs = [line[:4] for line in head.split(b"\r\n") if line]
    if verbs != [b"ehlo", b"MAIL", b"RCPT"] or after not in (b"", b"quit\r\n", b"QUIT\r\n"):
        wrong.append("commands")
    if re.search(rb"RCPT TO:<(?!pat@example\.org>)", head):
        wrong.append("recipient")
    if re.search(rb"[^\x20-\x7e]", message.replace(b"\r\n", b"")) or b"\n." in message:
        wrong.append("line ends")
    names = message_from_bytes(message).keys()
    if names != NAMES and names != [name for name in NAMES if name not in NAMES[5:7]]:
        wrong.append("headers")
    if message_from_bytes(message).is_multipart() or max(map(len, message.split(b"\r\n"))) > 998:
        wrong.append("shape")
    return wrong


def attempts() -> Iterator[tuple[str, str]]:
    for number, payload in enumerate(PAYLOADS):
        yield from ((field, payload) for field in (FIELDS if LONG else [FIELDS[number % 7]]))


def test_no_payload_changes_what_is_on_the_wire(ear: Ear) -> None:
    assert len(PAYLOADS) >= 400
    sent = refused = 0
    for field, payload in attempts():
        before = len(ear.heard)
        try:
            send(ear.port, field, payload)
        except (SendRefused, BadSettings):
            refused += 1
            assert len(ear.heard) == before, (field, "was refused only after connecting")
            continue
        sent += 1
        (wire,) = ear.heard[before:]
        assert faults(wire) == [], (field, ascii(payload)[:80])
    # Both ways out were taken: a check that refuses everything would prove nothing.
    assert min(sent, refused) > 50


def test_the_check_is_seen_to_fail(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle: a composer that believes its fields lets other messages through."""

    def believing(letter: smtp.Letter) -> bytes:
        return (
            f"To: {letter.to.reveal()}\r\nSubject: {letter.subject.reveal()}\r\n\r\n"
            f"{letter.body.reveal()}\r\n"
        ).encode("utf-8", "replace")

    monkeypatch.setattr(smtp, "compose", believing)
    for payload in (f"x\r\n{EVIL[0]}", SMUGGLED[2], "plain"):
        for field in ("subject", "body"):
            before = len(ear.heard)
            with contextlib.suppress(TriageError):
                send(ear.port, field, payload)
            assert faults(ear.heard[before]) != []


class HttpEar(Listener):
    """Takes one HTTP request a line, remembers its bytes and says it was created."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        head = b""
        while (part := words.readline()) not in (b"\r\n", b""):
            head += part
        size = re.search(rb"(?i)content-length: (\d+)", head)
        body = words.read(int(size[1])) if size else b""
        if b"/metadata" in head:
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            return
        self.heard.append(head + b"\r\n" + body)
        line.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_no_payload_changes_what_a_portal_is_asked() -> None:
    sent = 0
    with HttpEar() as ear:
        settings = {"name": "portal", "base_url": f"http://127.0.0.1:{ear.port}/fhir"}
        outbox = FhirOutbox(settings, "")
        for number, payload in enumerate(PAYLOADS if LONG else PAYLOADS[::5]):
            field = ("to", "subject", "body", "in_reply_to", "message_id")[number % 5]
            reply = portal(**({} if field == "message_id" else {field: f"Patient/1{payload}"}))
            message_id = MESSAGE_ID + payload if field == "message_id" else MESSAGE_ID
            ear.heard.clear()
            try:
                outbox.send(approve(reply), reply, message_id=message_id)
            except SendRefused:
                assert ear.heard == []
                continue
            sent += 1
            asked, about, wire = ear.heard
            assert asked.startswith(b"GET /fhir/Communication?identifier=urn%3A"), asked[:60]
            assert about.startswith(b"GET /fhir/Communication?_id=c1 HTTP/1.1\r\n"), about[:60]
            head, _, body = wire.partition(b"\r\n\r\n")
            names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
            assert len(set(names)) == len(names) <= 9
            assert head.startswith(b"POST /fhir/Communication HTTP/1.1\r\n")
            assert b"\n" not in head.replace(b"\r\n", b"")
            resource = json.loads(body)
            assert resource["recipient"] == [{"reference": "Patient/p1"}]
            assert "Bcc" not in resource
    assert sent > 20
