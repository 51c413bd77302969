"""The portal doors against a real FHIR R4 server, with faults on order."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.connectors.approved import MESSAGE_ID, approve, outgoing, portal
from tests.servers import PASSWORD, FhirServer
from triage.connectors.fhir import FhirInbox
from triage.connectors.fhir_client import REPLY_SYSTEM, FhirClient, Nonsense
from triage.connectors.fhir_outbox import FhirOutbox
from triage.connectors.fhir_page import canonical, incoming, uid_of
from triage.domain import Arrival, Channel, Cursor, Delivery
from triage.errors import (
    BadSettings,
    InboxLied,
    InboxRefused,
    InboxUnreachable,
    ProofRefused,
    SendPostponed,
    SendRefused,
    SendUncertain,
)
from triage.testing import check_inbox

pytestmark = pytest.mark.bar(9)


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.clear()
    return running


def at(seconds: float) -> str:
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def communication(number: int, *, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    when = at(number if seconds is None else seconds)
    return {
        "resourceType": "Communication",
        "id": f"c{number}",
        "meta": {"versionId": "1", "lastUpdated": when},
        "status": "completed",
        "sender": {"reference": "Patient/p1"},
        "payload": [{"contentString": f"message {number}"}],
        **more,
    }


def inbox_of(server: FhirServer, secret: str = PASSWORD, **more: object) -> FhirInbox:
    return FhirInbox({**server.settings, **more}, secret, sleep=lambda _: None)


def outbox_of(
    server: FhirServer,
    secret: str = PASSWORD,
    *,
    sleep: Callable[[float], None] = lambda _: None,
    **more: object,
) -> FhirOutbox:
    return FhirOutbox({**server.settings, **more}, secret, sleep=sleep)


def arrivals(deliveries: list[Delivery]) -> list[Arrival]:
    return [arrival for delivery in deliveries for arrival in delivery.arrivals]


def ids(deliveries: list[Delivery]) -> list[str]:
    """Return the server's ids of what was handed over."""
    return [arrival.position.uid.partition("/")[0] for arrival in arrivals(deliveries)]


def cursor_of(deliveries: list[Delivery]) -> dict[str, Cursor]:
    return {"Communication": deliveries[-1].cursor}


class TestInbox:
    def test_hands_over_every_page_oldest_first(self, server: FhirServer) -> None:
        server.seed(*(communication(n) for n in range(25)))
        found = check_inbox(inbox_of(server, page_size=10))
        assert [a.position.uid for a in found] == [uid_of(communication(n)) for n in range(25)]
        assert all(a.media_type == "application/fhir+json" for a in found)
        assert all(a.channel is Channel.PORTAL for a in found)
        assert found[3].content == canonical(communication(3))
        assert json.loads(found[3].content) == {
            key: value for key, value in communication(3).items() if key not in ("meta", "status")
        }

    def test_the_cursor_moves_only_at_the_end_and_overlaps(self, server: FhirServer) -> None:
        server.seed(*(communication(n) for n in range(25)))
        inbox = inbox_of(server, page_size=10, overlap_seconds=5)
        found = list(inbox.deliveries({}))
        assert {d.cursor.uid for d in found[:-1]} == {""}
        assert found[-1].cursor.uid == at(24)
        fresh = inbox_of(server, page_size=10, overlap_seconds=5, look_back_hours=0)
        again = list(fresh.deliveries(cursor_of(found)))
        assert ids(again) == [f"c{n}" for n in range(19, 25)]
        assert ids(list(inbox.deliveries(cursor_of(found)))) == [], "what landed is not sent again"

    def test_what_was_committed_late_is_found_within_the_overlap(self, server: FhirServer) -> None:
        server.seed(communication(1, seconds=1000))
        inbox = inbox_of(server)
        found = list(inbox.deliveries({}))
        server.seed(communication(2, seconds=500))
        assert "c2" in ids(list(inbox.deliveries(cursor_of(found))))

    def test_a_changed_communication_is_a_new_arrival(self, server: FhirServer) -> None:
        server.seed(communication(1))
        inbox = inbox_of(server)
        found = list(inbox.deliveries({}))
        changed = communication(1, seconds=9, status="entered-in-error")
        server.seed(changed | {"meta": {"versionId": "2", "lastUpdated": at(9)}})
        again = arrivals(list(inbox.deliveries(cursor_of(found))))
        assert [a.position.uid for a in again] == [uid_of(changed)]
        assert again[0].position.uid != uid_of(communication(1))

    @pytest.mark.bar(9)
    def test_pages_that_shift_during_the_walk_lose_nothing(self, server: FhirServer) -> None:
        server.seed(*(communication(n) for n in range(20)))
        inbox = inbox_of(server, page_size=10)
        walk = inbox.deliveries({})
        found = [next(walk)]
        # An early message is changed, moves to the end, and pulls c10 across the page border.
        server.seed(
            communication(0, seconds=99) | {"meta": {"versionId": "2", "lastUpdated": at(99)}}
        )
        found += list(walk)
        uids = ids(found)
        assert uids[:10] == [f"c{n}" for n in range(10)]
        assert sorted(uids) == sorted(f"c{n}" for n in range(20)), "a new date is no new message"
        # The oracle: a single walk over the pages, as most clients do it, overlooks one message.
        assert uids.index("c10") == 19, "only the second walk finds it"

    def test_a_date_in_the_far_future_does_not_hide_what_comes_after(
        self, server: FhirServer
    ) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        server.seed(communication(1, seconds=3_000_000_000))
        inbox = FhirInbox(server.settings, PASSWORD, clock=lambda: now)
        found = list(inbox.deliveries({}))
        server.seed(communication(2, seconds=60))
        assert "c2" in ids(list(inbox.deliveries(cursor_of(found))))

    def test_our_own_replies_are_left_out_but_no_patient_can_hide_behind_that(
        self, server: FhirServer
    ) -> None:
        ours = {"identifier": [{"system": REPLY_SYSTEM, "value": "<1@x>"}]}
        server.seed(
            communication(1, sender={"reference": "Organization/clinic"}, **ours),
            communication(2, **ours),
            communication(3, sender={"reference": "RelatedPerson/r"}, **ours),
        )
        assert ids(list(inbox_of(server).deliveries({}))) == ["c2", "c3"]

    @pytest.mark.parametrize(
        ("people", "left_out"),
        [
            ({"recipient": ["Patient/p1"]}, True),
            ({"recipient": ["Patient/p1"], "sender": {}}, True),
            ({"recipient": ["Patient/p1"], "sender": {"reference": "Device/d/_history/2"}}, True),
            ({"sender": {"reference": "https://p.example/R4/PractitionerRole/x"}}, True),
            ({"sender": {"type": "Organization", "identifier": {"value": "1"}}}, True),
            ({}, False),
            ({"recipient": ["Organization/clinic"]}, False),
            ({"recipient": ["Patient/p1", "Organization/clinic"]}, False),
            ({"recipient": [7]}, False),
            ({"sender": {"reference": "#me"}, "recipient": ["Patient/p1"]}, False),
            ({"sender": {"type": "Patient", "identifier": {"value": "1"}}}, False),
            ({"sender": {"display": "Ana"}, "recipient": ["Patient/p1"]}, False),
            ({"sender": {"reference": "Patient/p1", "type": "Organization"}}, False),
            ({"sender": {"reference": "urn:uuid:Organization/1?Patient"}}, False),
            ({"sender": {"reference": ["Organization/1"]}}, False),
            ({"sender": "Organization/1"}, False),
        ],
    )
    def test_only_what_is_surely_ours_is_left_out(
        self, people: dict[str, Any], left_out: bool
    ) -> None:
        """A portal that copies our identifier into the patient's answer must not hide it."""
        one = communication(1, identifier=[{"system": REPLY_SYSTEM, "value": "<1@x>"}], **people)
        if "sender" not in people:
            del one["sender"]
        told = people.get("recipient", [])
        one["recipient"] = [{"reference": to} if isinstance(to, str) else to for to in told]
        assert (incoming({"c1": one}) == []) is left_out

    @pytest.mark.parametrize("sender", ["", "Organization/clinic"])
    def test_the_replies_we_create_are_not_read_back(self, server: FhirServer, sender: str) -> None:
        words = portal()
        outbox_of(server, sender=sender).send(approve(words), words, message_id=MESSAGE_ID)
        assert len(stored(server)) == 1
        assert ids(list(inbox_of(server).deliveries({}))) == []

    def test_faults_of_the_server_are_tried_again(self, server: FhirServer) -> None:
        server.seed(communication(1))
        server.fail("GET", status=500)
        server.fail("GET", status=429, headers={"Retry-After": "1"})
        server.fail("GET", before=True)
        pauses: list[float] = []
        inbox = FhirInbox(server.settings, PASSWORD, sleep=pauses.append)
        assert len(arrivals(list(inbox.deliveries({})))) == 1
        assert len(pauses) == 3
        assert max(pauses) <= 45
        for _ in range(4):
            server.fail("GET", status=503)
        with pytest.raises(InboxUnreachable, match=r"inbox portal \(503\)"):
            list(inbox.deliveries({}))

    def test_a_page_that_fails_moves_no_cursor(self, server: FhirServer) -> None:
        server.seed(*(communication(n) for n in range(20)))
        walk = inbox_of(server, page_size=10).deliveries({})
        found = [next(walk)]
        for _ in range(4):
            server.fail("GET", status=500)
        with pytest.raises(InboxUnreachable):
            found += list(walk)
        assert {d.cursor.uid for d in found} == {""}

    @pytest.mark.parametrize(
        "body",
        [
            {"resourceType": "OperationOutcome", "issue": []},
            {"resourceType": "Bundle", "entry": [{"fullUrl": "x"}]},
            {"resourceType": "Bundle", "entry": [7]},
            {"resourceType": "Bundle", "entry": 7},
            {"resourceType": "Bundle", "link": [{"relation": "next"}]},
            [],
        ],
    )
    def test_an_answer_that_is_no_bundle_is_a_lie(self, server: FhirServer, body: object) -> None:
        server.fail("GET", body=body)
        with pytest.raises(InboxLied):
            list(inbox_of(server).deliveries({}))

    def test_odd_resources_are_handed_over_for_a_person_to_see(self, server: FhirServer) -> None:
        odd = [
            {"resourceType": "Communication"},
            {"resourceType": "Communication", "id": "a", "meta": [], "sender": 7, "identifier": 1},
            {"resourceType": "Communication", "id": "b", "meta": {"lastUpdated": "yesterday"}},
        ]
        body = {"resourceType": "Bundle", "entry": [{"resource": one} for one in odd]}
        server.fail("GET", body=body)
        found = arrivals(list(inbox_of(server).deliveries({})))
        assert [a.content for a in found] == [canonical(one) for one in odd]

    def test_pages_in_a_circle_end(self, server: FhirServer) -> None:
        loop = f"{server.base_url}/Communication?page=2"
        page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": loop}]}
        for _ in range(2):
            server.fail("GET", body=page)
        with pytest.raises(InboxLied, match="circle"):
            list(inbox_of(server).deliveries({}))

    def test_next_links_to_another_machine_are_not_followed(self, server: FhirServer) -> None:
        with FhirServer() as other:
            server.seed(*(communication(n) for n in range(20)))
            server.set(nextBase=f"http://127.0.0.1:{other.port}")
            with pytest.raises(InboxLied, match="somewhere else"):
                list(inbox_of(server, page_size=10).deliveries({}))
            assert other.state["requests"] == []

    @pytest.mark.parametrize("end", ["\x01", "\x7f", "\ud800", "x" * 70_000])
    def test_a_next_link_that_is_no_address_is_a_lie(self, server: FhirServer, end: str) -> None:
        address = f"{server.base_url}/Communication?page={end}"
        page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": address}]}
        server.fail("GET", body=page)
        with pytest.raises(InboxLied, match="an address that cannot be read"):
            list(inbox_of(server).deliveries({}))

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_a_page_too_long_is_asked_for_in_smaller_pages(
        self, server: FhirServer, monkeypatch: pytest.MonkeyPatch, stubborn: bool
    ) -> None:
        """Photographs of several patients side by side; one message is longer than all may be."""
        monkeypatch.setattr("triage.connectors.fhir_client._ANSWER_BYTES", 9_000)
        if stubborn:
            # The oracle: the same page is asked for again and again.
            monkeypatch.setattr(FhirInbox, "_smaller_pages", lambda _: "a page too long")
        for number in range(1, 7):
            words = "photograph " * (900 if number == 5 else 300)
            server.seed(communication(number, payload=[{"contentString": words}]))
        inbox, found = inbox_of(server, page_size=50), set[str]()
        for _ in range(8):
            with contextlib.suppress(InboxLied):
                for delivery in inbox.deliveries({}):
                    found |= set(ids([delivery]))
        assert found == (set() if stubborn else {f"c{number}" for number in range(1, 7)})

    def test_redirects_are_not_followed(self, server: FhirServer) -> None:
        server.fail("GET", status=302, headers={"Location": "http://169.254.169.254/latest"})
        with pytest.raises(InboxLied):
            list(inbox_of(server).deliveries({}))

    def test_waiting_rings_for_what_is_new_only(self, server: FhirServer) -> None:
        server.seed(communication(1))
        inbox = inbox_of(server, poll_seconds=0.05)
        list(inbox.deliveries({}))
        assert inbox.wait(0.12) is False
        server.seed(communication(2))
        assert inbox.wait(5) is True
        inbox.close()

    def test_a_wrong_token_is_refused(self, server: FhirServer) -> None:
        with pytest.raises(InboxRefused, match=r"inbox portal \(401\): "):
            list(inbox_of(server, "wrong").deliveries({}))
        assert "(401)" in inbox_of(server, "wrong").check()[0]

    def test_further_search_parameters_reach_the_server(self, server: FhirServer) -> None:
        other = communication(2, sender={"reference": "Patient/p2"})
        server.seed(communication(1), other)
        inbox = inbox_of(server, query={"sender": "Patient/p2"})
        assert ids(list(inbox.deliveries({}))) == ["c2"]


@pytest.mark.bar(42)
@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{port}/fhir/../admin", "http://127.0.0.1:{port}/other",
        "http://127.0.0.1:{port}/fhirx/y", "https://127.0.0.1:{port}/fhir/x",
        "http://localhost:{port}/fhir/x", "http://127.1:{port}/fhir/x", "http://0/fhir/x",
        "http://2130706433:{port}/fhir/x", "http://0x7f000001:{port}/fhir/x",
        "http://017700000001:{port}/fhir/x", "http://[::1]:{port}/fhir/x",
        "http://[::ffff:127.0.0.1]:{port}/fhir/x", "http://127.0.0.1:{port}@evil.example/fhir/x",
        "http://eve:x@127.0.0.1:{port}/fhir/x", "http://127.0.0.1/fhir/x", "//evil.example/fhir/x",
        "http://127.0.0.1:{port}/fhir/%2e%2e/admin", "file:///etc/passwd", "ftp://127.0.0.1/fhir/",
        "http://127.0.0.1:{port}.evil.example/fhir/x", "http://[bad/fhir", "gopher://x/fhir/",
        "http://127.0.0.1:{port}\\@evil.example/fhir/x", "http://169.254.169.254/fhir/latest",
        "http://127.0.0.1:99999999/fhir/x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_no_link_leads_off_the_allow_list(server: FhirServer, link: str) -> None:
    inbox = inbox_of(server)
    client: FhirClient = inbox._client
    with pytest.raises(Nonsense):
        client.within(link.format(port=server.port))
    assert client.within("Communication?page=2") == f"{server.base_url}/Communication?page=2"


class TestOutbox:
    def test_creates_exactly_the_approved_words(self, server: FhirServer) -> None:
        words = portal(subject="Su receta", body="Está lista.\nGracias")
        outbox = outbox_of(server, sender="Organization/clinic")
        receipt = outbox.send(approve(words), words, message_id=MESSAGE_ID)
        (kept,) = stored(server)
        assert receipt == f"Communication/{kept['id']}"
        assert kept["recipient"] == [{"reference": "Patient/p1"}]
        assert "subject" not in kept, "nothing there says whom it is about"
        assert kept["sender"] == {"reference": "Organization/clinic"}
        assert kept["inResponseTo"] == [{"reference": "Communication/c1"}]
        assert kept["topic"] == {"text": "Su receta"}
        assert kept["payload"] == [{"contentString": "Está lista.\nGracias"}]
        assert kept["identifier"] == [{"system": REPLY_SYSTEM, "value": MESSAGE_ID}]
        assert list(inbox_of(server).deliveries({}))[-1].arrivals == ()

    @pytest.mark.parametrize(
        ("answered", "points"), [("Communication", "inResponseTo"), ("Task", "basedOn")]
    )
    @pytest.mark.parametrize("where", ["here", "elsewhere"])
    def test_a_reply_about_a_child_is_kept_with_the_child(
        self, server: FhirServer, answered: str, points: str, where: str
    ) -> None:
        """The parent, who writes from an account of their own, gets it."""
        about = {"reference": f"{server.base_url}/Patient/child"}
        if where != "here":
            about["reference"] = "https://elsewhere.example/fhir/Patient/child"
        task = {"status": "requested", "intent": "order", "for": about}
        asked = {"Communication": {"status": "completed", "subject": about}, "Task": task}
        server.seed({"resourceType": answered, "id": "t1", **asked[answered]})
        words = portal(to="Patient/parent", in_reply_to=f"{answered}/t1")
        outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID)
        kept = next(one for one in stored(server) if one.get("identifier"))
        assert kept["recipient"] == [{"reference": "Patient/parent"}]
        child = {"reference": "Patient/child"}
        assert kept.get("subject") == (child if where == "here" else None)
        assert kept[points] == [{"reference": f"{answered}/t1"}]

    def test_sending_twice_creates_one(self, server: FhirServer) -> None:
        words = portal()
        receipts = {
            outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID) for _ in range(3)
        }
        assert len(receipts) == len(stored(server)) == 1

    @pytest.mark.parametrize("conditional", [True, False])
    @pytest.mark.parametrize("fault", [{"after": True}, {"silent": True}, {"answer": 502}])
    def test_a_reply_that_was_created_is_found_when_the_answer_is_lost(
        self, server: FhirServer, fault: dict[str, Any], conditional: bool
    ) -> None:
        server.set(conditional=conditional)
        words, outbox = portal(), outbox_of(server, timeout_seconds=0.5)
        server.fail("POST", **fault)
        receipt = outbox.send(approve(words), words, message_id=MESSAGE_ID)
        assert [f"Communication/{one['id']}" for one in stored(server)] == [receipt]

    @pytest.mark.bar(21)
    @pytest.mark.parametrize("fault", [{"before": True}, {"status": 503}])
    def test_a_reply_that_may_be_created_yet_never_waits_for_another_try(
        self, server: FhirServer, fault: dict[str, Any]
    ) -> None:
        """It is not there now, but our request may still be under way: a person decides."""
        words, pauses = portal(), list[float]()
        outbox = outbox_of(server, sleep=pauses.append)
        server.fail("POST", **fault)
        with pytest.raises(SendUncertain):
            outbox.send(approve(words), words, message_id=MESSAGE_ID)
        assert len(pauses) == 3

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_a_portal_that_is_down_is_sent_nothing(self, server: FhirServer, status: int) -> None:
        words = portal()
        server.fail("GET", status=status)
        with pytest.raises(SendPostponed, match=str(status)):
            outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID)
        assert [one["method"] for one in server.state["requests"]] == ["GET"]

    @pytest.mark.parametrize(
        "fault",
        [{"status": 403}, {"status": 400}, {"status": 501}, {"body": {"entry": [7, {"id": "x"}]}}],
    )
    def test_a_portal_that_lets_nobody_look_gets_the_reply_all_the_same(
        self, server: FhirServer, fault: dict[str, Any]
    ) -> None:
        words = portal()
        server.fail("GET", **fault)
        assert outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID)
        assert len(stored(server)) == 1

    def test_oracle_repeating_without_the_condition_creates_two(self, server: FhirServer) -> None:
        words, outbox = portal(), outbox_of(server)
        for _ in range(2):
            outbox._client.post(
                "Communication", outbox._compose(approve(words), words, MESSAGE_ID), {}
            )
        assert len(stored(server)) == 2

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, SendRefused), (403, SendRefused), (404, SendRefused), (422, SendRefused),
            (409, SendUncertain), (412, SendUncertain), (401, SendPostponed), (429, SendPostponed),
            (500, SendUncertain), (503, SendUncertain), (302, SendUncertain), (204, SendUncertain),
        ],
    )  # fmt: skip
    def test_what_each_answer_means(
        self, server: FhirServer, status: int, error: type[Exception]
    ) -> None:
        words = portal()
        server.fail("POST", status=status)
        with pytest.raises(error, match="outbox portal"):
            outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID)
        assert stored(server) == []

    @pytest.mark.bar(21)
    def test_two_replies_with_our_identifier_are_for_a_person(self, server: FhirServer) -> None:
        ours = {"identifier": [{"system": REPLY_SYSTEM, "value": MESSAGE_ID}]}
        server.seed(communication(1, **ours), communication(2, **ours))
        words = portal()
        with pytest.raises(SendUncertain, match="2 times"):
            outbox_of(server).send(approve(words), words, message_id=MESSAGE_ID)

    def test_other_words_than_the_approved_ones_never_leave(self, server: FhirServer) -> None:
        words, outbox = portal(), outbox_of(server)
        for other in (portal(body="x"), portal(to="Patient/p2"), portal(subject="x"), outgoing()):
            with pytest.raises(ProofRefused):
                outbox.send(approve(words), other, message_id=MESSAGE_ID)
        with pytest.raises(ProofRefused):
            outbox.send(approve(outgoing()), outgoing(), message_id=MESSAGE_ID)
        assert server.state["requests"] == []

    @pytest.mark.parametrize(
        "words",
        [
            {"to": "pat@example.org"}, {"to": "Patient/p1,Patient/p2"}, {"to": "Patient/"},
            {"to": "http://evil.example/Patient/1"}, {"to": "Patient/../Communication"},
            {"in_reply_to": "<1@example.org>"}, {"in_reply_to": "Communication/1?x=y"},
            {"body": " \n"},
        ],
    )  # fmt: skip
    def test_what_the_server_could_misread_is_refused(
        self, server: FhirServer, words: dict[str, str]
    ) -> None:
        reply = portal(**words)
        with pytest.raises(SendRefused):
            outbox_of(server).send(approve(reply), reply, message_id=MESSAGE_ID)
        assert stored(server) == []

    def test_nobody_there_is_postponed(self, server: FhirServer) -> None:
        words = portal()
        outbox = outbox_of(server, base_url="http://127.0.0.1:9/fhir")
        with pytest.raises(SendPostponed):
            outbox.send(approve(words), words, message_id=MESSAGE_ID)


class TestLogIn:
    @pytest.mark.parametrize(
        ("algorithm", "key"),
        [("RS384", RSAKey.generate_key(2048)), ("ES384", ECKey.generate_key("P-384"))],
    )
    def test_smart_backend_services(self, server: FhirServer, algorithm: str, key: Any) -> None:
        token_url = f"http://127.0.0.1:{server.port}/token"
        smart = {
            "auth": "smart", "token_url": token_url, "client_id": "triage", "key_id": "k1",
            "algorithm": algorithm,
        }  # fmt: skip
        pem = key.as_pem(private=True).decode()
        server.seed(communication(1))
        inbox = inbox_of(server, pem, **smart)
        assert len(arrivals(list(inbox.deliveries({})))) == 1
        token = jwt.decode(inbox._client._credentials.assertion(), key, algorithms=[algorithm])
        assert token.header["kid"] == "k1"
        assert token.claims["iss"] == token.claims["sub"] == "triage"
        assert token.claims["aud"] == token_url
        assert token.claims["exp"] - token.claims["iat"] <= 300
        list(inbox.deliveries({}))
        asked = [one for one in server.state["requests"] if one["url"] == "/token"]
        assert len(asked) == 1, "the token is kept while it is good"
        server.set(issued=[])
        list(inbox.deliveries({}))
        assert len([o for o in server.state["requests"] if o["url"] == "/token"]) == 2

    def test_a_key_or_address_that_cannot_work_is_found_at_start(self, server: FhirServer) -> None:
        smart = {"auth": "smart", "client_id": "t", "key_id": "k", "token_url": "https://x.example"}
        pem = RSAKey.generate_key(2048).as_pem(private=True).decode()
        cases: list[tuple[dict[str, object], str, str]] = [
            (smart, "not a key", "secret"),
            ({**smart, "token_url": "http://x.example/token"}, pem, "token_url"),
            ({**smart, "key_id": ""}, "x", "key_id"),
            ({"base_url": "http://portal.example/fhir"}, "x", "base_url"),
            ({"base_url": "https://eve@portal.example/fhir"}, "x", "base_url"),
            ({"base_url": "portal.example"}, "x", "base_url"),
            ({"auth": "bearer"}, "", "secret"),
            ({"overlap": 5}, "x", "overlap (no such setting)"),
        ]  # fmt: skip
        for settings, secret, named in cases:
            with pytest.raises(BadSettings, match=r"^inbox portal, ") as caught:
                FhirInbox({**server.settings, **settings}, secret)
            assert named in str(caught.value)
            assert "not a key" not in str(caught.value)


def stored(server: FhirServer) -> list[dict[str, Any]]:
    """Return every Communication on the server, read past our inbox."""
    client = outbox_of(server)._client
    bundle = client.get("Communication", {"_count": "1000"}).resource or {}
    client.close()
    return [entry["resource"] for entry in bundle.get("entry", [])]
