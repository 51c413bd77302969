"""Safety-bar 20 and 21: the sender is killed while approved replies go out.

A real SMTP server, a real sender process, SIGKILL at random moments, half of them while mail is on
the wire. Afterwards every reply has exactly one copy at the sink, or at most one and stands as
`uncertain` in front of a person. The long form does so on both engines.
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
from tests.sizes import LONG, many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive
from tests.store.test_landing import written
from triage.desk import Desk
from triage.domain import ReplyState
from triage.store import Keys, Store, open_store
from triage.wiring import House

pytestmark = [
    pytest.mark.bar(21),
    pytest.mark.timeout(many(180, long=2400)),
    pytest.mark.parametrize(
        "store_url", ["sqlite", "postgresql"] if LONG else ["sqlite"], indirect=True
    ),
]

REPLIES = many(16, long=500)
KILLS = many(4, long=200)

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[store]
url = "{url}"
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
def house(tmp_path: Path, sink: tuple[SlowSink, int], store_url: str, keys: Keys) -> House:
    (tmp_path / "triage.toml").write_text(SETTINGS.format(port=sink[1], url=store_url))
    (tmp_path / "approval.key").touch(mode=0o600)
    (tmp_path / "approval.key").write_text(MASTER.hex())
    (tmp_path / "keys").mkdir()
    written(keys, tmp_path / "keys")
    return House.at(tmp_path)


@pytest.fixture
def store(store_url: str, keys: Keys) -> Iterator[Store]:
    opened = open_store(store_url, keys)
    move_in(opened)
    yield opened
    opened.close()


def start_sender(house: House) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "triage", "run", "--home", str(house.home)]
    return subprocess.Popen([*command, "--part", "sender"], start_new_session=True)


def states(store: Store, replies: list[str]) -> dict[str, ReplyState]:
    return {one: store.replies.get(one, clinic="c1", by="test").state for one in replies}


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)


def test_killing_the_sender_doubles_nothing(
    house: House,
    store: Store,
    sink: tuple[SlowSink, int],
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", KILLS)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    desk = Desk(store, undo=timedelta(0), mail_domain="clinic.example")
    mails = [
        mail_from(1 + n % 2, f"refill number {n}", message_id=f"<{n}@example.org>")
        for n in range(REPLIES)
    ]
    cases = receive(store, *mails)
    replies: list[str] = []
    for round_ in range(KILLS):
        # Some for every round, so that no kill finds all of them gone.
        some = cases[round_ * REPLIES // KILLS : (round_ + 1) * REPLIES // KILLS]
        replies += [approve(desk, case_id) for case_id in some]
        before = len(sink[0].mails)
        sender = start_sender(house)
        if round_ % 2:
            until(lambda before=before: len(sink[0].mails) > before, many(8, long=60))  # type: ignore[misc]  # Bound at once.
            time.sleep(chance.uniform(0.0, 0.2))
        else:
            time.sleep(chance.uniform(0.8, 2.0))
        os.killpg(sender.pid, signal.SIGKILL)
        sender.wait()
    sender = start_sender(house)
    waiting = {ReplyState.QUEUED, ReplyState.SENDING}
    until(lambda: not waiting & set(states(store, replies).values()), many(110, long=600))
    os.killpg(sender.pid, signal.SIGKILL)
    sender.wait()
    assert len(replies) == REPLIES
    copies = Counter(message_from_bytes(one)["Message-ID"] for one in sink[0].mails)
    for reply_id, state in states(store, replies).items():
        count = copies[f"<{reply_id}@clinic.example>"]
        assert state in (ReplyState.SENT, ReplyState.UNCERTAIN), f"seed {seed}"
        assert count == 1 if state is ReplyState.SENT else count <= 1, f"seed {seed}"


def test_sending_again_what_is_half_sent_is_seen_to_double(
    house: House, store: Store, sink: tuple[SlowSink, int]
) -> None:
    """The sabotage: after a kill, put the half-sent reply on the wire again."""
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
