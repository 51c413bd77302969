"""Every row of the database as lines, and back; the same lines on both engines.

Rule of the room: sealed values stay sealed, and rows come in an order that allows a digest.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from triage.store.sealed import SealedValue

_BATCH = 500


def lines_of(connection: Connection, order: Sequence[Table]) -> Iterator[bytes]:
    """Yield one line per row: tables in this order, rows by primary key."""
    for table in order:
        query = select(table).order_by(*table.primary_key.columns)
        for row in connection.execute(query, execution_options={"yield_per": 1000}):
            yield json.dumps([table.name, [_packed(value) for value in row]]).encode()


def digest_of(connection: Connection, order: Sequence[Table]) -> str:
    """Return the SHA-256 over every row."""
    digest = hashlib.sha256()
    for line in lines_of(connection, order):
        digest.update(line + b"\n")
    return digest.hexdigest()


def put_back(connection: Connection, order: Sequence[Table], lines: Iterable[bytes]) -> str:
    """Insert rows into empty tables and return their digest, as `digest_of` counts it."""
    digest, batch = hashlib.sha256(), list[dict[str, Any]]()
    tables = {table.name: table for table in order}
    at: Table | None = None
    for line in lines:
        digest.update(line + b"\n")
        name, values = json.loads(line)
        table = tables[name]
        if at is not None and (table is not at or len(batch) >= _BATCH):
            connection.execute(insert(at), batch)
            batch = []
        at = table
        pairs = zip(table.columns, values, strict=True)
        batch.append({c.name: _unpacked(value, table.name, c.name) for c, value in pairs})
    if at is not None and batch:
        connection.execute(insert(at), batch)
    return digest.hexdigest()


def _packed(value: Any) -> Any:
    if isinstance(value, SealedValue):
        return {"$s": base64.b64encode(value.stored).decode()}
    if isinstance(value, bytes | memoryview):
        return {"$b": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return {"$m": value.isoformat()}
    if isinstance(value, date):
        return {"$d": value.isoformat()}
    return {"$j": value} if isinstance(value, dict | list) else value


def _unpacked(value: Any, table: str, column: str) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "$s":
        return SealedValue(table, column, base64.b64decode(held))
    if kind == "$b":
        return base64.b64decode(held)
    if kind == "$m":
        return datetime.fromisoformat(held)
    return date.fromisoformat(held) if kind == "$d" else held
