"""Rotating the master key while everything runs: every data key is wrapped anew.

Rule of the room: small transactions that each leave everything readable, so that a kill at any
moment is mended by starting again; the old master leaves its file only once nothing needs it.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Any

from sqlalchemy import Row, Table, and_, func, or_, select, update

from triage.errors import Erased, StoreRefused
from triage.store import tables
from triage.store.columns import Sealed
from triage.store.engine import connect
from triage.store.guards import drop_guards, make_guards
from triage.store.keyring import STORE, DataKey, Keyring, of_case, of_patient
from triage.store.keys import Keys, key_id
from triage.store.keystore import KeyStore, connect_keys
from triage.store.sealed import SealedValue
from triage.store.transaction import Transactions, Work, utcnow
from triage.store.vault import OLD, Vault

#: Keys wrapped, and old values moved, in one transaction.
_BATCH = 200
#: Tables whose rows are owners themselves -> which kind.
_OWNERS = {"raw_messages": "raw", "cases": "case", "patients": "patient", "forms": "form"}
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


def has_old(work: Work, owners: Sequence[str]) -> bool:
    """Whether a value of these owners is sealed with a master or the store's key, not theirs."""
    return any(
        work.first(select(table.c.id).where(mine, _is_old(work, table))) is not None
        for table, mine in _tables_of(owners)
    )


def move_old(work: Work, owners: Sequence[str]) -> None:
    """Seal old values of these owners under their own keys; run as the database's owner."""
    if not has_old(work, owners):
        return
    drop_guards(work.connection)
    for table, mine in _tables_of(owners):
        for row in work.rows(select(table).where(mine, _is_old(work, table))):
            _move(work, table, row)
    make_guards(work.connection)


def _tables_of(owners: Sequence[str]) -> Iterator[tuple[Table, Any]]:
    """Yield each table with sealed values and which of its rows belong to these owners."""
    named: dict[str, list[str]] = {"case": [], "patient": [], "raw": [], "form": []}
    for owner in owners:
        kind, _, name = owner.partition(":")
        named[kind].append(name)
    for table in tables.metadata.sorted_tables:
        mine = _rows_of(table, named) if _sealed(table) else None
        if mine is not None:
            yield table, mine


def _rows_of(table: Table, named: dict[str, list[str]]) -> Any:
    """Return the condition that finds what `_owner` says of single rows; None for the store's."""
    cases, patients = named["case"], named["patient"]
    if table.name in _OWNERS:
        return table.c.id.in_(named[_OWNERS[table.name]])
    if table is tables.holds:
        of = {"case": cases, "patient": patients}
        return or_(*(and_(table.c.kind == k, table.c.subject.in_(of[k])) for k in of))
    if "case_id" in table.c:
        return table.c.case_id.in_(cases)
    if "message_id" in table.c:
        messages = tables.messages
        filed = select(messages.c.id).where(messages.c.case_id.in_(cases))
        return table.c.message_id.in_(filed)
    return table.c.patient_id.in_(patients) if "patient_id" in table.c else None


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


def _is_old(work: Work, table: Table) -> Any:
    """Return the condition that finds values no erasure of their owner would close."""
    named = [table.c[name] for name in _sealed(table)]
    found = [func.substr(column, 1, 1) == OLD for column in named]
    if astray := _astray(work, table):
        found += [func.substr(column, 2, 16).in_(sorted(astray)) for column in named]
    return or_(*found)


def _astray(work: Work, table: Table) -> set[bytes]:
    """Return the store's own keys, by which earlier versions sealed what belongs to somebody."""
    ring = work.vault.ring
    owned = table.name in _OWNERS or {"case_id", "message_id", "patient_id", "subject"} & {
        column.name for column in table.columns
    }
    if ring is None or not owned:
        return set()
    return {bytes.fromhex(key.id) for key in ring.store.by_owner(STORE)}


def _old_values(work: Work, table: Table) -> int:
    if not _sealed(table):
        return 0
    return work.number(select(func.count()).select_from(table).where(_is_old(work, table)))


def _move_all(doing: Transactions, table: Table, watch: Watch) -> None:
    """Seal old values of a table under their owners' keys, some rows at a time."""
    while _sealed(table):
        with doing.write() as work:
            rows = work.rows(select(table).where(_is_old(work, table)).limit(_BATCH))
            if not rows:
                return
            # Guards hold for everybody else: the change of the schema is seen with the commit.
            drop_guards(work.connection)
            for row in rows:
                _move(work, table, row)
            make_guards(work.connection)
        watch(table.name, len(rows))


def _move(work: Work, table: Table, row: Row[Any]) -> None:
    owner, astray = _owner(work, table, row), _astray(work, table)
    values: dict[str, Any] = {}
    for name in _sealed(table):
        value = getattr(row, name)
        if value is not None and (value.stored[:1] == OLD or value.stored[1:17] in astray):
            plain = work.vault.open(value, row.id)
            try:
                values |= work.seal(table, row.id, under=owner, **{name: plain})
            except Erased:
                values[name] = _gone(work, value, row.id, owner)
    work.run(update(table).where(table.c.id == row.id).values(**values))


def _gone(work: Work, value: SealedValue, row_id: str, owner: str) -> SealedValue:
    """Put nothing, under a key that is destroyed, where an earlier erasure left old words."""
    assert work.vault.ring is not None
    (stone, *_) = (one for one in work.vault.ring.store.by_owner(owner) if one.wrapped is None)
    lost = DataKey(stone.id, owner, token_bytes(32))
    return work.vault.seal(value.table, value.column, row_id, b"", under=lost)


def _owner(work: Work, table: Table, row: Row[Any]) -> str:
    """Return whose key a row is sealed with."""
    if table.name in _OWNERS:
        return f"{_OWNERS[table.name]}:{row.id}"
    if table is tables.holds:
        return of_case(row.subject) if row.kind == "case" else of_patient(row.subject)
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
