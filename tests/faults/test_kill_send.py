"""Safety-bar 20 and 21, short form: the sender is killed while approved replies go out.

A real SMTP server, a real sender process, SIGKILL at random moments. Afterwards every reply has
exactly one copy at the sink, or at most one and stands as `uncertain` in front of a person.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tests.servers import free_port
from tests.sizes import many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive
from triage.desk import Desk
from triage.domain import ReplyState
from triage.store import Keys, Store, migrate
from triage.wiring import House

pytestmark = pytest.mark.bar(21)

REPLIES = many(24, long=500)
KILLS = many(4, long=200)

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[desk]
demonstration = true
[[outbox]]
name = "out"
kind = "smtp"
channel = "email"
host = "127.0.0.1"
port = {port}
security = "plain"
sender = "desk@clinic.example"
"""


class SlowSink:
    """Keeps what arrives and answers late, so that kills fall after the final dot, too."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        import asyncio

        self.mails.append(bytes(envelope.content))  # type: ignore[attr-defined]  # aiosmtpd is untyped.
        await asyncio.sleep(0.05)
        return "250 kept"


@pytest.fixture
def sink() -> Iterator[tuple[SlowSink, int]]:
    kept = SlowSink()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield kept, int(controller.port)
    controller.stop()


@pytest.fixture
def house(tmp_path: Path, sink: tuple[SlowSink, int]) -> House:
    (tmp_path / "triage.toml").write_text(SETTINGS.format(port=sink[1]))
    (tmp_path / "approval.key").touch(mode=0o600)
    (tmp_path / "approval.key").write_text(MASTER.hex())
    keys = Keys.make(tmp_path / "keys")
    migrate(House.at(tmp_path).url, keys)
    return House.at(tmp_path)


def start_sender(house: House) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "triage", "run", "--home", str(house.home)]
    return subprocess.Popen([*command, "--part", "sender"], start_new_session=True)


def states(store: Store, replies: list[str]) -> dict[str, ReplyState]:
    return {one: store.replies.get(one, clinic="c1", by="test").state for one in replies}


def test_killing_the_sender_doubles_nothing(
    house: House,
    sink: tuple[SlowSink, int],
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", KILLS)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    store = house.store()
    move_in(store)
    desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
    mails = [
        mail_from(1 + n % 2, f"refill number {n}", message_id=f"<{n}@example.org>")
        for n in range(REPLIES)
    ]
    replies = [approve(desk, case_id) for case_id in receive(store, *mails)]
    for _ in range(KILLS):
        sender = start_sender(house)
        time.sleep(chance.uniform(0.8, 2.0))
        os.killpg(sender.pid, signal.SIGKILL)
        sender.wait()
    sender = start_sender(house)
    waiting = {ReplyState.QUEUED, ReplyState.SENDING}
    until = time.monotonic() + many(60, long=600)
    while waiting & set(states(store, replies).values()) and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(sender.pid, signal.SIGKILL)
    sender.wait()
    copies = Counter(message_from_bytes(one)["Message-ID"] for one in sink[0].mails)
    for reply_id, state in states(store, replies).items():
        count = copies[f"<{reply_id}@clinic.example>"]
        assert state in (ReplyState.SENT, ReplyState.UNCERTAIN), f"seed {seed}"
        assert count == 1 if state is ReplyState.SENT else count <= 1, f"seed {seed}"
    store.close()


def test_sending_again_what_is_half_sent_is_seen_to_double(
    house: House, sink: tuple[SlowSink, int]
) -> None:
    """The sabotage: after a kill, put the half-sent reply on the wire again."""
    store = house.store()
    move_in(store)
    desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
    (case_id,) = receive(store, mail_from(1, "please refill"))
    reply_id = approve(desk, case_id)
    reply = store.replies.claim(reply_id, clinic="c1", by="sender")
    assert reply is not None
    (outbox,) = house.outboxes().values()
    for _ in range(2):
        outbox.send(reply.approval, reply.outgoing, message_id=reply.message_id)
    assert len(sink[0].mails) == 2
    sender = house.sender(store)
    assert sender.recover(datetime.now(UTC)) == 1
    assert states(store, [reply_id]) == {reply_id: ReplyState.UNCERTAIN}
    assert desk.queue.view(SECRETARY).counts
    store.close()
