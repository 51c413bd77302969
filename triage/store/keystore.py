"""The key store: wrapped data keys, in a file of their own beside the database.

Rule of the room: it holds no patient text and no open key; a key that is destroyed leaves a
tombstone, so that nothing is ever sealed for that owner again.

On SQLite it is the encrypted file `x.db-keys`; on PostgreSQL a schema of its own, which a dump of
the data leaves out. `docs/adr/0010-keys.md` says why it lies apart.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from triage.errors import Erased, StoreRefused
from triage.store.authorizer import only_rows
from triage.store.columns import Moment
from triage.store.engine import open_file, postgresql
from triage.store.keys import Keys

SCHEMA = "triage_keys"
#: Names of rows in `key_facts`: which database this is, which master wraps, what was destroyed.
STORE, MASTER, ROUND = "store", "master", "round"
_LOCK = 7202552

metadata = MetaData(schema=SCHEMA)
wrapped_keys = Table(
    "wrapped_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(96), nullable=False, index=True),
    Column("master", String(8), nullable=False, index=True),
    # Empty once the key is destroyed.
    Column("wrapped", LargeBinary),
    Column("made_at", Moment, nullable=False),
    Column("destroyed_at", Moment),
)
key_facts = Table(
    "key_facts",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One data key, sealed with a master key; `wrapped` is None once it was destroyed."""

    id: str
    owner: str
    master: str
    wrapped: bytes | None = field(repr=False)


def key_file(url: str) -> Path | None:
    """Return the file of a SQLite database's keys; None for PostgreSQL."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return Path(f"{parsed.database}-keys")


def connect_keys(url: str, keys: Keys, *, owner: bool = False) -> Engine:
    """Return an engine on the key store of a database; raise StoreRefused when it is missing."""
    path = key_file(url)
    if path is None:
        return postgresql(make_url(url), connections=4)
    if not owner and not path.exists():
        raise StoreRefused(f"{path.name} is missing; restore the key store from its backup")
    from sqlcipher3 import dbapi2

    def opened() -> Any:
        connection = open_file(path, keys, {}, owner=True)
        # What is destroyed is written over, in the file as well as in the journal.
        connection.execute("PRAGMA secure_delete = ON")
        if not owner:
            connection.set_authorizer(only_rows)
        return connection

    engine = create_engine(
        "sqlite://", module=dbapi2, creator=opened, poolclass=QueuePool, hide_parameters=True
    )
    return engine.execution_options(schema_translate_map={SCHEMA: None})


class KeyStore:
    """Reads and writes wrapped keys; each method is one transaction, synced when it returns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _begin(self, *, writing: bool) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
            yield connection
            connection.commit()

    def facts(self) -> dict[str, bytes]:
        """Return which database these keys belong to, which master wraps, and the round."""
        with self._begin(writing=False) as connection:
            return _facts(connection)

    def by_id(self, key_id: str) -> WrappedKey | None:
        """Return one key, or None when nobody ever made it."""
        return next(iter(self._find(wrapped_keys.c.id == key_id)), None)

    def by_owner(self, *owners: str) -> list[WrappedKey]:
        """Return every key of these owners, destroyed ones too, newest first."""
        return self._find(wrapped_keys.c.owner.in_(owners))

    def of_kind(self, kind: str) -> list[WrappedKey]:
        """Return every key whose owner is of a kind, such as `patient`."""
        return self._find(wrapped_keys.c.owner.startswith(f"{kind}:", autoescape=True))

    def not_under(self, master: str, *, limit: int) -> list[WrappedKey]:
        """Return living keys that another master wraps."""
        table = wrapped_keys
        return self._find(table.c.master != master, table.c.wrapped.is_not(None), limit=limit)

    def keep(self, made: Sequence[WrappedKey], now: datetime) -> bool:
        """Store fresh keys; False when another master wraps by now. Raises Erased."""
        with self._begin(writing=True) as connection:
            _lock(connection, shared=True)
            current = _facts(connection)[MASTER].decode()
            if any(key.master != current for key in made):
                return False
            owners = [key.owner for key in made]
            gone = select(wrapped_keys.c.owner).where(
                wrapped_keys.c.owner.in_(owners), wrapped_keys.c.destroyed_at.is_not(None)
            )
            if (row := connection.execute(gone).first()) is not None:
                raise Erased(str(row.owner))
            rows = [
                {
                    "id": key.id,
                    "owner": key.owner,
                    "master": key.master,
                    "wrapped": key.wrapped,
                    "made_at": now,
                }
                for key in made
            ]
            connection.execute(insert(wrapped_keys), rows)
        return True

    def promote(self, master: str) -> None:
        """Let another master wrap from now on; who still wraps with the old one is turned away."""
        with self._begin(writing=True) as connection:
            _lock(connection, shared=False)
            _set_fact(connection, MASTER, master.encode())

    def rewrap(self, keys: Sequence[WrappedKey]) -> None:
        """Replace the wrapping of keys; one that was destroyed meanwhile stays destroyed."""
        table = wrapped_keys
        with self._begin(writing=True) as connection:
            for key in keys:
                living = (table.c.id == key.id, table.c.wrapped.is_not(None))
                values = {"master": key.master, "wrapped": key.wrapped}
                connection.execute(update(table).where(*living).values(**values))

    def destroy(self, owners: Sequence[str], now: datetime) -> int:
        """Destroy every key of these owners for good and return how many; run as the owner.

        An owner without any key gets a tombstone, so that none is made for it later.
        """
        table, count = wrapped_keys, 0
        with self._begin(writing=True) as connection:
            _lock(connection, shared=False)
            for owner in owners:
                mine = table.c.owner == owner
                known = connection.execute(select(table.c.id).where(mine)).first()
                living = (mine, table.c.wrapped.is_not(None))
                gone = {"wrapped": None, "destroyed_at": now}
                count += connection.execute(update(table).where(*living).values(**gone)).rowcount
                if known is None:
                    stone = {"id": secrets.token_hex(16), "owner": owner, "master": "-"}
                    connection.execute(insert(table), [{**stone, "made_at": now, **gone}])
            done = int.from_bytes(_facts(connection).get(ROUND, b""), "big") + 1
            _set_fact(connection, ROUND, done.to_bytes(8, "big"))
        self._forget()
        return count

    def _forget(self) -> None:
        """Let no copy of a destroyed key lie about in the journal or in dead rows."""
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                return
            apart = connection.execution_options(isolation_level="AUTOCOMMIT")
            apart.exec_driver_sql(f"VACUUM {SCHEMA}.wrapped_keys")

    def _find(self, *conditions: Any, limit: int | None = None) -> list[WrappedKey]:
        table = wrapped_keys
        query = select(table).where(*conditions).order_by(table.c.made_at.desc(), table.c.id)
        with self._begin(writing=False) as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [
            WrappedKey(
                row.id, row.owner, row.master, None if row.wrapped is None else bytes(row.wrapped)
            )
            for row in rows
        ]

    def close(self) -> None:
        """Let go of the key store."""
        self._engine.dispose()


def make_key_store(connection: Connection, master: str) -> bytes:
    """Make the tables if they are missing, in the caller's transaction; return the store's id."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    metadata.create_all(connection)
    if STORE not in _facts(connection):
        _set_fact(connection, STORE, secrets.token_bytes(16))
        _set_fact(connection, MASTER, master.encode())
    if connection.dialect.name == "postgresql":
        _grant(connection)
    return _facts(connection)[STORE]


@contextmanager
def key_store_of(connection: Connection, url: str, keys: Keys) -> Iterator[Connection]:
    """Yield a connection on which the owner may make the key store; commit it where it is apart.

    On PostgreSQL that is `connection` itself. On SQLite the key store is a file of its own, which
    is committed before the database is.
    """
    if connection.dialect.name == "postgresql":
        yield connection
        return
    engine = connect_keys(url, keys, owner=True)
    try:
        with engine.connect() as apart:
            apart.exec_driver_sql("BEGIN IMMEDIATE")
            yield apart
            apart.commit()
    finally:
        engine.dispose()


def _grant(connection: Connection) -> None:
    """Give each process its rights on keys; only the owner changes or destroys any."""
    from triage.store.roles import KEY_GRANTS
    from triage.store.row_rights import grant_keys

    for role, grants in KEY_GRANTS.items():
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}")
        connection.exec_driver_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM {role}")
        for table, rights in grants.items():
            connection.exec_driver_sql(f"GRANT {rights} ON {SCHEMA}.{table} TO {role}")
    grant_keys(connection)


def _facts(connection: Connection) -> dict[str, bytes]:
    return {row.name: bytes(row.value) for row in connection.execute(select(key_facts))}


def _set_fact(connection: Connection, name: str, value: bytes) -> None:
    known = update(key_facts).where(key_facts.c.name == name)
    if not connection.execute(known.values(value=value)).rowcount:
        connection.execute(insert(key_facts), [{"name": name, "value": value}])


def _lock(connection: Connection, *, shared: bool) -> None:
    """On PostgreSQL hold off a change of the master; SQLite has only one writer anyway."""
    if connection.dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({_LOCK})")
