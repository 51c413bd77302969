"""Rotating the index key while everything runs: blind indexes are made anew beside the old ones.

Rule of the room: fresh indexes are made in small transactions nobody notices, and take their
places in one; a kill leaves the old key serving or the new one. To add an index, add its row here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row, Table, and_, delete, exists, func, insert, select, update

from triage.domain import Channel
from triage.errors import Erased, StoreRefused
from triage.store import tables
from triage.store.current import key_mark, lock_key
from triage.store.guards import drop_guards, make_guards
from triage.store.keys import Keys
from triage.store.senders import message_index, portal_index
from triage.store.transaction import Transactions, Work

#: Rows in one transaction.
_BATCH = 200
#: Which key the fresh indexes are being made with, while they are.
_NEXT = "index next"
Watch = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Indexed:
    """One column of blind indexes and how a row's is made from what is sealed beside it."""

    column: Column[Any]
    make: Callable[[Work, Row[Any]], bytes | None]

    @property
    def table(self) -> Table:
        """The table it belongs to."""
        return self.column.table

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column.name}"


def _raw(work: Work, row: Row[Any]) -> bytes:
    content = work.vault.open(row.content, row.id)
    return work.vault.blind("raw", row.clinic, hashlib.sha256(content).hexdigest())


def _listed(work: Work, row: Row[Any]) -> bytes:
    """Return the index of a line of the ledger: that of the message it speaks of."""
    fresh, raws = tables.fresh_indexes, tables.raw_messages
    made = (fresh.c.name == "raw_messages.digest", fresh.c.row_id == row.raw_id)
    query = select(fresh.c.value).where(*made, fresh.c.before == row.digest)
    if (known := work.first(query)) is not None:
        return bytes(known.value)
    return _raw(work, work.one(select(raws).where(raws.c.id == row.raw_id), f"raw {row.raw_id}"))


def _heard(work: Work, row: Row[Any]) -> bytes | None:
    return message_index(work, row.clinic, work.vault.text(row.message_id, row.id).reveal())


def _portal(work: Work, row: Row[Any]) -> bytes | None:
    return portal_index(work, row.clinic, work.vault.text(row.portal_thread, row.id).reveal())


def _mrn(work: Work, row: Row[Any]) -> bytes:
    return work.vault.blind("mrn", row.clinic, work.vault.text(row.mrn, row.id).reveal().strip())


def _address(work: Work, row: Row[Any]) -> bytes:
    address = work.vault.text(row.address, row.id).reveal()
    return work.vault.blind_address(row.clinic, Channel(row.channel), address)


INDEXED: tuple[Indexed, ...] = (
    Indexed(tables.raw_messages.c.digest, _raw),
    Indexed(tables.ledger.c.digest, _listed),
    Indexed(tables.messages.c.message_id_index, _heard),
    Indexed(tables.messages.c.portal_thread_index, _portal),
    Indexed(tables.replies.c.message_id_index, _heard),
    Indexed(tables.patients.c.mrn_index, _mrn),
    Indexed(tables.contacts.c.address_index, _address),
)
#: Rows named by an index of words that are kept nowhere: they are dropped, and are made again.
FORGOTTEN: tuple[Table, ...] = (tables.log_in_tries, tables.known_browsers)


def reindex(
    doing: Transactions, keys: Keys, *, by: str, watch: Watch = lambda _w, _n: None
) -> tuple[int, int]:
    """Let the newest index key serve; return how many indexes were made and how many stay old.

    Those that stay are of what was erased: nobody can read what they were made from. Run as the
    owner. Started again after a kill it goes on where it was.
    """
    key = keys.index
    _begin(doing, key)
    for index in INDEXED:
        last: str | None = _last(doing, index)
        while last is not None:
            last = _some(doing, index, key, after=last)
            watch(index.name, _BATCH)
    with doing.write() as work:
        lock_key(work.connection, "index", shared=False)
        vault = work.vault.made_with(key)
        work.vault = vault
        for index in INDEXED:
            while _fill(work, index, _missing(index)):
                watch(index.name, _BATCH)
        counts = _put(work)
        checks = tables.key_checks
        work.run(update(checks).where(checks.c.name == "index").values(value=key_mark(key)))
        work.run(delete(checks).where(checks.c.name == _NEXT))
        detail = {"key": "index", "kept": str(counts[1])}
        for clinic in work.rows(select(tables.clinics.c.id)):
            work.note("keys.rotated", clinic=clinic.id, by=by, detail=detail)
    return counts


def _begin(doing: Transactions, key: bytes) -> None:
    """Forget what was made with another key than this one."""
    checks = tables.key_checks
    with doing.write() as work:
        row = work.first(select(checks.c.value).where(checks.c.name == _NEXT))
        if row is None or bytes(row.value) != key_mark(key):
            work.run(delete(tables.fresh_indexes))
            work.run(delete(checks).where(checks.c.name == _NEXT))
            work.add(checks, name=_NEXT, value=key_mark(key))


def _last(doing: Transactions, index: Indexed) -> str:
    fresh = tables.fresh_indexes
    with doing.read() as work:
        query = select(func.max(fresh.c.row_id).label("id")).where(fresh.c.name == index.name)
        return str(work.one(query, index.name).id or "")


def _some(doing: Transactions, index: Indexed, key: bytes, *, after: str) -> str | None:
    """Make the indexes of some rows; return the last row's id, None when there is none left."""
    with doing.write() as work:
        work.vault = work.vault.made_with(key)
        here = (index.column.is_not(None), index.table.c.id > after)
        return _fill(work, index, select(index.table).where(*here).order_by(index.table.c.id))


def _fill(work: Work, index: Indexed, query: Any) -> str | None:
    rows = work.rows(query.limit(_BATCH))
    made = [
        {
            "name": index.name,
            "row_id": row.id,
            "before": bytes(getattr(row, index.column.name)),
            "value": _made(work, index, row),
        }
        for row in rows
    ]
    if not made:
        return None
    fresh = tables.fresh_indexes
    ids = [each["row_id"] for each in made]
    work.run(delete(fresh).where(fresh.c.name == index.name, fresh.c.row_id.in_(ids)))
    work.run(insert(fresh), made)
    return str(rows[-1].id)


def _made(work: Work, index: Indexed, row: Row[Any]) -> bytes:
    before = bytes(getattr(row, index.column.name))
    try:
        return index.make(work, row) or before
    except Erased:
        return before


def _fits(index: Indexed) -> Any:
    fresh = tables.fresh_indexes
    return and_(
        fresh.c.name == index.name,
        fresh.c.row_id == index.table.c.id,
        fresh.c.before == index.column,
    )


def _missing(index: Indexed) -> Any:
    """Return the query for rows that came or changed since they were looked at."""
    return select(index.table).where(index.column.is_not(None), ~exists().where(_fits(index)))


def _put(work: Work) -> tuple[int, int]:
    """Put every fresh index in its place; raise StoreRefused unless each row has got one."""
    fresh = tables.fresh_indexes
    kept = work.number(select(func.count()).where(fresh.c.before == fresh.c.value))
    drop_guards(work.connection)
    put = 0
    for index in INDEXED:
        table, column = index.table, index.column
        value = select(fresh.c.value).where(_fits(index)).scalar_subquery()
        all_of_them = work.number(select(func.count()).where(column.is_not(None)))
        statement = update(table).where(column.is_not(None), exists().where(_fits(index)))
        if work.run(statement.values({column.name: value})) != all_of_them:
            raise StoreRefused(f"some of {index.name} would keep the old key; rotate again")
        put += all_of_them
    for table in (*FORGOTTEN, fresh):
        work.run(delete(table))
    make_guards(work.connection)
    return put - kept, kept
