"""Safety-bar 10: two instances started by mistake, and many clicks on "fetch now", double nothing.

A real Dovecot, both engines, each instance with its own store and its own line. The oracle is a
store that does not look whether it knows a mail.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from tests.one_by_one import land_one_by_one
from tests.servers import PASSWORD, DovecotServer
from tests.sizes import many
from tests.small_practice import mail_from, move_in, rooms
from triage.connectors.imap import ImapInbox
from triage.engine import InboxKeeper
from triage.errors import AlreadyClaimed, StoreLocked
from triage.pipeline import file
from triage.store import Keys, Store, landing, open_store

pytestmark = [pytest.mark.bar(10), pytest.mark.timeout(many(180, long=2400))]

MAILS = many(16, long=10_000)
FETCHES = many(6, long=20)
MAILBOXES = ("INBOX", "Junk")


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


@pytest.fixture
def stores(store: Store, store_url: str, keys: Keys) -> Iterator[list[Store]]:
    """The same database, opened by two instances."""
    move_in(store)
    with closing(open_store(store_url, keys)) as other:
        yield [store, other]


def mails() -> dict[str, list[bytes]]:
    # Four mails of each sender: nobody sends thousands within two days.
    found = [
        mail_from(n % (MAILS // 4), f"number {n}", message_id=f"<{n}@example.org>")
        for n in range(MAILS)
    ]
    return {"INBOX": found[::2], "Junk": found[1::2]}


def keeper(server: DovecotServer, store: Store) -> InboxKeeper:
    settings = {
        **server.settings,
        "mailboxes": list(MAILBOXES),
        "batch_messages": many(7, long=100),
    }
    inbox = ImapInbox(settings, PASSWORD)
    return InboxKeeper(inbox, store, clinic="c1", poll=0.0, clock=lambda: 0.0)


def at_once(jobs: Sequence[Callable[[], object]]) -> list[object]:
    """Start all of them at the same moment and wait for them."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        gate.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def fetch_at_once(server: DovecotServer, stores: list[Store]) -> list[InboxKeeper]:
    keepers = [keeper(server, stores[n % 2]) for n in range(2 + FETCHES)]
    with ExitStack() as stack:
        for one in keepers:
            stack.callback(one._inbox.close)
        at_once([one.once for one in keepers])
        for mailbox, contents in mails().items():
            server.append(contents[len(contents) // 2 :], mailbox)
        at_once([one.once for one in keepers[:2]])
    return keepers


def landed(store: Store) -> list[bytes]:
    waiting = store.landing.waiting(limit=MAILS * 3, clinic="c1")
    found = [store.landing.raw(raw_id, clinic="c1", by="test").content for _, raw_id in waiting]
    return sorted(found)


def fill(server: DovecotServer) -> None:
    for mailbox, contents in mails().items():
        server.append(contents[: len(contents) // 2], mailbox)


def test_two_instances_and_twenty_clicks_store_each_mail_once(
    dovecot: DovecotServer, stores: list[Store]
) -> None:
    fill(dovecot)
    keepers = fetch_at_once(dovecot, stores)
    assert [one.trouble for one in keepers[:2]] == ["", ""]
    assert landed(stores[0]) == sorted(body for contents in mails().values() for body in contents)
    balances = stores[1].mailboxes.balances(clinic="c1")
    assert sum(one.listed for one in balances) == MAILS
    assert [(one.owed, one.repaired) for one in balances] == [(0, 0), (0, 0)]


def test_four_workers_file_each_mail_once(dovecot: DovecotServer, stores: list[Store]) -> None:
    for mailbox, contents in mails().items():
        dovecot.append(contents, mailbox)
    with closing((only := keeper(dovecot, stores[0]))._inbox):
        only.once()
    waiting = [raw_id for _, raw_id in stores[0].landing.waiting(limit=MAILS * 3, clinic="c1")]

    def work(number: int) -> None:
        mine = random.Random(number).sample(waiting, len(waiting))
        for start in range(0, len(mine), 10):
            some = mine[start : start + 10]
            for _ in range(50):
                try:
                    file(some, rooms(), stores[number % 2], clinic="c1", by=f"worker-{number}")
                    break
                except (StoreLocked, AlreadyClaimed):
                    continue

    at_once([lambda n=n: work(n) for n in range(4)])  # type: ignore[misc]  # Bound at once.
    assert stores[0].landing.waiting(limit=10, clinic="c1") == []
    rows = stores[0].cases.queue(clinic="c1", by="test", limit=MAILS * 2)
    files = [stores[0].cases.get(row.case.id, clinic="c1", by="test") for row in rows]
    assert sum(len(one.messages) for one in files) == MAILS


def test_oracle_a_store_that_does_not_look_doubles_them(
    dovecot: DovecotServer, stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blindly(work, arrival, clinic, *, at):  # type: ignore[no-untyped-def]  # A saboteur.
        digest = work.vault.blind("raw", clinic, arrival.digest)
        return landing.write_raw(work, arrival, clinic, digest, landing.new_id(), at=at)

    land_one_by_one(monkeypatch, blindly)
    fill(dovecot)
    two = [keeper(dovecot, store) for store in stores]
    at_once([one.once for one in two])
    for one in two:
        one._inbox.close()
    assert len(landed(stores[0])) > len(set(landed(stores[0])))
