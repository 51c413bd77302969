"""Tasks, notifications, log-in and what a portal says of itself, against a real FHIR server."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.connectors.approved import MESSAGE_ID, approve, portal
from tests.connectors.test_fhir import (
    arrivals,
    communication,
    cursor_of,
    ids,
    inbox_of,
    outbox_of,
)
from tests.servers import PASSWORD, FhirServer, free_port
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_client import Answer, FhirClient, Unreachable
from triage.connectors.fhir_hints import Hints
from triage.connectors.fhir_page import canonical
from triage.connectors.options import Options
from triage.domain import Arrival, Cursor
from triage.errors import (
    BadSettings,
    InboxMissedNews,
    InboxRefused,
    MailboxUnreachable,
    SendPostponed,
)
from triage.parsing.portal import read_portal


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.clear()
    return running


def task(number: int, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "id": f"t{number}",
        "meta": {"versionId": "1", "lastUpdated": f"2026-01-01T00:00:{number:02}.000Z"},
        "status": "requested",
        "intent": "order",
        **more,
    }


BOTH = {"resources": ["Communication", "Task"]}


class TestTasks:
    def test_a_task_hands_over_the_message_it_routes_once(self, server: FhirServer) -> None:
        server.seed(communication(1), task(1, focus={"reference": "Communication/c1"}))
        found = arrivals(list(inbox_of(server, **BOTH).deliveries({})))
        assert len({one.position for one in found}) == 1, "the store keeps one of them"
        assert len({one.content for one in found}) == 1
        alone = arrivals(list(inbox_of(server, resources=["Task"]).deliveries({})))
        assert [one.position for one in alone] == [found[0].position]

    def test_a_task_that_says_something_comes_in_itself(self, server: FhirServer) -> None:
        server.seed(
            communication(1),
            task(1, focus={"reference": "Communication/c1"}, description="please call her"),
            task(2, description="refill asked by telephone"),
            task(3, focus={"reference": "Communication/gone"}),
            task(4, status="draft", description="not yet"),
        )
        found = arrivals(list(inbox_of(server, resources=["Task"]).deliveries({})))
        told = [(one.position.mailbox, json.loads(one.content)["id"]) for one in found]
        assert sorted(told) == [
            ("Communication", "c1"), ("Task", "t1"), ("Task", "t2"), ("Task", "t3")
        ]  # fmt: skip

    def test_who_holds_a_task_is_no_new_message(self, server: FhirServer) -> None:
        server.seed(task(1, description="refill"))
        inbox = inbox_of(server, **BOTH)
        assert len(arrivals(list(inbox.deliveries({})))) == 1
        taken = task(1, description="refill", owner={"reference": "Practitioner/1"})
        server.seed(taken | {"status": "accepted", "meta": {"versionId": "2"}})
        assert arrivals(list(inbox.deliveries({}))) == []


class Broken:
    """A portal that answers with a fault for some addresses, however often it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.addresses, self.asked, get = set(addresses), list[str](), FhirClient.get

        def fails(client: FhirClient, address: str, query: Any = None) -> Answer:
            self.asked.append(address)
            if address in self.addresses:
                raise Unreachable("500", sent=True)
            return get(client, address, query)

        monkeypatch.setattr(FhirClient, "get", fails)


class TestFailingMessages:
    """A message behind a task that cannot be fetched, and is neither gone nor forbidden."""

    TASKS = (
        task(1, focus={"reference": "Communication/bad"}),
        task(2, focus={"reference": "Communication/c2"}),
        task(3, description="refill"),
    )

    def looks(self, inbox: FhirInbox, count: int) -> list[list[str]]:
        """Return what each look hands over, as the store keeps it: nothing twice."""
        cursors: dict[str, Cursor] = {}
        found, had = list[list[str]](), set[str]()
        for _ in range(count):
            came = list[Arrival]()
            try:
                for delivery in inbox.deliveries(cursors):
                    came += delivery.arrivals
                    cursors[delivery.cursor.mailbox] = delivery.cursor
            except MailboxUnreachable:
                # As the keeper of an inbox does.
                inbox.close()
            new = {one.position.uid.partition("/")[0] for one in came} - had
            had |= new
            found.append(sorted(new))
        return found

    def test_it_holds_up_no_other_and_its_task_stands_for_it_after_three_looks(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Broken(monkeypatch, "Communication/bad")
        server.seed(communication(2), *self.TASKS)
        inbox = inbox_of(server, resources=["Task", "Communication"], page_size=1)
        assert self.looks(inbox, 4) == [["c2", "t3"], [], ["t1"], []]
        seen = read_portal(canonical(self.TASKS[0]))
        assert seen.partly_read
        assert seen.not_read, "a person sees that there is something that could not be read"

    def test_nothing_is_certain_before_the_task_was_handed_over(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Broken(monkeypatch, "Communication/bad")
        server.seed(communication(2), *self.TASKS)
        inbox = inbox_of(server, resources=["Task"])
        marks = list[str]()
        with pytest.raises(MailboxUnreachable, match=r"\(500\), the message behind a Task"):
            marks += [delivery.cursor.uid for delivery in inbox.deliveries({})]
        assert set(marks) <= {""}
        listed = {uid.partition("/")[0] for one in inbox.listings({}) for uid in one.uids}
        assert listed == {"c2", "t3"}, "what is listed was handed over"

    def test_its_words_come_in_when_the_portal_gives_them_after_all(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [datetime(2026, 1, 1, tzinfo=UTC)]
        broken = Broken(monkeypatch, "Communication/bad")
        server.seed(communication(2), *self.TASKS)
        inbox = FhirInbox(
            {**server.settings, "resources": ["Task"]}, PASSWORD, clock=lambda: now[0]
        )
        assert self.looks(inbox, 3)[-1] == ["t1"]
        server.seed(communication(1, id="bad"))
        broken.addresses.clear()
        broken.asked.clear()
        assert self.looks(inbox, 1) == [[]]
        assert "Communication/bad" not in broken.asked, "it is asked for rarely"
        now[0] += timedelta(minutes=61)
        assert self.looks(inbox, 1) == [["bad"]]
        assert self.looks(inbox, 1) == [[]]

    def test_a_portal_that_hangs_is_not_asked_for_every_message(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses = [f"Communication/bad{n}" for n in range(9)]
        broken = Broken(monkeypatch, *addresses)
        server.seed(*(task(n, focus={"reference": one}) for n, one in enumerate(addresses)))
        inbox = inbox_of(server, resources=["Task"])
        monkeypatch.setattr(inbox._focuses, "_steady", itertools.count(0, 25).__next__)
        assert self.looks(inbox, 1) == [[]]
        assert len(broken.asked) == 1 + 3
        assert sum(map(len, self.looks(inbox, 9))) == 9

    def test_messages_that_hang_for_hours_starve_no_other_task(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [datetime(2026, 1, 1, tzinfo=UTC)]
        hanging = [f"Communication/bad{n}" for n in range(8)]
        broken = Hanging(monkeypatch, now, *hanging)
        addresses = [*hanging, "Communication/c1", "Communication/c2"]
        server.seed(*(task(n, focus={"reference": one}) for n, one in enumerate(addresses)))
        server.seed(communication(1), communication(2))
        inbox = FhirInbox(
            {**server.settings, "resources": ["Task"]}, PASSWORD, clock=lambda: now[0]
        )
        monkeypatch.setattr(inbox._focuses, "_steady", lambda: now[0].timestamp())
        first = self.looks(inbox, 3)
        assert first[2] == [f"t{n}" for n in range(10)], "each task is shown, if without its words"
        # Those that hang stand before the others in the portal's list, and go on hanging.
        came = self.looks(inbox, 12)
        assert {"c1", "c2"} <= {one for look in came for one in look}
        began = len(broken.hung)
        while now[0] < datetime(2026, 1, 1, 12, tzinfo=UTC):
            now[0] += timedelta(minutes=61)
            self.looks(inbox, 1)
        assert len(broken.hung) > began, "they are asked for again, a few at each look"
        assert {one for one, _ in broken.hung} == set(hanging)
        broken.addresses.clear()
        server.seed(*(communication(n + 3, id=f"bad{n}") for n in range(8)))
        now[0] += timedelta(hours=4)
        assert {f"bad{n}" for n in range(8)} <= set(self.looks(inbox, 1)[0])


class Hanging(Broken):
    """A portal that hangs at some addresses until the client has lost its patience."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, now: list[datetime], *addresses: str
    ) -> None:
        super().__init__(monkeypatch, *addresses)
        self.hung, fails = list[tuple[str, datetime]](), FhirClient.get

        def hangs(client: FhirClient, address: str, query: Any = None) -> Answer:
            if address in self.addresses:
                now[0] += timedelta(seconds=120)
                self.hung.append((address, now[0]))
            return fails(client, address, query)

        monkeypatch.setattr(FhirClient, "get", hangs)


def test_what_was_not_sent_yet_waits_until_it_is(server: FhirServer) -> None:
    server.seed(communication(1, status="preparation"))
    inbox = inbox_of(server)
    found = list(inbox.deliveries({}))
    assert ids(found) == []
    server.seed(communication(1, seconds=9))
    assert ids(list(inbox.deliveries(cursor_of(found)))) == ["c1"]


def test_once_an_hour_the_walk_goes_back_far(server: FhirServer) -> None:
    now = [datetime(2026, 1, 3, tzinfo=UTC)]
    server.seed(communication(1, seconds=172_000))
    inbox = FhirInbox(server.settings, "secret-for-tests", clock=lambda: now[0])
    found = list(inbox.deliveries({}))
    server.seed(communication(2, seconds=20_000))
    assert "c2" not in ids(list(inbox.deliveries(cursor_of(found))))
    now[0] += timedelta(minutes=61)
    assert "c2" in ids(list(inbox.deliveries(cursor_of(found))))


def notification(number: int, kind: str = "event-notification", events: int = 1) -> bytes:
    """Return what an R4 server with the Subscriptions backport sends."""
    parameters: list[dict[str, Any]] = [
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(number)},
    ]
    parameters += [{"name": "notification-event", "part": []} for _ in range(events)]
    status = {"resourceType": "Parameters", "parameter": parameters}
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": status}]}).encode()


class TestNotifications:
    @pytest.mark.bar(9)
    def test_a_gap_raises_an_alarm_and_the_next_walk_goes_back_far(
        self, server: FhirServer
    ) -> None:
        port = free_port()
        server.seed(communication(1, seconds=172_000))
        inbox = inbox_of(server, hint_port=port, poll_seconds=60)
        found = list(inbox.deliveries({}))
        assert inbox.wait(0) is False
        path = inbox._hints.path
        for number in (4, 5, 9):
            post(port, path, notification(number))
        with pytest.raises(InboxMissedNews, match="3 notifications missed"):
            inbox.wait(5)
        server.seed(communication(2, seconds=20_000))
        assert "c2" in ids(list(inbox.deliveries(cursor_of(found))))
        assert inbox.wait(0) is False, "told once"
        inbox.close()

    def test_a_notification_only_makes_us_ask(self, server: FhirServer) -> None:
        port = free_port()
        inbox = inbox_of(server, hint_port=port, poll_seconds=60)
        list(inbox.deliveries({}))
        assert inbox.wait(0) is False
        lie = json.loads(notification(1))
        lie["entry"].append({"resource": communication(66)})
        post(port, inbox._hints.path, json.dumps(lie).encode())
        assert inbox.wait(0) is False, "nothing is new, whatever was said"
        assert ids(list(inbox.deliveries({}))) == []
        inbox.close()

    def test_strangers_ring_no_bell(self, server: FhirServer) -> None:
        port = free_port()
        inbox = inbox_of(server, hint_port=port)
        inbox.wait(0)
        for path in ("/", "/hint/", f"{inbox._hints.path}0"):
            with pytest.raises(HTTPError, match="404"):
                post(port, path, notification(99))
        assert not inbox._hints._bell.is_set()
        assert inbox._hints.path in inbox.check()[-1]
        with pytest.raises(BadSettings, match="hint_port"):
            inbox_of(server, hint_port=port).wait(0)
        inbox.close()

    @pytest.mark.parametrize(
        ("heard", "missed"),
        [
            ([(1, "event-notification", 1), (2, "event-notification", 1)], False),
            ([(1, "event-notification", 1), (4, "event-notification", 3)], False),
            ([(1, "event-notification", 1), (3, "event-notification", 1)], True),
            ([(1, "event-notification", 1), (1, "heartbeat", 0)], False),
            ([(1, "event-notification", 1), (2, "heartbeat", 0)], True),
            ([(7, "event-notification", 1), (1, "event-notification", 1)], False),
            ([(7, "event-notification", 1), (7, "event-notification", 1)], False),
        ],
    )
    def test_numbers_are_compared(self, heard: list[tuple[int, str, int]], missed: bool) -> None:
        hints = Hints(Options({"name": "x"}, "inbox"), "secret")
        for number, kind, events in heard:
            hints.heard(notification(number, kind, events))
        assert bool(hints.missed()) is missed

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"[" * 5000, b'{"entry":[]}', b'{"entry":[{"resource":7}]}',
                 notification(3).replace(b'"3"', b'"many"'), b"\xff"]
    )  # fmt: skip
    def test_whatever_comes_only_rings(self, body: bytes) -> None:
        hints = Hints(Options({"name": "x"}, "inbox"), "secret")
        hints.heard(body)
        assert hints._bell.is_set()
        assert not hints.missed()


def post(port: int, path: str, body: bytes) -> None:
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", body, method="POST")) as answer:
        answer.read()


class TestLogIn:
    KEY = ECKey.generate_key("P-384")

    PEM = KEY.as_pem(private=True).decode()
    SMART: ClassVar = {
        "auth": "smart", "client_id": "triage", "key_id": "k1", "algorithm": "ES384"
    }  # fmt: skip

    def smart(self, server: FhirServer, **more: object) -> FhirInbox:
        return inbox_of(server, self.PEM, **{**self.SMART, **more})

    def test_the_portal_says_where_to_log_in(self, server: FhirServer) -> None:
        there = f"http://127.0.0.1:{server.port}/token"
        server.set(smart={"token_endpoint": there})
        server.seed(communication(1))
        assert ids(list(self.smart(server).deliveries({}))) == ["c1"]
        (said,) = server.state["asserted"]
        assert jwt.decode(said, self.KEY, algorithms=["ES384"]).claims["aud"] == there

    @pytest.mark.parametrize(
        "there",
        ["https://evil.example/token", "http://169.254.169.254/", "http://127.0.0.1:9/token", "x"],
    )
    def test_only_a_server_on_the_list_is_believed(self, server: FhirServer, there: str) -> None:
        server.set(smart={"token_endpoint": there})
        with pytest.raises(InboxRefused, match="also_allowed"):
            list(self.smart(server).deliveries({}))

    @pytest.mark.bar(21)
    @pytest.mark.parametrize("end", ["\x01", "\ud800", "x" * 70_000], ids=range(3))
    def test_a_log_in_server_without_an_address_leaves_the_reply_waiting(
        self, server: FhirServer, end: str
    ) -> None:
        """Nothing can have left, so that nobody has to look for it in the portal."""
        there = f"http://127.0.0.1:{server.port}/token"
        server.set(smart={"token_endpoint": there + end})
        words, outbox = portal(), outbox_of(server, self.PEM, **self.SMART)
        with pytest.raises(SendPostponed, match="token, an address that cannot be read"):
            outbox.send(approve(words), words, message_id=MESSAGE_ID)
        server.set(smart={"token_endpoint": there})
        assert outbox.send(approve(words), words, message_id=MESSAGE_ID), "once it is mended"

    @pytest.mark.bar(21)
    @pytest.mark.parametrize("token", ["clé", "two\nlines"])
    def test_a_token_that_no_header_carries_leaves_the_reply_waiting(
        self, server: FhirServer, token: str
    ) -> None:
        words = portal()
        there = f"{server.base_url}/log-in"
        outbox = outbox_of(server, self.PEM, **self.SMART, token_url=there)
        for _ in range(3):
            server.fail("POST", body={"access_token": token})
        with pytest.raises(SendPostponed, match="token"):
            outbox.send(approve(words), words, message_id=MESSAGE_ID)
        assert [one["url"] for one in server.state["requests"]] == ["/fhir/log-in"] * 3

    def test_a_server_that_was_named_is_believed(self, server: FhirServer) -> None:
        with FhirServer() as other:
            there = f"http://127.0.0.1:{other.port}"
            server.set(smart={"token_endpoint": f"{there}/token"}, issued=["issued-0"])
            server.seed(communication(1))
            assert ids(list(self.smart(server, also_allowed=[there]).deliveries({}))) == ["c1"]

    def test_each_assertion_serves_once_and_a_token_is_renewed_early(
        self, server: FhirServer
    ) -> None:
        server.set(lifetime=300)
        inbox = self.smart(server, token_url=f"http://127.0.0.1:{server.port}/token")
        now = [1_800_000_000.0]
        inbox._client._credentials.clock = lambda: now[0]
        for later in (0, 260, 15):
            now[0] += later
            list(inbox.deliveries({}))
        said = server.state["asserted"]
        claims = [jwt.decode(one, self.KEY, algorithms=["ES384"]).claims for one in said]
        assert len(claims) == 2, "kept at 260 seconds, renewed at 275"
        assert len({one["jti"] for one in claims}) == 2


def statement(**resources: dict[str, Any]) -> dict[str, Any]:
    listed = [{"type": kind, **more} for kind, more in resources.items()]
    rest = [{"mode": "server", "resource": listed}]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest}


SEARCHED = {
    "interaction": [{"code": "search-type"}, {"code": "create"}],
    "searchParam": [{"name": "_lastUpdated"}],
    "conditionalCreate": True,
}


class TestCheck:
    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (statement(), "does not offer Communication at all"),
            (statement(Communication={}), "can be searched"),
            (statement(Communication={}), "does not let us create"),
            (statement(Communication=SEARCHED | {"searchParam": []}), "_lastUpdated"),
            (statement(Communication=SEARCHED | {"conditionalCreate": False}), "uncertain"),
            (statement(Communication=SEARCHED), "has conditional create"),
            (statement(Communication=SEARCHED), "has no Subscription"),
            (statement(Communication=SEARCHED), "Appointment, Coverage, MedicationRequest"),
            (statement(Communication=SEARCHED, Task={}), "has Task, too"),
            (statement() | {"fhirVersion": "5.0.0"}, "speaks FHIR 5.0.0"),
            ({"resourceType": "Patient"}, "not known"),
            (statement() | {"rest": 7}, "does not offer Communication"),
            (statement() | {"rest": [{"resource": [7, {}]}]}, "does not offer Communication"),
        ],
    )
    def test_says_what_a_portal_lacks(
        self, server: FhirServer, said: dict[str, Any], words: str
    ) -> None:
        server.set(statement=said)
        lines = inbox_of(server).check()
        assert any(words in line for line in lines), lines
        assert "lets us read Communication" in lines[-1]

    def test_says_nothing_that_is_not_so(self, server: FhirServer) -> None:
        kinds = ("Communication", "Subscription", "Patient", "Appointment", "Coverage")
        server.set(statement=statement(**dict.fromkeys((*kinds, "MedicationRequest"), SEARCHED)))
        lines = inbox_of(server).check()
        assert len(lines) == 2
        assert "conditional create" in lines[0]

    def test_says_that_nobody_is_there(self, server: FhirServer) -> None:
        inbox = inbox_of(server, base_url="http://127.0.0.1:9/fhir")
        assert "nobody answers" in inbox.check()[0]
