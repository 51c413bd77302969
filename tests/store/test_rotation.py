"""Rotation goes on while others work, survives kill -9, and ends with the old master unused."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from tests.store.practice import ana, queued
from tests.store.test_envelopes import owners
from tests.store.test_landing import written
from triage.domain import Protected
from triage.errors import Erased, WrongKey
from triage.store import Keys, Store, open_life, open_store, tables
from triage.store.engine import connect
from triage.store.guards import drop_guards, make_guards
from triage.store.keyring import STORE, Keyring, of_case
from triage.store.keystore import KeyStore, connect_keys
from triage.store.rotation import _sealed, rotate
from triage.store.transaction import Transactions, Work, utcnow

pytestmark = pytest.mark.bar(44)

KILLED = """
import os, pathlib, signal
from triage.store import keystore, rotation
from triage.store.keys import Keys
calls = 0
def dying(real):
    def step(*given):
        global calls
        calls += 1
        if calls == {at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)
    return step
rotation._BATCH = 2
keystore.KeyStore.promote = dying(keystore.KeyStore.promote)
keystore.KeyStore.rewrap = dying(keystore.KeyStore.rewrap)
rotation._reseal_check = dying(rotation._reseal_check)
Keys.write_data = staticmethod(dying(Keys.write_data))
rotation.rotate({url!r}, pathlib.Path({keys!r}))
"""


@contextmanager
def owning(store_url: str, keys: Keys) -> Iterator[Transactions]:
    """Open the database as its owner, who may lift the guards."""
    ring = Keyring(KeyStore(connect_keys(store_url, keys, owner=True)), keys)
    doing = Transactions(connect(store_url, keys, owner=True), keys, utcnow, ring)
    yield doing
    doing.close()


def age(work: Work, table: Table) -> int:
    """Seal every value of a table with the master key, as before data keys; return how many."""
    count = 0
    drop_guards(work.connection)
    for row in work.rows(select(table)):
        kept = {name: getattr(row, name) for name in _sealed(table)}
        old = {
            name: work.vault.seal(table.name, name, row.id, work.vault.open(value, row.id))
            for name, value in kept.items()
            if value is not None
        }
        if old:
            work.run(update(table).where(table.c.id == row.id).values(old))
        count += len(old)
    make_guards(work.connection)
    return count


@pytest.fixture
def folder(keys: Keys, tmp_path: Path) -> Path:
    return Path(written(keys, tmp_path))


def test_kills_lose_nothing_and_the_old_master_ends_unused(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path
) -> None:
    for number in range(2, 6):
        store.people.import_roster([ana(clinic, number=number)], clinic=clinic, by="t")
    case_id = queued(store, clinic).outgoing.case_id
    for at in (1, 2, 4, 4, 3):
        script = KILLED.format(url=store_url, keys=str(folder), at=at)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        again = open_store(store_url, Keys.load(folder))
        assert again.people.patient("patient-3", clinic=clinic, by="t").name
        assert again.cases.get(case_id, clinic=clinic, by="t").messages
        again.close()
    rotate(store_url, folder)
    rotated = Keys.load(folder)
    assert len(rotated.data) == 1
    assert rotated.data != keys.data
    after = open_store(store_url, rotated)
    assert after.cases.get(case_id, clinic=clinic, by="t").messages
    assert after.people.patient("patient-5", clinic=clinic, by="t")
    after.close()
    with pytest.raises(WrongKey):
        open_store(store_url, keys)


def test_who_runs_on_through_a_rotation_finds_the_new_master(
    store: Store, store_url: str, clinic: str, folder: Path
) -> None:
    running = open_store(store_url, Keys.load(folder))
    running.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    rotate(store_url, folder)
    running.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    running.close()
    after = open_store(store_url, Keys.load(folder))
    for name in ("patient-1", "patient-2"):
        assert after.people.patient(name, clinic=clinic, by="t")
    after.close()


def test_old_values_are_readable_and_moved(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path
) -> None:
    case_id = queued(store, clinic).outgoing.case_id
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    engine, vault = connect(store_url, keys, owner=True), store.transactions.vault
    with engine.connect() as connection:
        drop_guards(connection)
        for table, row in ((tables.messages, message.id), (tables.raw_messages, message.raw_id)):
            name = "body" if table is tables.messages else "content"
            old = vault.seal(table.name, name, row, "from before data keys")
            connection.execute(update(table).where(table.c.id == row).values({name: old}))
        make_guards(connection)
        connection.commit()
    engine.dispose()
    read = store.cases.get(case_id, clinic=clinic, by="t").messages[0].body
    assert read == Protected("from before data keys")
    # The oracle: what looks for old values finds these.
    with pytest.raises(AssertionError):
        owners(store)
    rotate(store_url, folder)
    after = open_store(store_url, Keys.load(folder))
    assert owners(after)["messages"] == {f"case:{case_id}"}
    assert after.landing.raw(message.raw_id, clinic=clinic, by="t").content.startswith(b"from")
    after.close()


def test_a_rotation_that_left_a_key_behind_keeps_the_old_master(
    store: Store, store_url: str, clinic: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triage.errors import StoreRefused

    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    monkeypatch.setattr("triage.store.rotation._rewrap", lambda *_: 0)
    with pytest.raises(StoreRefused, match="still used"):
        rotate(store_url, folder)
    assert len(Keys.load(folder).data) == 2


def test_holds_move_to_the_keys_of_what_they_hold(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path, tmp_path: Path
) -> None:
    case_id, why = queued(store, clinic).outgoing.case_id, Protected("a claim")
    life = open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])
    life.hold("case", case_id, why, clinic=clinic, by="t")
    life.hold("patient", "patient-1", why, clinic=clinic, by="t")
    life.close()
    with owning(store_url, keys) as doing, doing.write() as work:
        assert age(work, tables.holds) == 2
    rotate(store_url, folder)
    after = open_store(store_url, Keys.load(folder))
    assert owners(after)["holds"] == {of_case(case_id), "patient:patient-1"}
    after.close()


def test_old_words_that_an_erasure_left_behind_end_with_the_next_rotation(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As it was done before erasing was refused while old values are left."""
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    with owning(store_url, keys) as doing, doing.write() as work:
        assert age(work, tables.patients)
    life = open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])
    monkeypatch.setattr("triage.store.life.has_old", lambda *_: False)
    life.erase("patient", "patient-1", clinic=clinic, by="t")
    life.close()
    # The oracle: it was not erased at all.
    assert store.people.patient("patient-1", clinic=clinic, by="t").name
    rotate(store_url, folder)
    after = open_store(store_url, Keys.load(folder))
    with pytest.raises(Erased):
        after.people.patient("patient-1", clinic=clinic, by="t")
    after.close()


@pytest.mark.parametrize("name", ["cases", "holds", "labels", "break_glass"])
def test_what_was_sealed_with_the_stores_key_moves_to_its_case(
    store: Store, store_url: str, keys: Keys, clinic: str, folder: Path, tmp_path: Path, name: str
) -> None:
    """Notes and reasons of earlier versions: erasing is refused until they moved, then final."""
    from tests.store.test_erasure import WHY, fill_every_table
    from triage.errors import StoreRefused

    table, life = (
        tables.metadata.tables[name],
        open_life(store_url, keys, store, lists=[tmp_path / "l"]),
    )
    case_id = fill_every_table(store, life, clinic)
    with owning(store_url, keys) as doing, doing.write() as work:
        drop_guards(work.connection)
        for row in work.rows(select(table)):
            values = {one: WHY for one in _sealed(table) if getattr(row, one) is not None}
            if values:
                sealed = work.seal(table, row.id, under=STORE, **values)
                work.run(update(table).where(table.c.id == row.id).values(**sealed))
        make_guards(work.connection)
    # The oracle: they would outlive the case.
    assert "store:" in owners(store)[name]
    with pytest.raises(StoreRefused, match="keys rotate"):
        life.erase("patient", "patient-1", clinic=clinic, by="t")
    life.close()
    rotate(store_url, folder)
    after = open_store(store_url, Keys.load(folder))
    assert "store:" not in owners(after)[name]
    again = open_life(store_url, Keys.load(folder), after, lists=[tmp_path / "l"])
    again.erase("patient", "patient-1", clinic=clinic, by="t")
    again.close()
    with after.transactions.read() as work:
        for row in work.rows(select(table)):
            for one in _sealed(table):
                if (value := getattr(row, one)) is not None and _theirs(row, case_id):
                    with pytest.raises(Erased):
                        work.vault.open(value, row.id)
    after.close()


def _theirs(row: Any, case_id: str) -> bool:
    named = {getattr(row, one, None) for one in ("id", "case_id", "subject")}
    return bool(named & {case_id, "patient-1"})


def test_a_transaction_that_finishes_twice_keeps_a_fresh_key_once(store: Store) -> None:
    with store.transactions.write() as work:
        first = work.seal(tables.holds, "h1", under=of_case("new"), reason=Protected("why"))
        work.finish()
        again = work.seal(tables.holds, "h1", under=of_case("new"), reason=Protected("why"))
    named = {sealed["reason"].stored[1:17] for sealed in (first, again)}
    assert len(named) == 1
    assert store.transactions.vault.text(first["reason"], "h1") == Protected("why")
