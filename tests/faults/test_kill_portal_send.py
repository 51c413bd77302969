"""Safety-bar 21, the portal's half: the sender is killed between its request and the answer.

A real FHIR server that has done the work and says nothing, a real sender process, SIGKILL. The
reply stands once in the portal and as `uncertain` in front of a person; no restart doubles it.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.connectors.test_fhir import stored
from tests.faults.test_kill_send import start_sender
from tests.servers import PASSWORD, FhirServer
from tests.sizes import many
from tests.small_practice import MASTER, approve, move_in, rooms
from triage.connectors.fhir_page import canonical
from triage.desk import Desk
from triage.domain import Arrival, Channel, Position, ReplyState
from triage.pipeline import file
from triage.store import Keys, Store, migrate
from triage.wiring import House

pytestmark = [pytest.mark.bar(21), pytest.mark.timeout(1200)]

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[[outbox]]
name = "portal-out"
kind = "fhir"
channel = "portal"
base_url = "{address}"
timeout_seconds = 60
"""


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, server: FhirServer) -> House:
    (tmp_path / "triage.toml").write_text(SETTINGS.format(address=server.base_url))
    (tmp_path / "secrets").mkdir(mode=0o700)
    for path, text in (("approval.key", MASTER.hex()), ("secrets/portal-out", PASSWORD)):
        (tmp_path / path).touch(mode=0o600)
        (tmp_path / path).write_text(text)
    migrate(House.at(tmp_path).url, Keys.make(tmp_path / "keys"))
    return House.at(tmp_path)


def receive(store: Store, number: int) -> str:
    resource = {
        "resourceType": "Communication", "id": f"c{number}",
        "sender": {"reference": f"Patient/{1 + number % 2}"},
        "payload": [{"contentString": "please refill"}],
    }  # fmt: skip
    position = Position("portal", "Communication", "fhir-r4", f"c{number}")
    arrival = Arrival(position, Channel.PORTAL, "application/fhir+json", canonical(resource))
    landed = store.landing.land([arrival], clinic="c1")
    return file(landed, rooms(), store, clinic="c1", by="worker")[0]


def kill_between(house: House, server: FhirServer, known: int) -> None:
    """Let the portal do the work and stay silent; kill the sender while it waits."""
    server.fail("POST", silent=True)
    sender = start_sender(house)
    until = time.monotonic() + 60
    while server.state["total"] == known and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(sender.pid, signal.SIGKILL)
    sender.wait()
    assert server.state["total"] == known + 1


def test_a_reply_cut_off_before_its_answer_stands_once(house: House, server: FhirServer) -> None:
    store = house.store()
    move_in(store)
    desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
    outboxes = house.outboxes()
    for number in range(many(1, long=40)):
        reply_id = approve(desk, receive(store, number))
        kill_between(house, server, number)
        # The restart: long after any send could still be under way.
        sender = house.sender(store)
        sender.recover(datetime.now(UTC) + timedelta(hours=1))
        sender.once()
        reply = store.replies.get(reply_id, clinic="c1", by="test")
        assert reply.state is ReplyState.UNCERTAIN
        assert len(stored(server)) == number + 1
        # Even a person who sends the very same reply again makes no second one.
        outbox = outboxes[Channel.PORTAL]
        receipt = outbox.send(reply.approval, reply.outgoing, message_id=reply.message_id)
        (kept,) = (one for one in stored(server) if f"Communication/{one['id']}" == receipt)
        assert kept["identifier"][0]["value"] == reply.message_id
        assert len(stored(server)) == number + 1
    store.close()


def test_without_the_condition_the_portal_is_seen_to_hold_two(
    house: House, server: FhirServer
) -> None:
    """The sabotage: send again what was cut off, without a condition on our identifier."""
    store = house.store()
    move_in(store)
    desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
    reply_id = approve(desk, receive(store, 0))
    reply = store.replies.claim(reply_id, clinic="c1", by="sender")
    assert reply is not None
    outbox = house.outboxes()[Channel.PORTAL]
    composed = outbox._compose(reply.approval, reply.outgoing, reply.message_id)  # type: ignore[attr-defined]  # A FhirOutbox.
    for _ in range(2):
        outbox._client.post("Communication", composed, {})  # type: ignore[attr-defined]  # A FhirOutbox.
    assert len(stored(server)) == 2, json.dumps(server.state["total"])
    store.close()
