"""The restore drill: equal by digest, nothing sent twice, and what was erased stays erased."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.postgres import OWNER, PostgresServer
from tests.store.practice import ana, queued
from triage.domain import ReplyState
from triage.errors import Erased, StoreRefused
from triage.store import Keys, Store, open_life, open_store, tables
from triage.store.backup import DATA, KEPT, KEYS, make_backup, restore_backup
from triage.store.engine import connect
from triage.store.rows import digest_of


@pytest.fixture
def fresh_url(store_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place of the same engine where nothing is yet."""
    if store_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'again' / 'triage.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    server.ask("postgres", f"CREATE DATABASE empty OWNER {OWNER}")
    yield server.url("empty")
    server.ask("postgres", "DROP DATABASE empty WITH (FORCE)")


def digests(url: str, keys: Keys) -> dict[str, str]:
    found, engine = {}, connect(url, keys, owner=True)
    with engine.connect() as connection:
        for name in ("raw_messages", "messages", "attachments", "patients", "approvals"):
            found[name] = digest_of(connection, [tables.metadata.tables[name]])
    engine.dispose()
    return found


def test_the_drill(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path
) -> None:
    sent, waiting, gone = (queued(store, clinic) for _ in range(3))
    store.replies.claim(sent.id, clinic=clinic, by="sender")
    store.replies.settle(sent.id, ReplyState.SENT, clinic=clinic, by="sender", receipt="250")
    before = digests(store_url, keys)
    make_backup(store_url, keys, tmp_path / "backups")
    # After the backup one reply leaves, and a case is erased; then the disk dies.
    assert store.replies.claim(waiting.id, clinic=clinic, by="sender") is not None
    store.replies.settle(waiting.id, ReplyState.SENT, clinic=clinic, by="sender")
    erased = gone.outgoing.case_id
    life = open_life(store_url, keys, store, lists=[tmp_path / "list"])
    life.erase("case", erased, clinic=clinic, by="user-dora")
    life.close()

    verdict, uncertain, again = restore_backup(
        fresh_url, keys, tmp_path / "backups", lists=[tmp_path / "list"]
    )
    assert (verdict.holds, uncertain, again) == (True, 2, 1)
    after = digests(fresh_url, keys)
    assert {name for name in before if before[name] != after[name]} <= {"messages"}
    restored = open_store(fresh_url, keys)
    much_later = restored.transactions.clock() + timedelta(days=900)
    assert restored.replies.due(much_later, limit=9) == []
    doubtful = restored.replies.get(waiting.id, clinic=clinic, by="t")
    assert (doubtful.state, doubtful.why.reveal()) == (ReplyState.UNCERTAIN, "restored")
    rows = restored.cases.queue(clinic=clinic, by="t")
    assert waiting.outgoing.case_id in {row.case.id for row in rows}
    assert erased not in {row.case.id for row in rows}
    with pytest.raises(Erased):
        restored.cases.get(erased, clinic=clinic, by="t")
    assert restored.replies.get(sent.id, clinic=clinic, by="t").state is ReplyState.SENT
    assert restored.audit.verify().holds
    restored.close()
    with pytest.raises(StoreRefused):
        restore_backup(fresh_url, keys, tmp_path / "backups")


def test_without_doubt_and_without_the_list_the_drill_fails(
    store: Store, store_url: str, fresh_url: str, keys: Keys, clinic: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The oracle: without these two steps a reply would leave again and the erased come back."""
    waiting, gone = queued(store, clinic), queued(store, clinic)
    make_backup(store_url, keys, tmp_path / "backups")
    life = open_life(store_url, keys, store, lists=[tmp_path / "list"])
    life.erase("case", gone.outgoing.case_id, clinic=clinic, by="user-dora")
    monkeypatch.setattr("triage.store.backup._doubt", lambda _: 0)
    restore_backup(fresh_url, keys, tmp_path / "backups")
    restored = open_store(fresh_url, keys)
    due = [one for _, one in restored.replies.due(restored.transactions.clock(), limit=9)]
    assert waiting.id in due
    assert restored.cases.get(gone.outgoing.case_id, clinic=clinic, by="t").messages
    restored.close()


@pytest.mark.parametrize("harm", ["flip", "cut", "swap", "tail"])
def test_a_backup_that_was_changed_is_refused(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path, harm: str
) -> None:
    if not store_url.startswith("sqlite"):
        return
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    path = make_backup(store_url, keys, tmp_path / "backups")
    whole = path.read_bytes()
    other = (tmp_path / "backups" / KEYS / path.name).read_bytes()
    path.write_bytes(
        {
            "flip": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
            "cut": whole[:-9],
            "swap": other,
            "tail": whole + b"x",
        }[harm]
    )
    with pytest.raises(StoreRefused):
        restore_backup(f"sqlite:///{tmp_path / 'new' / 'x.db'}", keys, tmp_path / "backups")


def test_no_backup_is_kept_longer_than_seven_days(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path
) -> None:
    now = store.transactions.clock()
    for age in (KEPT + timedelta(hours=1), KEPT - timedelta(hours=1), timedelta(0)):
        make_backup(store_url, keys, tmp_path / "b", clock=lambda age=age: now - age)
    for kind in (DATA, KEYS):
        make_backup(store_url, keys, tmp_path / "b", clock=lambda: now + timedelta(minutes=1))
        assert len(list((tmp_path / "b" / kind).iterdir())) == 3
        shutil.rmtree(tmp_path / "b" / kind) if kind == KEYS else None
