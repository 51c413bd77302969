"""Every case, patient and landed message has a data key of its own, and no row is without it."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.store.practice import ana, arrival, queued, reading
from triage.errors import Erased, StoreRefused, WrongKey
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.columns import Sealed
from triage.store.keyring import STORE, Keyring, of_case, of_patient, of_raw
from triage.store.keystore import KeyStore, connect_keys, key_file

pytestmark = pytest.mark.bar(44)


def owners(store: Store) -> dict[str, set[str]]:
    """Return table -> owners of the keys its sealed values name; fail for any other value."""
    ring, found = store._transactions.vault.ring, {}
    assert ring is not None
    with store._transactions.read() as work:
        for table in tables.metadata.sorted_tables:
            names = [column.name for column in table.columns if isinstance(column.type, Sealed)]
            for row in work.rows(select(table)) if names else ():
                for name in names:
                    value = getattr(row, name)
                    if value is not None:
                        assert value.stored[:1] == b"\x02", f"{table.name}.{name}"
                        owner = ring.key(value.stored[1:17].hex()).owner
                        found.setdefault(table.name, set()).add(owner)
    return found


def test_each_value_is_sealed_with_the_key_of_its_owner(store: Store, clinic: str) -> None:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    (raw_id,) = (
        message.raw_id for message in store.cases.get(case_id, clinic=clinic, by="t").messages
    )
    found = owners(store)
    assert found.pop("raw_messages") == {of_raw(raw_id)}
    assert found.pop("patients") == found.pop("contacts") == {of_patient("patient-1")}
    # The secret of the approver's app is nobody's but the practice's own.
    assert found.pop("second_factors") == {STORE}
    assert {owner for names in found.values() for owner in names} == {of_case(case_id)}
    assert {"messages", "drafts", "replies", "redactions", "suggestions"} <= set(found)


def test_two_cases_share_no_key(store: Store, clinic: str) -> None:
    for uid in ("1", "2"):
        store.cases.file(reading(store, clinic, uid=uid), clinic=clinic, by="worker")
    assert len(owners(store)["messages"]) == 2


def test_a_key_is_there_before_the_row_that_needs_it(
    store: Store, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other order, a row whose key was never stored, is what a kill must never leave."""

    def broken(*_: object) -> None:
        raise StoreRefused("no key was stored")

    monkeypatch.setattr(Keyring, "keep", broken)
    with pytest.raises(StoreRefused):
        store.landing.land([arrival()], clinic=clinic)
    assert store.landing.waiting(limit=9) == []


def destroy(url: str, keys: Keys, *names: str) -> int:
    apart = KeyStore(connect_keys(url, keys, owner=True))
    count = apart.destroy(names, store_now())
    apart.close()
    return count


def store_now() -> object:
    from triage.store.transaction import utcnow

    return utcnow()


def test_what_was_sealed_with_a_destroyed_key_never_opens_again(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    store.people.import_roster(
        [ana(clinic, number=1), ana(clinic, number=2)], clinic=clinic, by="t"
    )
    assert store.people.patient("patient-1", clinic=clinic, by="t")
    assert destroy(store_url, keys, of_patient("patient-1")) == 1
    ring = store._transactions.vault.ring
    assert ring is not None
    ring.look_again()
    with pytest.raises(Erased):
        store.people.patient("patient-1", clinic=clinic, by="t")
    assert store.people.patient("patient-2", clinic=clinic, by="t")
    with store._transactions.write() as work, pytest.raises(Erased):
        work.seal(tables.patients, "patient-1", under=of_patient("patient-1"), name="x")


def test_an_owner_without_a_key_cannot_get_one_after_it_was_destroyed(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    ring = store._transactions.vault.ring
    assert ring is not None
    late = ring.fresh(of_case("never"))
    assert destroy(store_url, keys, of_case("never")) == 0
    with pytest.raises(Erased):
        ring.keep([late], store._transactions.clock())


def test_a_missing_or_foreign_key_store_is_refused(
    sqlite_template: Path, keys: Keys, tmp_path: Path
) -> None:
    from tests.conftest import copy_database

    copy_database(sqlite_template, tmp_path / "a.db")
    url = f"sqlite:///{tmp_path / 'a.db'}"
    migrate(f"sqlite:///{tmp_path / 'b.db'}", keys)
    file = key_file(url)
    assert file is not None
    file.unlink()
    for attempt in (open_store, migrate):
        with pytest.raises(StoreRefused, match="key store"):
            attempt(url, keys)
    (tmp_path / "b.db-keys").rename(file)
    for attempt in (open_store, migrate):
        with pytest.raises(WrongKey, match="another"):
            attempt(url, keys)


def test_a_wrapped_key_moved_to_another_owner_does_not_open(
    store: Store, store_url: str, keys: Keys, clinic: str
) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    engine = connect_keys(store_url, keys, owner=True)
    with engine.connect() as connection:
        place = "" if store_url.startswith("sqlite") else "triage_keys."
        connection.exec_driver_sql(f"UPDATE {place}wrapped_keys SET owner = 'patient:other'")
        connection.commit()
    engine.dispose()
    again = open_store(store_url, keys)
    with pytest.raises(WrongKey, match="changed"):
        again.people.patient("patient-1", clinic=clinic, by="t")
    again.close()


def test_a_key_service_may_give_the_keys(tmp_path: Path, keys: Keys) -> None:
    program = tmp_path / "service"
    names = {"data": keys.data[0], "file": keys.file, "index": keys.index, "audit": keys.audit}
    for name, key in names.items():
        (tmp_path / f"{name}.txt").write_text(key.hex())
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$1.txt"\n')
    program.chmod(0o700)
    given = {"TRIAGE_KEY_COMMAND": str(program)}
    assert Keys.load(tmp_path / "nowhere", environment=given) == keys
    with pytest.raises(WrongKey, match="TRIAGE_KEY_COMMAND"):
        Keys.load(tmp_path, environment={"TRIAGE_KEY_COMMAND": f"{tmp_path}/missing"})
    assert os.access(program, os.X_OK)
