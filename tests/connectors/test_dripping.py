"""A server that drips, byte by byte, holds nobody up for longer than a step may take."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import BinaryIO

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing, portal
from tests.liars import Listener
from triage.connectors.fhir_auth import read_credentials
from triage.connectors.fhir_client import FhirClient, Unreachable
from triage.connectors.fhir_outbox import FhirOutbox
from triage.connectors.options import Options
from triage.connectors.smtp import SmtpOutbox
from triage.errors import SendPostponed, SendUncertain

pytestmark = [pytest.mark.bar(20), pytest.mark.bar(21)]
#: One read may take so long, and a step three times as long; the server would go on for LONG.
TIMEOUT, LONG = 0.15, 4.0
ENOUGH = 2.0
EMPTY = b'{"resourceType": "Bundle", "type": "searchset"}'


class Dripping(Listener):
    """Says what it is told to for each request, then drips a header that never ends."""

    def __init__(self, first: bytes, *answers: bytes) -> None:
        self._first, self._answers = first, list(answers)
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        if self._answers:
            while words.readline() not in (b"\r\n", b""):
                pass
            line.sendall(self._answers.pop(0))
            return
        line.sendall(self._first)
        end = time.monotonic() + LONG
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                line.sendall(b"x")
                time.sleep(0.02)


def answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nConnection: close\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def fhir(server: Dripping) -> dict[str, object]:
    base = f"http://127.0.0.1:{server.port}/fhir"
    return {"name": "portal", "base_url": base, "auth": "none", "timeout_seconds": TIMEOUT}


def took(step: Callable[[], object], expected: type[Exception]) -> float:
    began = time.monotonic()
    with pytest.raises(expected):
        step()
    return time.monotonic() - began


@pytest.mark.parametrize("security", ["plain", "starttls"])
def test_a_mail_server_that_drips_its_greeting_is_cut_off(security: str) -> None:
    with Dripping(b"220-") as server:
        settings = {
            "name": "mail-out", "host": "127.0.0.1", "port": server.port, "security": security,
            "sender": "desk@clinic.example", "timeout_seconds": TIMEOUT,
        }  # fmt: skip
        outbox, words = SmtpOutbox(settings, ""), outgoing()
        how = {"message_id": MESSAGE_ID}
        assert took(lambda: outbox.send(approve(words), words, **how), SendPostponed) < ENOUGH


def test_a_portal_that_drips_its_headers_is_cut_off_before_anything_is_created() -> None:
    with Dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as server:
        outbox, words = FhirOutbox(fhir(server), ""), portal()
        how = {"message_id": MESSAGE_ID}
        assert took(lambda: outbox.send(approve(words), words, **how), SendPostponed) < ENOUGH


def test_a_portal_that_drips_after_the_words_were_handed_over_leaves_it_to_a_person() -> None:
    with Dripping(b"HTTP/1.1 201 Created\r\nX-Long: ", answer(EMPTY)) as server:
        outbox, words = FhirOutbox(fhir(server), "", sleep=lambda _: None), portal(in_reply_to="")
        how = {"message_id": MESSAGE_ID}
        # Once for the words themselves, and three times for the look whether they are there.
        assert took(lambda: outbox.send(approve(words), words, **how), SendUncertain) < 2 * ENOUGH


def test_a_line_that_was_idle_is_cut_as_well() -> None:
    """An inbox asks again on the line it has: no event says which that is."""
    whole = answer(EMPTY).replace(b"Connection: close\r\n", b"")

    class Twice(Dripping):
        def talk(self, line: socket.socket, words: BinaryIO) -> None:
            super().talk(line, words)
            # Whoever speaks before being asked is left at once for another line.
            while words.readline() not in (b"\r\n", b""):
                pass
            super().talk(line, words)

    with Twice(b"HTTP/1.1 200 OK\r\nX-Long: ", whole) as server:
        options = Options(fhir(server), "inbox")
        client = FhirClient(options, read_credentials(options, "", scope=""), sleep=lambda _: None)
        assert client.get("Communication").status == 200
        client._attempts = 1
        assert took(lambda: client.get("Communication"), Unreachable) < ENOUGH
        assert server.connections == 1
        client.close()
