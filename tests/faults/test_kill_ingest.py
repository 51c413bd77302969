"""Safety-bar 1: the worker is killed again and again while mail comes in.

A real Dovecot, a real worker process, SIGKILL to its whole group at random moments: half of them
before it is known how far it is, half just when mail has landed. Afterwards every mail on the
server is stored once, with the server's own bytes. The long form does so on both engines.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers import PASSWORD, DovecotServer
from tests.sizes import LONG, many
from tests.store.test_landing import written
from triage.domain import Clinic
from triage.store import Keys, Store, open_store
from triage.testing import mail
from triage.wiring import House

pytestmark = [pytest.mark.bar(1), pytest.mark.timeout(many(180, long=2400))]

KILLS = many(3, long=200)
BATCH = many(10, long=5)
MAILS = KILLS * BATCH

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[store]
url = "{url}"
[desk]
demonstration = true
[parts]
redactor = "withhold"
classifier = "abstain"
[[inbox]]
name = "front-desk"
kind = "imap"
host = "127.0.0.1"
port = {port}
user = "{user}"
security = "plain"
batch_messages = 5
poll_seconds = 0.2
"""


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    server = DovecotServer()
    yield server
    server.close()


@pytest.fixture
def house(tmp_path: Path, dovecot: DovecotServer, store_url: str, keys: Keys) -> House:
    for name in ("secrets", "keys"):
        (tmp_path / name).mkdir()
    written(keys, tmp_path / "keys")
    (tmp_path / "secrets" / "front-desk").touch(mode=0o600)
    (tmp_path / "secrets" / "front-desk").write_text(PASSWORD)
    text = SETTINGS.format(port=dovecot.port, user=dovecot.user, url=store_url)
    (tmp_path / "triage.toml").write_text(text)
    store = open_store(store_url, keys)
    store.people.add_clinic(Clinic("c1", "Test Clinic"))
    store.close()
    return House.at(tmp_path)


def start_worker(house: House) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "triage", "run", "--home", str(house.home)]
    return subprocess.Popen([*command, "--part", "worker"], start_new_session=True)


def filed(store: Store) -> int:
    return sum(store.cases.counts(clinic="c1").values())


def landed(store: Store) -> int:
    return sum(store.landing.ledger_counts("front-desk", clinic="c1").values())


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)


@pytest.mark.parametrize(
    "store_url", ["sqlite", "postgresql"] if LONG else ["sqlite"], indirect=True
)
def test_killing_the_worker_loses_and_doubles_nothing(
    house: House,
    dovecot: DovecotServer,
    store_url: str,
    keys: Keys,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", KILLS)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    mails = [mail(f"message number {n}", message_id=f"<{n}@example.org>") for n in range(MAILS)]
    store = open_store(store_url, keys)
    for round_ in range(KILLS):
        before = landed(store)
        dovecot.append(mails[round_ * BATCH : (round_ + 1) * BATCH])
        worker = start_worker(house)
        if round_ % 2:
            until(lambda before=before: landed(store) > before, many(8, long=60))  # type: ignore[misc]  # Bound at once.
            time.sleep(chance.uniform(0.0, 0.5))
        else:
            # Start-up takes about two seconds.
            time.sleep(chance.uniform(1.0, 4.0))
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    worker = start_worker(house)
    try:
        until(lambda: filed(store) >= MAILS, many(110, long=600))
        time.sleep(0.5)
        check(store, mails, f"seed {seed}")
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        store.close()


def check(store: Store, mails: Sequence[bytes], where: str) -> None:
    rows = store.cases.queue(clinic="c1", by="test", limit=len(mails) + 1)
    digests = [digest for row in rows for digest in originals(store, row.case.id)]
    assert sorted(digests) == sorted(hashlib.sha256(one).hexdigest() for one in mails), where


def originals(store: Store, case_id: str) -> list[str]:
    found = store.cases.get(case_id, clinic="c1", by="test").messages
    raws = [store.cases.original(message.id, clinic="c1", by="test") for message in found]
    return [hashlib.sha256(raw.content).hexdigest() for raw in raws]


if LONG:
    # The short form tries what two workers do to one another without processes of their own.

    @pytest.mark.bar(10)
    @pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
    def test_two_worker_processes_started_by_mistake_file_each_mail_once(
        house: House, dovecot: DovecotServer, store_url: str, keys: Keys
    ) -> None:
        """One of them is killed half way through; the other waits for nothing it had begun."""
        mails = [mail(f"number {n}", message_id=f"<{n}@example.org>") for n in range(1000)]
        store = open_store(store_url, keys)
        workers = [start_worker(house), start_worker(house)]
        try:
            for start in range(0, len(mails), 50):
                dovecot.append(mails[start : start + 50])
                until(lambda start=start: filed(store) >= start, 60)  # type: ignore[misc]  # Bound at once.
                if start == len(mails) // 2:
                    dead = workers.pop()
                    os.killpg(dead.pid, signal.SIGKILL)
                    dead.wait()
            until(lambda: filed(store) >= len(mails), 300)
            assert [one.poll() for one in workers] == [None]
            check(store, mails, "two workers")
        finally:
            for one in workers:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()
            store.close()
