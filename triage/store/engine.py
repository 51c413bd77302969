"""Connections to the two engines, and the refusal to work on one that could lose a commit.

Rule of the room: nothing here sends a parameter, a key or a driver's own words into an error.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from triage.errors import StoreLocked, StoreRefused, TriageError, WrongKey
from triage.store.authorizer import only_rows
from triage.store.keys import Keys

#: Seconds a transaction waits for another process before it gives up.
PATIENCE = 15.0
#: KiB of pages a connection keeps opened. The queue of a practice with thousands of open cases
#: reads tens of megabytes, and whatever is not kept is decrypted anew for every look.
KEPT = 32_768
#: A commit's own file is synced; with EXTRA its folder too, once the rollback journal is removed.
_FULL, _EXTRA = 2, 3


def connect(url: str, keys: Keys, *, owner: bool = False) -> Engine:
    """Return an engine for `sqlite:///path` or `postgresql+psycopg://user@/name?host=…`.

    An owner may change tables; everybody else may only read and write rows. A SQLite URL may
    carry `timeout` (seconds) and `synchronous`; the latter only so that a bad setting is
    recognised and refused.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreRefused("the database URL cannot be read") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, keys, owner=owner)
    if parsed.get_backend_name() == "postgresql":
        return postgresql(parsed)
    raise StoreRefused(f"{parsed.get_backend_name()} is neither sqlite nor postgresql")


def _sqlite(url: URL, keys: Keys, *, owner: bool) -> Engine:
    from sqlcipher3 import dbapi2

    if not url.database or url.database == ":memory:":
        raise StoreRefused("a database in memory keeps nothing")
    path, options = Path(url.database), dict(url.query)
    if not owner and not path.exists():
        raise StoreRefused(f"{path.name} does not exist; run `triage store migrate`")

    def opened() -> Any:
        return open_file(path, keys, options, owner=owner)

    return create_engine(
        "sqlite://",
        module=dbapi2,
        creator=opened,
        poolclass=QueuePool,
        # The connection used last has the pages; the others need no memory for theirs.
        pool_use_lifo=True,
        hide_parameters=True,
    )


def open_file(path: Path, keys: Keys, options: Mapping[str, Any], *, owner: bool) -> Any:
    """Open one encrypted SQLite file as this product wants it; the driver begins nothing.

    The newest key is for new files; while keys are being rotated an older one may still open it.
    """
    from sqlcipher3 import dbapi2

    newest, *older = keys.named("file")
    # Only a file that is there may be under an older key; asking makes no file.
    for key in older if path.exists() else ():
        try:
            connection = _open_with(path, key, options, owner=True)
            connection.execute("SELECT count(*) FROM sqlite_master")
        except dbapi2.DatabaseError as trouble:
            if "not a database" not in str(trouble):
                raise
        else:
            if not owner:
                connection.set_authorizer(only_rows)
            return connection
    return _open_with(path, newest, options, owner=owner)


def _open_with(path: Path, key: bytes, options: Mapping[str, Any], *, owner: bool) -> Any:
    from sqlcipher3 import dbapi2

    patience = float(str(options.get("timeout", PATIENCE)))
    connection = dbapi2.connect(
        str(path), timeout=patience, isolation_level=None, check_same_thread=False
    )
    try:
        path.chmod(0o600)
        _set_up(connection, key, str(options.get("synchronous", "EXTRA")))
    except BaseException:
        connection.close()
        raise
    if not owner:
        connection.set_authorizer(only_rows)
    return connection


def _set_up(connection: Any, key: bytes, synchronous: str) -> None:
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    if wal_is_safe(_library_version()) and _pragma(connection, "journal_mode") != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    if not re.fullmatch(r"[A-Za-z0-9]+", synchronous):
        raise StoreRefused("synchronous")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA cache_size = -{KEPT}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # What is erased, such as the tokens of search, is written over and not only unlinked.
    connection.execute("PRAGMA secure_delete = ON")


def _pragma(connection: Any, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _library_version() -> tuple[int, ...]:
    from sqlcipher3 import dbapi2

    return tuple(int(part) for part in dbapi2.sqlite_version.split("."))


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite library is free of the bug by which a WAL reset loses commits."""
    fixed_lines = {(3, 50): 7, (3, 44): 6}
    patch = fixed_lines.get((version[0], version[1]))
    return version >= (3, 51, 3) or (patch is not None and version[2] >= patch)


def postgresql(url: URL, *, connections: int = 10) -> Engine:
    """Return an engine whose statements give up waiting for a lock after a while."""
    url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=connections)

    @event.listens_for(engine, "connect")
    def _patience(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {int(PATIENCE * 1000)}")
        # Or a schema named like this role, which a worker may make, would come before our own.
        connection.execute("SET search_path = public, pg_temp")
        connection.commit()

    return engine


def refuse_unsafe(connection: Connection) -> None:
    """Raise StoreRefused when the engine is set so that it could lose a commit it confirmed."""
    if connection.dialect.name == "sqlite":
        _refuse_unsafe_sqlite(connection, _library_version())
    else:
        _refuse_unsafe_postgresql(connection)


def _refuse_unsafe_sqlite(connection: Connection, library: tuple[int, ...]) -> None:
    def value(name: str) -> Any:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    if value("synchronous") < _FULL:
        raise StoreRefused("synchronous is below FULL")
    journal = str(value("journal_mode"))
    if journal == "delete" and value("synchronous") < _EXTRA:
        # After a power cut the removed journal may be back, and would undo the commit.
        raise StoreRefused("synchronous is below EXTRA with a rollback journal")
    if journal == "wal" and not wal_is_safe(library):
        raise StoreRefused("this SQLite library loses commits in WAL mode")
    if journal not in ("wal", "delete", "persist", "truncate"):
        raise StoreRefused(f"journal_mode is {journal}")
    if not value("recursive_triggers") or not value("foreign_keys"):
        raise StoreRefused("recursive_triggers or foreign_keys is off")


def _refuse_unsafe_postgresql(connection: Connection) -> None:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {name}").scalar() == "off":
            raise StoreRefused(f"{name} is off")


#: What a driver says -> what we say; the driver's words themselves may quote a row.
_MEANINGS: tuple[tuple[str, Callable[[], TriageError]], ...] = (
    ("is locked", StoreLocked),
    ("lock timeout", StoreLocked),
    ("file is not a database", lambda: WrongKey("the file key")),
    ("no such table", lambda: StoreRefused("it has not been migrated")),
    ("UndefinedTable", lambda: StoreRefused("it has not been migrated")),
    ("disk is full", lambda: StoreRefused("the disk is full")),
    ("DiskFull", lambda: StoreRefused("the disk is full")),
    ("disk I/O error", lambda: StoreRefused("the disk cannot be read or written")),
    ("IoError", lambda: StoreRefused("the disk cannot be read or written")),
    ("ReadOnlySqlTransaction", lambda: StoreRefused("the database is read-only")),
    ("readonly database", lambda: StoreRefused("the file is read-only")),
    ("connection failed", lambda: StoreRefused("the database server did not answer")),
    ("connection refused", lambda: StoreRefused("the database server did not answer")),
)


def explain(trouble: DBAPIError) -> TriageError:
    """Return the error a person can act on; it never repeats what the driver said."""
    return explain_driver(trouble.orig)


def explain_driver(trouble: BaseException | None) -> TriageError:
    """Return the error for a driver's own exception, from its kind and its fixed words."""
    said = f"{type(trouble).__name__} {trouble}"
    guard = re.search(r"guard: [a-z0-9_ ,']+", said)
    if guard:
        return StoreRefused(guard.group())
    for words, meaning in _MEANINGS:
        if words in said:
            return meaning()
    return StoreRefused(type(trouble).__name__)
