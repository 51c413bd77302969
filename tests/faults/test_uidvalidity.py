"""Safety-bar 3: the server renumbers, starts anew, forgets its epoch or goes back.

A real Dovecot, the real store (in the long form on both engines), the path's own `land`. The
oracle is a ledger keyed by UID only, which must be seen to lose new mail in the same scenes.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.liars import LyingImap
from tests.servers import PASSWORD, DovecotServer
from tests.sizes import ENGINES, many, on_engines
from triage.connectors.imap import ImapInbox
from triage.domain import Arrival, Clinic, Cursor
from triage.errors import InboxLied
from triage.pipeline import land
from triage.store import Keys, Store, open_store
from triage.testing import mail

pytestmark = pytest.mark.bar(3)

OLD = [mail(f"old {n}", message_id=f"<old-{n}@example.org>") for n in range(many(60, long=1000))]
NEW = [mail(f"new {n}", message_id=f"<new-{n}@example.org>") for n in range(many(10, long=50))]
#: How many of the old mails there were when the backup was made.
KEPT = len(OLD) * 2 // 3


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    """A mailbox `Front` with the old mails, and a backup from when it held two thirds."""
    with DovecotServer() as server:
        server.append(OLD[:KEPT], "Front")
        server.stop()
        subprocess.run(["cp", "-a", server.home / "mail", server.home / "backup"], check=True)
        server.start()
        server.append(OLD[KEPT:], "Front")
        yield server


@pytest.fixture
def store(store_url: str, keys: Keys) -> Iterator[Store]:
    store = open_store(store_url, keys)
    store.people.add_clinic(Clinic("c1", "Test Clinic"))
    yield store
    store.close()


def inbox_of(server: DovecotServer | LyingImap) -> ImapInbox:
    settings = {**server.settings, "batch_messages": 20, "mailboxes": ["Front"]}
    return ImapInbox(settings, PASSWORD)


def stored(store: Store) -> list[str]:
    raws = [raw_id for _, raw_id in store.landing.waiting(limit=10_000)]
    found = [store.landing.raw(raw_id, clinic="c1", by="test").content for raw_id in raws]
    return sorted(hashlib.sha256(content).hexdigest() for content in found)


def digests(mails: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in mails)


class KeyedByUid:
    """The sabotage: a ledger that takes a UID for a message's identity, as many programs do."""

    def __init__(self) -> None:
        self.seen: dict[int, bytes] = {}

    def land(self, arrivals: tuple[Arrival, ...]) -> None:
        for arrival in arrivals:
            self.seen.setdefault(int(arrival.position.uid), arrival.content)

    def fetch(self, inbox: ImapInbox) -> None:
        for delivery in inbox.deliveries({}):
            self.land(delivery.arrivals)


def renumber(server: DovecotServer) -> list[bytes]:
    """(i) The administrator changes UIDVALIDITY: the same mails under a new epoch."""
    server.renumber(424242, "Front")
    server.append(NEW, "Front")
    return [*OLD, *NEW]


def recreate(server: DovecotServer) -> list[bytes]:
    """(ii) The mailbox is deleted and made again: other mails under UIDs from 1."""
    server.delete_mailbox("Front")
    server.append(NEW, "Front")
    return NEW


def go_back(server: DovecotServer) -> list[bytes]:
    """(iv) The backup is restored: UIDNEXT goes back, and new mails get UIDs already used."""
    server.stop()
    shutil.rmtree(server.home / "mail")
    (server.home / "backup").rename(server.home / "mail")
    server.start()
    server.append(NEW, "Front")
    return [*OLD[:KEPT], *NEW]


Change = Callable[[DovecotServer], list[bytes]]
CHANGES: tuple[Change, ...] = (renumber, recreate, go_back)


@pytest.mark.parametrize(
    ("store_url", "scene"), on_engines(CHANGES, both=go_back), indirect=["store_url"]
)
def test_nothing_is_lost_and_nothing_doubled(
    scene: Change,
    dovecot: DovecotServer,
    store: Store,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", len(OLD) + len(NEW))
    inbox = inbox_of(dovecot)
    land(inbox, store, clinic="c1")
    assert stored(store) == digests(OLD)
    inbox.close()
    scene(dovecot)
    for _ in range(2):
        land(inbox, store, clinic="c1")
    assert stored(store) == digests([*OLD, *NEW])
    # And it is quiet again: nothing is listed a third time.
    cursors = store.landing.cursors("front-desk", clinic="c1")
    assert list(inbox.deliveries(cursors)) == []
    inbox.close()


@pytest.mark.parametrize("scene", [recreate, go_back])
def test_oracle_a_ledger_keyed_by_uid_loses_mail(scene: Change, dovecot: DovecotServer) -> None:
    ledger, inbox = KeyedByUid(), inbox_of(dovecot)
    ledger.fetch(inbox)
    inbox.close()
    wanted = scene(dovecot)
    ledger.fetch(inbox)
    inbox.close()
    assert set(digests(wanted)) - set(digests(list(ledger.seen.values())))


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
@pytest.mark.parametrize("missing", ["absent", "zero"])
def test_without_uidvalidity_it_stops_with_an_alarm(missing: str, store: Store) -> None:
    """(iii)"""
    with LyingImap(dict(enumerate(OLD, 1))) as server:
        inbox = inbox_of(server)
        land(inbox, store, clinic="c1")
        server.messages |= dict(enumerate(NEW, len(OLD) + 1))
        server.lies.no_uid_validity = missing == "absent"
        server.lies.uid_validity = 0
        before = store.landing.cursors("front-desk", clinic="c1")
        with pytest.raises(InboxLied):
            land(inbox, store, clinic="c1")
        assert store.landing.cursors("front-desk", clinic="c1") == before
        server.lies.no_uid_validity, server.lies.uid_validity = False, 7
        land(inbox, store, clinic="c1")
        assert stored(store) == digests([*OLD, *NEW])


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
def test_stopping_halfway_through_a_reset_hides_nothing(store: Store) -> None:
    """The stored cursor goes back first: the mailbox may outgrow the old mark before we return."""
    with LyingImap(dict(enumerate(OLD, 1))) as server:
        inbox = inbox_of(server)
        land(inbox, store, clinic="c1")
        server.messages = dict(enumerate(NEW, 1))
        deliveries = inbox.deliveries(store.landing.cursors("front-desk", clinic="c1"))
        first = next(deliveries)
        deliveries.close()
        assert first.arrivals == ()
        assert first.cursor == Cursor("Front", "7", "0")
        store.landing.move_cursor("front-desk", first.cursor, clinic="c1")
        later = [mail(f"later {n}") for n in range(len(OLD))]
        server.messages |= dict(enumerate(later, len(NEW) + 1))
        land(inbox, store, clinic="c1")
        assert stored(store) == digests([*OLD, *NEW, *later])
