"""Safety-bar 42: no name, link or redirect takes the portal's client off the list."""

import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import PASSWORD, FhirServer
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_allowed import Allowed, Elsewhere
from triage.connectors.options import Options
from triage.errors import BadSettings, InboxLied, InboxUnreachable

pytestmark = pytest.mark.bar(42)

#: Addresses inside a network, in every form a name server could answer with.
INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.7", "172.16.3.4", "172.31.255.1", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.5", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "::",
    "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::",
]  # fmt: skip
OUTSIDE = ["93.184.216.34", "2606:2800:220:1::1", "8.8.8.8"]
BASE = "https://portal.example/fhir"


def allowed(**settings: object) -> Allowed:
    return Allowed(Options({"name": "portal", "base_url": BASE, **settings}, "inbox"))


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(0, 0, 0, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_means_a_machine_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    answers(monkeypatch, address)
    with pytest.raises(Elsewhere):
        allowed().ways(f"{BASE}/Communication")
    answers(monkeypatch, OUTSIDE[0], address)
    with pytest.raises(Elsewhere):
        allowed().ways(f"{BASE}/Communication")


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    answers(monkeypatch, address)
    (way,) = allowed().ways(f"{BASE}/Communication?_count=1")
    host = f"[{address}]" if ":" in address else address
    assert way.url == f"https://{host}/fhir/Communication?_count=1"
    assert way.headers == {"Host": "portal.example"}
    assert way.extensions == {"sni_hostname": "portal.example"}


def test_a_clinics_own_network_is_reached_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("10.0.0.7", "192.168.1.1", "fd12::1"):
        answers(monkeypatch, address)
        assert allowed(network="private").ways(BASE)
    for address in ("127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "224.0.0.1", "fe80::1"):
        answers(monkeypatch, address)
        with pytest.raises(Elsewhere):
            allowed(network="private").ways(BASE)


class Listener:
    """Something on this machine that must never hear from us."""

    def __init__(self) -> None:
        self.calls = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            line.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.close()


def rebinding(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let a name mean another machine at every look-up; return the log of look-ups."""
    asked: list[str] = []
    real = socket.getaddrinfo
    turn = itertools.chain(addresses, itertools.repeat(addresses[-1]))

    def answer(host: Any, port: Any, *more: Any, **words: Any) -> Any:
        if host != "portal.example":
            return real(host, port, *more, **words)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(turn), port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def portal_on(port: int) -> FhirInbox:
    settings = {"name": "portal", "base_url": f"https://portal.example:{port}/fhir"}
    return FhirInbox({**settings, "timeout_seconds": 0.3}, PASSWORD, sleep=lambda _: None)


def test_a_name_that_changes_its_meaning_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    """192.0.2.1 stands in for the outside: the way to it is judged, then the name is bent."""
    asked = rebinding(monkeypatch, "127.0.0.1")
    with pytest.raises(InboxLied, match="inside the network"):
        list(portal_on(listener.port).deliveries({}))
    assert asked
    assert listener.calls == 0


def test_judging_a_name_and_then_connecting_to_it_is_seen_to_be_bent(
    monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    """The sabotage: judge the name, and let the library look it up a second time."""
    from triage.connectors.fhir_allowed import Way

    rebinding(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(Allowed, "ways", lambda _, url: [Way(url, {}, {})])
    with pytest.raises(InboxUnreachable):
        list(portal_on(listener.port).deliveries({}))
    assert listener.calls > 0


LINKS = [
    f"{scheme}{host}{path}"
    for scheme, host, path in itertools.product(
        ("http://", "https://", "//", "HTTP://"),
        ("127.0.0.1:{p}", "127.1:{p}", "2130706433:{p}", "0x7f000001:{p}", "0177.0.0.1:{p}",
         "[::1]:{p}", "[::ffff:127.0.0.1]:{p}", "localhost:{p}", "169.254.169.254", "0:{p}",
         "portal@127.0.0.1:{p}"),
        ("/fhir/Communication", "/latest/meta-data", "/"),
    )
]  # fmt: skip


def test_no_next_link_reaches_another_server(listener: Listener) -> None:
    """132 links, each as `next` of a page and as the place a redirect points to."""
    with FhirServer() as server:
        inbox = FhirInbox(server.settings, PASSWORD, sleep=lambda _: None)
        refused = 0
        for number, link in enumerate(LINKS):
            address = link.format(p=listener.port)
            if number % 2:
                server.fail("GET", status=302, headers={"Location": address})
            else:
                page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": address}]}
                server.fail("GET", body=page)
            try:
                assert list(inbox.deliveries({})) == []
            except InboxLied:
                refused += 1
        inbox.close()
    # A redirect that the library itself cannot read counts as a broken line and is tried again.
    assert refused >= 120
    assert listener.calls == 0


def test_attachments_and_references_are_never_fetched(listener: Listener) -> None:
    with FhirServer() as server:
        there = f"http://127.0.0.1:{listener.port}/Binary/1"
        server.seed(
            {
                "resourceType": "Communication", "id": "c1", "status": "completed",
                "sender": {"reference": there},
                "payload": [{"contentAttachment": {"url": there}},
                            {"contentReference": {"reference": there}}],
            },
            {
                "resourceType": "Task", "id": "t1", "status": "requested", "intent": "order",
                "focus": {"reference": there.replace("Binary", "Communication")},
            },
        )  # fmt: skip
        settings = {**server.settings, "resources": ["Communication", "Task"]}
        inbox = FhirInbox(settings, PASSWORD, sleep=lambda _: None)
        found = [one for delivery in inbox.deliveries({}) for one in delivery.arrivals]
        inbox.close()
    assert {one.position.mailbox for one in found} == {"Communication", "Task"}
    assert listener.calls == 0


def test_a_list_that_cannot_be_kept_is_refused_at_the_start() -> None:
    for settings, named in (
        ({"also_allowed": ["http://login.example"]}, "also_allowed"),
        ({"network": "any"}, "network"),
        ({"base_url": "http://portal.example"}, "base_url"),
    ):
        with pytest.raises(BadSettings, match=named):
            allowed(**settings)
