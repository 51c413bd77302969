"""Safety-bar 2: what the server lists and what is stored here are compared after each cycle.

A real Dovecot, both engines, the keeper's own cycle. The oracle is the keeper without the
comparison, which must be seen to lose mail in the same scene.
"""

import contextlib
import hashlib
import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from imapclient import IMAPClient
from sqlalchemy import text

from tests.liars import LyingImap
from tests.servers import PASSWORD, DovecotServer, unprivileged
from tests.sizes import many
from triage.connectors.imap import ImapInbox
from triage.desk.health import banners
from triage.domain import Cursor, Role, User
from triage.engine import InboxKeeper
from triage.errors import NotFound
from triage.store import Keys, Store
from triage.store.engine import connect
from triage.testing import mail

pytestmark = pytest.mark.bar(2)

MAILS = many(40, long=1000)
SECRETARY = User("u1", "clinic-a", "ana", "Ana", frozenset({Role.SECRETARY}))


def mails(count: int, word: str) -> list[bytes]:
    return [mail(f"{word} {n}", message_id=f"<{word}-{n}@example.org>") for n in range(count)]


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


def keeper_of(inbox: ImapInbox, store: Store, clinic: str) -> InboxKeeper:
    # A clock that stands still: no cycle is spared the comparison.
    return InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)


def stored(store: Store, clinic: str) -> list[str]:
    raws = [raw_id for _, raw_id in store.landing.waiting(limit=10_000, clinic=clinic)]
    found = [store.landing.raw(raw_id, clinic=clinic, by="test").content for raw_id in raws]
    return digests(found)


def digests(contents: Sequence[bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in contents)


def alarms(store: Store) -> str:
    found = banners(store, SECRETARY, datetime.now(UTC), {})
    return " ".join(banner.text for banner in found if "mailbox" in banner.text.lower()) + " ".join(
        banner.text for banner in found if "missing here" in banner.text
    )


def delete_rows(url: str, keys: Keys, *, with_bytes: int, ledger_only: int) -> None:
    """Delete random rows as no guard would let us: ten messages the store forgets."""
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        for table in ("ledger", "raw_messages"):
            for on in ("", f" ON {table}"):
                with contextlib.suppress(Exception):
                    connection.execute(text(f"DROP TRIGGER guard_{table}_never_deleted_delete{on}"))
                    connection.commit()
                connection.rollback()
        ids = [row.raw_id for row in connection.execute(text("SELECT raw_id FROM ledger"))]
        chosen = random.sample(ids, with_bytes + ledger_only)
        for raw_id in chosen:
            connection.execute(text("DELETE FROM ledger WHERE raw_id = :id"), {"id": raw_id})
        for raw_id in chosen[:with_bytes]:
            connection.execute(text("DELETE FROM raw_messages WHERE id = :id"), {"id": raw_id})
        connection.commit()
    engine.dispose()


def slip_in(server: DovecotServer, uids: Sequence[int], contents: Sequence[bytes]) -> None:
    """Put mails into the maildir under UIDs long passed, as a restored backup or a tool does."""
    server.stop()
    folder = server.home / "mail" / server.user
    head, *lines = (folder / "dovecot-uidlist").read_text().splitlines()
    lines = [line for line in lines if int(line.split()[0]) not in uids]
    for uid, content in zip(uids, contents, strict=True):
        name = f"slipped-in-{uid}"
        (folder / "cur" / f"{name}:2,").write_bytes(content)
        lines.append(f"{uid} :{name}")
    lines.sort(key=lambda line: int(line.split()[0]))
    (folder / "dovecot-uidlist").write_text("\n".join([head, *lines]) + "\n")
    for path in folder.glob("dovecot.index*"):
        path.unlink()
    owner = unprivileged()
    for path in [folder / "dovecot-uidlist", *(folder / "cur").iterdir()]:
        with contextlib.suppress(PermissionError):
            shutil.chown(path, *owner)
    server.start()


def expunge(server: DovecotServer, uids: Sequence[int]) -> None:
    with IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=20) as line:
        line.login(server.user, PASSWORD)
        line.select_folder("INBOX")
        line.delete_messages(uids)
        line.expunge()


def damage(server: DovecotServer, store: Store, url: str, keys: Keys, clinic: str) -> list[bytes]:
    """Ten rows of ours are deleted, ten mails appear behind the cursor: five here, five there."""
    behind = mails(10, "behind")
    delete_rows(url, keys, with_bytes=5, ledger_only=5)
    slip_in(server, range(3, 8), behind[:5])
    last = server.append(behind[5:])[-1]
    epoch = store.landing.cursors("front-desk", clinic=clinic)["INBOX"].epoch
    store.landing.move_cursor("front-desk", Cursor("INBOX", epoch, str(last)), clinic=clinic)
    return behind


@pytest.mark.parametrize("offers", ["qresync", "nothing"])
def test_twenty_of_twenty_are_found_and_repaired(
    store: Store, store_url: str, keys: Keys, clinic: str, offers: str
) -> None:
    plain = "imap_capability = IMAP4rev1" if offers == "nothing" else ""
    with DovecotServer(more=plain) as server:
        old = mails(MAILS, "old")
        server.append(old)
        expunge(server, range(3, 8))
        inbox = ImapInbox(server.settings, PASSWORD)
        keeper = keeper_of(inbox, store, clinic)
        assert keeper.once()
        assert "missing here" not in alarms(store)
        there = old[:2] + old[7:]
        behind = damage(server, store, store_url, keys, clinic)
        inbox.close()
        server.mark()
        for _ in range(2):
            keeper.once()
        assert stored(store, clinic) == digests([*there, *behind])
        (balance,) = store.mailboxes.balances(clinic=clinic)
        assert (balance.listed, balance.owed, balance.repaired) == (len(there) + 10, 0, 20)
        assert "missing here" in alarms(store)
        assert ("QRESYNC" in server.commands()) == (offers == "qresync")
        # And it is quiet again: one more cycle finds nothing to mend.
        assert keeper.once()
        assert store.mailboxes.balances(clinic=clinic)[0].repaired == 20
        inbox.close()


def test_oracle_without_the_comparison_mail_is_lost(
    store: Store,
    store_url: str,
    keys: Keys,
    clinic: str,
    dovecot: DovecotServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triage.engine.inboxes.reconcile", lambda *_, **__: 0)
    old = mails(20, "old")
    dovecot.append(old)
    expunge(dovecot, range(3, 8))
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    keeper = keeper_of(inbox, store, clinic)
    keeper.once()
    behind = damage(dovecot, store, store_url, keys, clinic)
    inbox.close()
    for _ in range(2):
        keeper.once()
    assert not set(digests(behind)) & set(stored(store, clinic))
    inbox.close()


def test_what_a_server_will_not_give_is_owed_then_quarantined_and_a_person_may_ignore_it(
    store: Store, clinic: str
) -> None:
    with LyingImap(dict(enumerate(mails(6, "old"), 1))) as server:
        server.lies.silent.add(3)
        inbox = ImapInbox(server.settings, PASSWORD)
        keeper = keeper_of(inbox, store, clinic)
        keeper.once()
        (debt,) = store.mailboxes.debts(clinic=clinic)
        assert (debt.uid, debt.fate, debt.tries) == ("3", "owed", 1)
        assert "1 message lies in the mailbox" in alarms(store)
        for _ in range(3):
            assert keeper.once(), "one stubborn message must not slow the others down"
        assert store.mailboxes.debts(clinic=clinic)[0].fate == "quarantined"
        store.mailboxes.ignore("front-desk", "INBOX", "3", clinic=clinic, by="ana")
        keeper.once()
        (debt,) = store.mailboxes.debts(clinic=clinic)
        assert (debt.fate, debt.by) == ("ignored", "ana")
        assert store.mailboxes.balances(clinic=clinic)[0].owed == 0
        assert alarms(store) == ""
        with pytest.raises(NotFound):
            store.mailboxes.ignore("front-desk", "INBOX", "4", clinic=clinic, by="ana")
        inbox.close()


def test_an_owed_message_comes_in_as_soon_as_the_server_gives_it(store: Store, clinic: str) -> None:
    contents = mails(6, "old")
    now = [0.0]
    with LyingImap(dict(enumerate(contents, 1))) as server:
        server.lies.silent |= {2, 3}
        inbox = ImapInbox(server.settings, PASSWORD, clock=lambda: now[0])
        keeper = keeper_of(inbox, store, clinic)
        for _ in range(6):
            keeper.once()
        server.lies.silent.clear()
        server.messages.pop(2)
        now[0] += 3600
        keeper.once()
        keeper.once()
        assert stored(store, clinic) == digests([contents[0], *contents[2:]])
        assert store.mailboxes.debts(clinic=clinic) == []
        assert store.landing.cursors("front-desk", clinic=clinic)["INBOX"].uid == "6"
        inbox.close()


def test_one_mailbox_in_trouble_does_not_keep_the_others_from_being_compared(
    store: Store, clinic: str, dovecot: DovecotServer
) -> None:
    dovecot.append(mails(2, "inbox"))
    dovecot.append(mails(3, "junk"), "Junk")
    settings = {**dovecot.settings, "mailboxes": ["Gone", "INBOX", "Junk"]}
    inbox = ImapInbox(settings, PASSWORD)
    assert not keeper_of(inbox, store, clinic).once()
    found = {one.mailbox: one.listed for one in store.mailboxes.balances(clinic=clinic)}
    assert found == {"INBOX": 2, "Junk": 3}
    inbox.close()


def test_one_at_which_the_server_hangs_up_does_not_either(store: Store, clinic: str) -> None:
    with LyingImap(dict(enumerate(mails(3, "old"), 1))) as server:
        settings = {**server.settings, "mailboxes": ["Junk", "INBOX"]}
        inbox = ImapInbox(settings, PASSWORD)
        keeper = keeper_of(inbox, store, clinic)
        keeper.fetch()
        server.lies.hangs_up_at.add("Junk")
        # The second time over a new connection, with the look at what lies below the marks.
        for uid, content in enumerate(mails(2, "new"), 4):
            server.messages[uid] = content
            assert not keeper.once()
            assert keeper.trouble == "MailboxUnreachable"
            found = {one.mailbox: one.listed for one in store.mailboxes.balances(clinic=clinic)}
            assert found == {"INBOX": uid, "Junk": 3}
        inbox.close()
