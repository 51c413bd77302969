"""Safety-bar 15: a restore brings all back, sends nothing twice, and misses no mail."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.postgres import OWNER, PostgresServer
from tests.sizes import many
from tests.small_practice import MASTER, approve, mail_from, move_in, receive
from triage.desk import Desk
from triage.domain import Channel, ReplyState
from triage.engine import Sender
from triage.errors import Erased, StoreRefused
from triage.pipeline import land
from triage.store import Keys, Store, open_life, open_store, tables
from triage.store.backup import make_backup, restore_backup
from triage.store.backup_folder import DATA, KEYS, LIST, BackupFolder
from triage.store.engine import connect
from triage.store.keystore import connect_keys
from triage.store.keystore import metadata as key_tables
from triage.store.rows import digest_of, lines_of
from triage.testing import MemoryInbox, MemoryOutbox

pytestmark = pytest.mark.bar(15)

DRILLS = many(2, long=20)
REPLIES = many(8, long=200)
#: A restore adds its own events to these, or empties them on purpose.
MOVED = {"audit", "audit_cases", "audit_heads", "sessions", "known_browsers", "log_in_tries"}
Place = Callable[[], str]


@pytest.fixture
def place(store_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a function that gives the address of a database that is not there yet."""
    with ExitStack() as stack:
        count = iter(range(100))

        def fresh() -> str:
            name = f"again_{next(count)}"
            if store_url.startswith("sqlite"):
                return f"sqlite:///{tmp_path / name / 'triage.db'}"
            server: PostgresServer = request.getfixturevalue("postgres")
            server.ask("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
            stack.callback(server.ask, "postgres", f"DROP DATABASE {name} WITH (FORCE)")
            return server.url(name)

        yield fresh


@pytest.fixture
def desk(store: Store) -> Desk:
    move_in(store)
    return Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")


def digests(url: str, keys: Keys) -> dict[str, str]:
    """Return table -> digest of all its rows, those of the key store too."""
    found = {}
    for engine, order in (
        (connect(url, keys, owner=True), tables.metadata.sorted_tables),
        (connect_keys(url, keys, owner=True), key_tables.sorted_tables),
    ):
        with engine.connect() as connection:
            found |= {
                table.name: digest_of(connection, [table])
                for table in order
                if table.name not in MOVED
            }
        engine.dispose()
    return found


def test_restores_are_equal_by_digest_with_chain_and_keys(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path
) -> None:
    folder, outbox = tmp_path / "b", MemoryOutbox()
    for number in range(DRILLS):
        (case_id,) = receive(store, mail_from(1 + number % 2, f"refill {number}"))
        approve(desk, case_id)
        # All has left, so that the restore has nothing to put in front of a person.
        Sender(store, {Channel.EMAIL: outbox}, master=MASTER).once()
        before = digests(store_url, keys)
        make_backup(store_url, keys, folder)
        url = place()
        found = restore_backup(url, keys, folder)
        assert (found.verdict.holds, found.uncertain, found.erased) == (True, 0, 0)
        assert digests(url, keys) == before
        restored = open_store(url, keys)
        # The keys came along: what they seal opens.
        body = restored.cases.get(case_id, clinic="c1", by="t").messages[0].body
        assert f"refill {number}" in body.reveal()
        assert restored.audit.verify().holds
        restored.close()
    assert len(outbox.sent) == DRILLS


def test_a_drill_that_lost_a_row_would_be_seen(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The oracle: a backup that forgets the last row is refused, and differs by digest."""
    receive(store, mail_from(1, "refill"))
    before = digests(store_url, keys)
    monkeypatch.setattr("triage.store.backup.lines_of", lambda *given: [*lines_of(*given)][:-1])
    make_backup(store_url, keys, tmp_path / "b")
    url = place()
    with pytest.raises(StoreRefused):
        restore_backup(url, keys, tmp_path / "b")
    assert digests(url, keys) != before


@pytest.mark.parametrize("doubt", [True, False])
def test_no_reply_leaves_twice_after_a_restore(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, *, doubt: bool,
) -> None:  # fmt: skip
    """Without the doubt of the restore, which is the oracle, every one would leave again."""
    outbox, doors = MemoryOutbox(), {Channel.EMAIL: MemoryOutbox()}
    mails = [mail_from(1 + n % 2, "refill", message_id=f"<{n}@e.org>") for n in range(REPLIES)]
    waiting = [approve(desk, case_id) for case_id in receive(store, *mails)]
    make_backup(store_url, keys, tmp_path / "b")
    sender = Sender(store, {Channel.EMAIL: outbox}, master=MASTER)
    while sender.once():
        pass
    assert len(outbox.sent) == REPLIES
    if not doubt:
        monkeypatch.setattr("triage.store.backup._doubt", lambda _: 0)
    url = place()
    found = restore_backup(url, keys, tmp_path / "b")
    restored = open_store(url, keys)
    again = Sender(restored, doors, master=MASTER)
    while again.once():
        pass
    assert (len(doors[Channel.EMAIL].sent), found.uncertain) == (
        (0, REPLIES) if doubt else (REPLIES, 0)
    )
    states = {restored.replies.get(one, clinic="c1", by="t").state for one in waiting}
    assert states == {ReplyState.UNCERTAIN if doubt else ReplyState.SENT}
    restored.close()


def test_mail_that_came_after_the_backup_is_fetched_again_once(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path
) -> None:
    count = many(12, long=400)
    mails = [mail_from(1, f"refill {n}", message_id=f"<{n}@e.org>") for n in range(count)]
    inbox = MemoryInbox(mails[: count // 2])
    assert len(land(inbox, store, clinic="c1")) == count // 2
    make_backup(store_url, keys, tmp_path / "b")
    inbox.mails = list(mails)
    assert len(land(inbox, store, clinic="c1")) == count - count // 2
    url = place()
    restore_backup(url, keys, tmp_path / "b")
    restored = open_store(url, keys)
    # The mailbox was given a new number meanwhile: it lists everything anew.
    inbox.epoch = "2"
    assert len(land(inbox, restored, clinic="c1")) == count - count // 2
    assert land(inbox, restored, clinic="c1") == ()
    raws = [one for _, one in restored.landing.waiting(limit=10_000, clinic="c1")]
    found = [restored.landing.raw(one, clinic="c1", by="t").content for one in raws]
    assert sorted(found) == sorted(mails)
    restored.close()


def erase(store: Store, store_url: str, keys: Keys, case_id: str, *lists: Path) -> None:
    life = open_life(store_url, keys, store, lists=lists)
    life.erase("case", case_id, clinic="c1", by="sam")
    life.close()


@pytest.mark.bar(44)
@pytest.mark.parametrize("second", [True, False])
def test_the_second_list_erases_again_when_the_home_disk_is_lost(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path,
    *, second: bool,
) -> None:  # fmt: skip
    """Without the second list, the oracle, what was erased after the last backup is back."""
    home, away = tmp_path / "home.list", tmp_path / "b" / LIST
    cases = receive(store, mail_from(1, "refill"), mail_from(2, "a bill"))
    make_backup(store_url, keys, tmp_path / "b", lists=[home])
    erase(store, store_url, keys, cases[0], home, *([away] if second else []))
    home.unlink()
    url = place()
    found = restore_backup(url, keys, tmp_path / "b", lists=[home])
    restored = open_store(url, keys)
    assert found.erased == int(second)
    if second:
        with pytest.raises(Erased):
            restored.cases.get(cases[0], clinic="c1", by="t")
    else:
        assert restored.cases.get(cases[0], clinic="c1", by="t").messages
    assert restored.cases.get(cases[1], clinic="c1", by="t").messages
    assert {row.case.id for row in restored.cases.queue(clinic="c1", by="t")} == set(
        cases[1:] if second else cases
    )
    restored.close()


@pytest.mark.bar(44)
def test_an_old_backup_opens_with_the_newest_keys_but_not_what_was_erased_since(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path
) -> None:
    """Rows of three weeks ago, whose own keys went long since, and every erasure list is lost."""
    now, folder = store.transactions.clock(), BackupFolder(tmp_path / "b")
    kept, gone = receive(store, mail_from(1, "refill"), mail_from(2, "a bill"))
    on_its_way = approve(desk, gone)
    assert store.replies.claim(on_its_way, clinic="c1", by="sender")
    old = now - timedelta(days=21)
    make_backup(store_url, keys, folder.path, clock=lambda: old)
    store.replies.settle(on_its_way, ReplyState.SENT, clinic="c1", by="sender")
    erase(store, store_url, keys, gone, tmp_path / "home.list")
    make_backup(store_url, keys, folder.path, clock=lambda: now)
    assert (folder.moments(DATA), folder.moments(KEYS)) == ([old, now], [now])
    folder.list.unlink(missing_ok=True)
    url = place()
    found = restore_backup(url, keys, folder.path, made=f"{old:%Y%m%d}")
    assert (found.made_at, found.erased) == (old, 1)
    restored = open_store(url, keys)
    with pytest.raises(Erased):
        restored.cases.get(gone, clinic="c1", by="t")
    (row,) = restored.cases.queue(clinic="c1", by="t")
    assert row.case.id == kept
    assert restored.cases.get(kept, clinic="c1", by="t").messages
    restored.close()
    with pytest.raises(StoreRefused):
        restore_backup(place(), keys, folder.path, made="1999")


def test_rows_without_keys_are_no_backup(
    store: Store, store_url: str, keys: Keys, desk: Desk, place: Place, tmp_path: Path
) -> None:
    receive(store, mail_from(1, "refill"))
    make_backup(store_url, keys, tmp_path / "b")
    for path in (tmp_path / "b" / KEYS).iterdir():
        path.unlink()
    assert BackupFolder(tmp_path / "b").newest() is None
    with pytest.raises(StoreRefused):
        restore_backup(place(), keys, tmp_path / "b")
