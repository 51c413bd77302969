"""Safety-bar 42: a server or a message that names another address never gets us to go there.

Both forms run more than 120 addresses as base address, next link, redirect and Attachment.url;
listeners on loopback under every spelling of it hear nothing but the one allowed server.
"""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from tests.liars import Listener
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_client import Nonsense
from triage.drafting.endpoint import Endpoint
from triage.errors import BadSettings, TriageError
from triage.parsing.portal import read_portal

pytestmark = pytest.mark.bar(42)

HOSTS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "017700000001", "0x7f.0.0.1",
    "0177.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0",
    "[::]", "localhost.", "localhost", "LOCALHOST", "①②⑦.⓪.⓪.①", "127。0。0。1", "127.0.0.1.nip.io",
    "169.254.169.254", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]", "metadata.google.internal",
    "10.0.0.1", "192.168.0.1", "evil.example", "127.0.0.1%00.evil.example",
)  # fmt: skip
SHAPES = (
    "http://{host}:{port}/stolen", "//{host}:{port}/fhir/x", "http://{host}:{port}/fhir/../stolen",
    "http://user@{host}:{port}/fhir/x",
)  # fmt: skip
MORE = (
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/fhir/x",
    "http://127.0.0.1:{port}\\@evil.example/fhir/x", "http://127.0.0.1:{port}#@evil.example/",
    "javascript:alert(1)", "data:application/json,{{}}", "dict://127.0.0.1:{port}/x", "http:///x",
    "http://127.0.0.1:{port}/fhir/%2e%2e/stolen", "jar:http://127.0.0.1:{port}/x!/", "\thttp://0/",
)  # fmt: skip
ADDRESSES = [shape.replace("{host}", host) for host in HOSTS for shape in SHAPES] + list(MORE)


class Portal(Listener):
    """A FHIR server that answers every search the way a test tells it to."""

    def __init__(self) -> None:
        self.next, self.location, self.asked = "", "", list[str]()
        super().__init__()

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        head = b""
        while (part := words.readline()) not in (b"\r\n", b""):
            head += part
        self.asked.append(head.split(b"\r\n")[0].decode())
        links = [{"relation": "next", "url": self.next}] if self.next else []
        body = json.dumps({"resourceType": "Bundle", "entry": [], "link": links}).encode()
        status = "302 Found" if self.location else "200 OK"
        more = f"Location: {self.location}\r\n" if self.location else ""
        line.sendall(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}"
            "Connection: close\r\n\r\n".encode() + body
        )  # fmt: skip


class Trap(Listener):
    """Listens where nobody of ours may ever come."""

    def talk(self, line: socket.socket, words: BinaryIO) -> None:
        words.readline()


@pytest.fixture
def trap() -> Iterator[Trap]:
    with Trap() as listening:
        yield listening


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object]]:
    """Return every (host, port) that somebody asks the resolver for."""
    asked: list[tuple[object, object]] = []
    honest = socket.getaddrinfo

    def resolve(host: object, port: object, *rest: object, **more: object) -> object:
        asked.append((host, port))
        return honest(host, port, *rest, **more)  # type: ignore[arg-type]  # Passed on as they came.

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_there_are_enough_addresses() -> None:
    assert len(set(ADDRESSES)) >= 120


@pytest.mark.parametrize("how", ["next", "location"])
def test_no_link_and_no_redirect_is_followed_elsewhere(
    trap: Trap, looked_up: list[tuple[object, object]], how: str
) -> None:
    with Portal() as portal:
        settings = {"name": "p", "base_url": f"http://127.0.0.1:{portal.port}/fhir"}
        inbox = FhirInbox(settings, "", sleep=lambda _: None)
        for address in ADDRESSES:
            setattr(portal, how, address.replace("{port}", str(trap.port)))
            portal.asked.clear()
            with contextlib.suppress(TriageError):
                list(inbox.deliveries({}))
            assert 1 <= len(portal.asked) <= 8
            assert all(line.startswith("GET /fhir/Communication?") for line in portal.asked)
    assert trap.connections == 0
    assert set(looked_up) <= {("127.0.0.1", portal.port)}


def test_a_client_that_follows_redirects_is_seen_to_fall_into_the_trap(trap: Trap) -> None:
    import httpx

    with Portal() as portal, httpx.Client(timeout=2, follow_redirects=True) as client:
        portal.location = f"http://127.0.0.1:{trap.port}/stolen"
        with contextlib.suppress(httpx.HTTPError, NotImplementedError):
            client.get(f"http://127.0.0.1:{portal.port}/fhir/Communication")
        assert trap.connections == 1


def test_no_base_address_leads_to_another_machine_in_plain_text(trap: Trap) -> None:
    for address in ADDRESSES:
        url = address.replace("{port}", str(trap.port)).strip()
        loopback = re.match(r"http://(127\.\d+\.\d+\.\d+|\[::1\]|localhost):\d+/", url, re.I)
        for make in (
            lambda where=url: FhirInbox({"name": "p", "base_url": where}, ""),
            lambda where=url: Endpoint.of({"base_url": where, "model": "m"}),
        ):
            if not loopback:
                with pytest.raises(BadSettings):
                    make()
    assert trap.connections == 0


def test_what_an_attachment_points_to_is_never_fetched(
    trap: Trap, looked_up: list[tuple[object, object]]
) -> None:
    for address in ADDRESSES:
        url = address.replace("{port}", str(trap.port))
        attachment = {"contentType": "text/html", "url": url, "title": "form"}
        html = f"<p>words</p><img src='{url}'><link rel=stylesheet href='{url}'>"
        read_portal(
            json.dumps(
                {
                    "resourceType": "Communication",
                    "payload": [{"contentAttachment": attachment}, {"contentString": html}],
                    "sender": {"reference": url},
                }
            ).encode()
        )
    assert trap.connections == 0
    assert looked_up == []


def test_an_address_within_the_base_is_still_followed() -> None:
    with Portal() as portal:
        settings = {"name": "p", "base_url": f"http://127.0.0.1:{portal.port}/fhir"}
        client = FhirInbox(settings, "")._client
        assert client.within("Communication?page=2").endswith("/fhir/Communication?page=2")
        with pytest.raises(Nonsense):
            client.within("/stolen")
