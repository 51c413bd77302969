"""Rotation goes on while others work, survives kill -9, and ends with the old master unused."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.store.practice import ana, queued
from tests.store.test_envelopes import owners
from tests.store.test_landing import written
from triage.domain import Protected
from triage.errors import WrongKey
from triage.store import Keys, Store, open_store, tables
from triage.store.engine import connect
from triage.store.guards import drop_guards, make_guards
from triage.store.rotation import rotate

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
