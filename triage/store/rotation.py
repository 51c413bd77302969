"""Rotating the master key while everything runs: every data key is wrapped anew.

Rule of the room: small transactions that each leave everything readable, so that a kill at any
moment is mended by starting again; the old master leaves its file only once nothing needs it.
"""

from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import Any

from sqlalchemy import Row, Table, func, or_, select, update

from triage.errors import StoreRefused
from triage.store import tables
from triage.store.columns import Sealed
from triage.store.engine import connect
from triage.store.guards import drop_guards, make_guards
from triage.store.keyring import STORE, Keyring, of_case, of_patient, of_raw
from triage.store.keys import Keys, key_id
from triage.store.keystore import KeyStore, connect_keys
from triage.store.transaction import Transactions, Work, utcnow
from triage.store.vault import OLD, Vault

#: Keys wrapped, and old values moved, in one transaction.
_BATCH = 200
Watch = Callable[[str, int], None]


def rotate(url: str, folder: Path, *, watch: Watch = lambda _what, _left: None) -> int:
    """Wrap every data key with a new master, move old values, forget the old master.

    Run as the owner. `watch` is told what is left to do. Started again after a kill it goes on
    where it was. Returns how many keys were wrapped anew; raises StoreRefused when the old
    master is still in use at the end, and then it stays in its file.
    """
    keys = _with_new_master(folder)
    newest = key_id(keys.data[0]).hex()
    ring = Keyring(KeyStore(connect_keys(url, keys, owner=True)), keys)
    doing = Transactions(connect(url, keys, owner=True), keys, utcnow, ring)
    try:
        ring.store.promote(newest)
        count = _rewrap(ring, keys.data[0], newest, watch)
        for table in tables.metadata.sorted_tables:
            _move_all(doing, table, watch)
        _reseal_check(doing, keys)
        used = still_used(doing, ring, newest)
        if used:
            raise StoreRefused(f"the old master key is still used {used} times; rotate again")
    finally:
        doing.close()
    Keys.write_data(folder, keys.data[:1])
    return count


def still_used(doing: Transactions, ring: Keyring, newest: str) -> int:
    """Return how many data keys and values need another master than the newest."""
    with doing.read() as work:
        values = sum(_old_values(work, table) for table in tables.metadata.sorted_tables)
    return values + len(ring.store.not_under(newest, limit=_BATCH))


def _with_new_master(folder: Path) -> Keys:
    """Return the keys with a new master in front; the one of an interrupted rotation if any."""
    keys = Keys.load(folder)
    if len(keys.data) == 1:
        Keys.write_data(folder, (token_bytes(32), *keys.data))
        keys = Keys.load(folder)
    return keys


def _rewrap(ring: Keyring, master: bytes, newest: str, watch: Watch) -> int:
    count = 0
    while batch := ring.store.not_under(newest, limit=_BATCH):
        ring.store.rewrap([ring.rewrapped(key, master) for key in batch])
        count += len(batch)
        watch("keys", len(batch))
    return count


def _sealed(table: Table) -> list[str]:
    return [column.name for column in table.columns if isinstance(column.type, Sealed)]


def _is_old(table: Table) -> Any:
    first = (func.substr(table.c[name], 1, 1) == OLD for name in _sealed(table))
    return or_(*first)


def _old_values(work: Work, table: Table) -> int:
    if not _sealed(table):
        return 0
    return work.number(select(func.count()).select_from(table).where(_is_old(table)))


def _move_all(doing: Transactions, table: Table, watch: Watch) -> None:
    """Seal old values of a table under their owners' keys, some rows at a time."""
    while _sealed(table):
        with doing.write() as work:
            rows = work.rows(select(table).where(_is_old(table)).limit(_BATCH))
            if not rows:
                return
            # Guards hold for everybody else: the change of the schema is seen with the commit.
            drop_guards(work.connection)
            for row in rows:
                _move(work, table, row)
            make_guards(work.connection)
        watch(table.name, len(rows))


def _move(work: Work, table: Table, row: Row[Any]) -> None:
    owner = _owner(work, table, row)
    values: dict[str, Any] = {}
    for name in _sealed(table):
        value = getattr(row, name)
        if value is not None and value.stored[:1] == OLD:
            plain = work.vault.open(value, row.id)
            values |= work.seal(table, row.id, under=owner, **{name: plain})
    work.run(update(table).where(table.c.id == row.id).values(**values))


def _owner(work: Work, table: Table, row: Row[Any]) -> str:
    """Return whose key a row is sealed with."""
    if table is tables.raw_messages:
        return of_raw(row.id)
    if table is tables.cases:
        return of_case(row.id)
    if table is tables.patients:
        return of_patient(row.id)
    if "case_id" in table.c:
        return of_case(row.case_id)
    if "message_id" in table.c:
        messages = tables.messages
        query = select(messages.c.case_id).where(messages.c.id == row.message_id)
        return of_case(work.one(query, f"message {row.message_id}").case_id)
    return of_patient(row.patient_id) if "patient_id" in table.c else STORE


def _reseal_check(doing: Transactions, keys: Keys) -> None:
    """Let the check of the keys be sealed with the newest master."""
    checks = tables.key_checks
    fresh = Vault(keys).seal("key_checks", "value", "data", "triage key check").stored
    with doing.write() as work:
        work.run(update(checks).where(checks.c.name == "data").values(value=fresh))
