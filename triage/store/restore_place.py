"""The place a restore puts a backup into: an empty one, or what a cut-off restore left there.

Rule of the room: whatever else is there stays as it is.
"""

from sqlalchemy import Connection, inspect, select

from triage.domain import new_id
from triage.errors import StoreRefused, WrongKey
from triage.store import keystore, tables
from triage.store.engine import connect
from triage.store.keys import Keys
from triage.store.keystore import connect_keys
from triage.store.restoring import half_restored, take_over
from triage.store.schema import at_revision, migrate, newest
from triage.store.transaction import told


def begin_run(url: str, keys: Keys) -> bytes:
    """Make an empty database or take over a half-restored one; return the name of this run."""
    run, path = new_id().encode(), keystore.key_file(url)
    data = path and path.with_name(path.name.removesuffix("-keys"))
    there = "this database is not empty; restore into a fresh one"
    if data is not None:
        there = f"{data.name} is there already; move it and its keys away first"
    if data is None or data.exists():
        engine = connect(url, keys, owner=True)
        try:
            with told(), engine.connect() as connection:
                if _is_half(connection):
                    take_over(connection, run)
                    connection.commit()
                    return run
                if inspect(connection).has_table(tables.audit.name) or _keeps_keys(url, keys):
                    raise StoreRefused(there)
        except WrongKey:
            raise StoreRefused(there) from None
        finally:
            engine.dispose()
    elif path is not None and path.exists():
        raise StoreRefused(there)
    migrate(url, keys, restoring=run)
    return run


def _is_half(connection: Connection) -> bool:
    if not inspect(connection).has_table(tables.key_checks.name) or not half_restored(connection):
        return False
    if at_revision(connection) != newest():
        raise StoreRefused(
            "a restore by another version of triage was cut off here;"
            " end it with that, or restore into a fresh place"
        )
    return True


def _keeps_keys(url: str, keys: Keys) -> bool:
    """Whether there are data keys beside a database without tables, which its loss left behind.

    A restore that was cut off while it made the database has left none.
    """
    engine, table = connect_keys(url, keys, owner=True), keystore.wrapped_keys
    with told(), engine.connect() as connection:
        schema = keystore.SCHEMA if connection.dialect.name == "postgresql" else None
        found = (
            inspect(connection).has_table(table.name, schema=schema)
            and connection.execute(select(table.c.id).limit(1)).first() is not None
        )
    engine.dispose()
    return found
