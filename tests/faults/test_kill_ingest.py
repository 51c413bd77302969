"""Safety-bar 1: the worker is killed again and again while mail and portal messages come in.

A real Dovecot, a real FHIR server, a real worker process, SIGKILL to its whole group: a third of
the times at a random moment, a third just when mail has landed, a third at a named step (see
`dying_worker`). Afterwards every message on the servers is stored once, with the server's own
bytes. The long form does so on both engines, and comes to every step five times.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.dying_worker import STEPS
from tests.faults.test_fhir_polling import message
from tests.servers import PASSWORD, DovecotServer, FhirServer
from tests.sizes import ENGINES, LONG, many
from tests.store.test_landing import written
from triage.connectors.fhir_page import canonical
from triage.domain import Clinic
from triage.store import Keys, Store, open_store
from triage.testing import mail
from triage.wiring import House

pytestmark = [pytest.mark.bar(1), pytest.mark.timeout(many(180, long=2400))]

#: Kills at no moment of the test's choosing, and times that each named step is come to.
AT_RANDOM, AT_EACH = many(1, long=200), 5
#: Mails that come before each kill, beside one message of the portal.
BATCH = many(10, long=5)
#: In the long form apart, so that neither takes longer than a part of it may.
WAYS = ("at random", "at named steps") if LONG else ("both",)

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
[[inbox]]
name = "portal"
kind = "fhir"
base_url = "{portal}"
poll_seconds = 1
"""


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    server = DovecotServer()
    yield server
    server.close()


@pytest.fixture
def portal() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


@pytest.fixture
def house(
    tmp_path: Path, dovecot: DovecotServer, portal: FhirServer, store_url: str, keys: Keys
) -> House:
    for name in ("secrets", "keys"):
        (tmp_path / name).mkdir()
    written(keys, tmp_path / "keys")
    for name in ("front-desk", "portal"):
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text(PASSWORD)
    servers = {"port": dovecot.port, "user": dovecot.user, "portal": portal.base_url}
    text = SETTINGS.format(url=store_url, **servers)
    (tmp_path / "triage.toml").write_text(text)
    store = open_store(store_url, keys)
    store.people.add_clinic(Clinic("c1", "Test Clinic"))
    store.close()
    return House.at(tmp_path)


def start_worker(house: House) -> "subprocess.Popen[bytes]":
    return started("triage", "run", "--home", str(house.home), "--part", "worker")


def started(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", *words], start_new_session=True)


def filed(store: Store) -> int:
    return sum(store.cases.counts(clinic="c1").values())


def landed(store: Store) -> int:
    return sum(store.landing.ledger_counts("front-desk", clinic="c1").values())


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)


class Arriving:
    """What comes in: mails and messages of the portal, all different."""

    def __init__(self, mailbox: DovecotServer, portal: FhirServer) -> None:
        self._mailbox, self._portal = mailbox, portal
        #: Every message's bytes as they must be stored.
        self.contents: list[bytes] = []

    def bring(self, mails: int) -> None:
        """Put so many mails into the mailbox, and one message into the portal."""
        first = len(self.contents)
        letters = [
            mail(f"message number {n}", message_id=f"<{n}@example.org>")
            for n in range(first, first + mails)
        ]
        self._mailbox.append(letters)
        said = message(f"m{first}", datetime.now(UTC))
        self._portal.seed(said)
        self.contents += [*letters, canonical(said)]


def die_at_random(
    house: House, store: Store, arriving: Arriving, *, landed_first: bool, chance: random.Random
) -> None:
    """Start a worker and kill it: at any moment, or as soon as something has landed."""
    before = landed(store)
    arriving.bring(BATCH)
    worker = start_worker(house)
    if landed_first:
        until(lambda: landed(store) > before, many(8, long=60))
        time.sleep(chance.uniform(0.0, 0.5))
    else:
        # Start-up takes about two seconds.
        time.sleep(chance.uniform(1.0, 4.0))
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def die_at_step(house: House, arriving: Arriving, step: str, *, call: int) -> None:
    """Start a worker that dies at this step; what it waits for may come with the next mail."""
    arriving.bring(BATCH)
    worker = started("tests.faults.dying_worker", str(house.home), step, str(call))
    for _ in range(20):
        until(lambda: worker.poll() is not None, 6)
        if worker.poll() is not None:
            break
        arriving.bring(1)
    came = worker.poll()
    if came is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert came == -signal.SIGKILL, f"it did not die at: {step}"


def deaths(way: str, chance: random.Random) -> list[tuple[str, int]]:
    """Return in any order how the worker dies: at which step, at which of its calls."""
    blind = [("", chance.randrange(2)) for _ in range(AT_RANDOM)]
    every = [(step, 1 + number % 2) for step in STEPS for number in range(AT_EACH)]
    named = every if LONG else [(step, 1) for step in chance.sample(list(STEPS), 2)]
    found = {"at random": blind, "at named steps": named, "both": [*blind, *named]}[way]
    return chance.sample(found, len(found))


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_killing_the_worker_loses_and_doubles_nothing(
    way: str,
    house: House,
    dovecot: DovecotServer,
    portal: FhirServer,
    store_url: str,
    keys: Keys,
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    arriving, store = Arriving(dovecot, portal), open_store(store_url, keys)
    planned = deaths(way, chance)
    record_property("tried", len(planned))
    for step, number in planned:
        if step:
            die_at_step(house, arriving, step, call=number)
        else:
            die_at_random(house, store, arriving, landed_first=bool(number), chance=chance)
    worker = start_worker(house)
    try:
        until(lambda: filed(store) >= len(arriving.contents), many(110, long=600))
        time.sleep(0.5)
        check(store, arriving.contents, f"seed {seed}")
        record_property("messages", len(arriving.contents))
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        store.close()


def check(store: Store, contents: Sequence[bytes], where: str) -> None:
    rows = store.cases.queue(clinic="c1", by="test", limit=len(contents) + 1)
    digests = [digest for row in rows for digest in originals(store, row.case.id)]
    assert sorted(digests) == sorted(hashlib.sha256(one).hexdigest() for one in contents), where


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
