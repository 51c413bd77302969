"""The way a database comes to its present shape: migrations, guards, roles, key checks.

Rule of the room: all of it is one transaction; a kill leaves the old shape or the new one.
"""

import hmac
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, update

from triage.errors import StoreRefused, WrongKey
from triage.store import tables
from triage.store.current import CHECK, key_mark, mark_newest, stored_mark
from triage.store.engine import connect
from triage.store.guards import check_guards, make_guards
from triage.store.keyring import Keyring
from triage.store.keys import Keys, key_id
from triage.store.keystore import STORE, key_file, key_store_of, make_key_store
from triage.store.restoring import begin_restore, refuse_half_restored
from triage.store.row_rights import check_rows
from triage.store.sealed import SealedValue
from triage.store.trail import begin_chains
from triage.store.transaction import told
from triage.store.vault import Vault

_MIGRATIONS = Path(__file__).parent / "migrations"
_KEY_STORE = "store"


def migrate(url: str, keys: Keys, *, restoring: bytes = b"") -> None:
    """Bring the database to the newest shape, with guards and, on PostgreSQL, roles.

    Run as the owner of the tables. A run of a restore that is named makes an empty one, which is
    open to nobody else from its first moment. Raises WrongKey, StoreLocked or StoreRefused.
    """
    if url.startswith("sqlite"):
        from sqlalchemy.engine import make_url

        Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = connect(url, keys, owner=True)
    try:
        with told(), engine.connect() as connection:
            _begin(connection)
            if inspect(connection).has_table(tables.key_checks.name):
                refuse_half_restored(connection)
                if restoring:
                    raise StoreRefused("this database is not empty; restore into a fresh one")
            _upgrade(connection)
            _seed(connection, keys)
            if restoring:
                begin_restore(connection, restoring)
            check_keys(connection, keys)
            make_guards(connection)
            _grant(connection)
            _key_store(connection, url, keys)
            connection.commit()
    finally:
        engine.dispose()


def _key_store(connection: Connection, url: str, keys: Keys) -> None:
    """Make the key store, or check that the one that is there belongs to this database."""
    checks, path = tables.key_checks, key_file(url)
    query = select(checks.c.value).where(checks.c.name == _KEY_STORE)
    wanted = connection.execute(query).scalar()
    if wanted is not None and path is not None and not path.exists():
        raise StoreRefused(f"{path.name} is missing; restore the key store from its backup")
    with key_store_of(connection, url, keys) as apart:
        found = make_key_store(apart, key_id(keys.data[0]).hex())
        if wanted is not None and not hmac.compare_digest(bytes(wanted), found):
            raise WrongKey("the key store is another database's")
    if wanted is None:
        connection.execute(insert(checks), [{"name": _KEY_STORE, "value": found}])


def check_key_store(connection: Connection, ring: Keyring) -> None:
    """Raise WrongKey unless this key store belongs to this database."""
    checks = tables.key_checks
    wanted = connection.execute(select(checks.c.value).where(checks.c.name == _KEY_STORE)).scalar()
    found = ring.store.facts().get(STORE, b"")
    if wanted is None or not hmac.compare_digest(bytes(wanted), found):
        raise WrongKey("the key store is another database's")


def check_schema(connection: Connection, keys: Keys) -> None:
    """Raise StoreRefused or WrongKey unless shape, keys and guards are as this version needs."""
    if at_revision(connection) != newest():
        raise StoreRefused("its shape is not this version's; run `triage store migrate`")
    refuse_half_restored(connection)
    check_keys(connection, keys)
    check_guards(connection)
    check_rows(connection)
    if connection.dialect.name == "postgresql":
        from triage.store.roles import check_grants

        check_grants(connection)


def at_revision(connection: Connection) -> str:
    """Return the revision this database has the shape of; nothing where it has none."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision() or ""


@cache
def newest() -> str:
    """Return the revision this version of triage works with."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(_MIGRATIONS)).get_current_head())


def check_keys(connection: Connection, keys: Keys) -> None:
    """Raise WrongKey unless every key is the one this database was made with."""
    checks = tables.key_checks
    stored = {row.name: bytes(row.value) for row in connection.execute(select(checks))}
    vault = Vault(keys)
    sealed = SealedValue("key_checks", "value", stored.get("data", b""))
    vault.open(sealed, "data")
    for name in ("index", "audit"):
        marks = [key_mark(key) for key in keys.named(name)]
        if not any(hmac.compare_digest(stored.get(name, b""), mark) for mark in marks):
            raise WrongKey(f"the {name} key")


def adopt_keys(connection: Connection, keys: Keys) -> None:
    """Let a restored database go on with today's keys; raise WrongKey unless its audit is ours.

    Master, index and audit key may have been replaced since the backup; what is written from now
    on is under the newest, as it is wherever the backup came from. Indexes are made anew later.
    """
    checks = tables.key_checks
    # The version, then the four bytes that name the master it was sealed with.
    if stored_mark(connection, "data")[1:5] != key_id(keys.data[0]):
        fresh = Vault(keys).seal("key_checks", "value", "data", CHECK).stored
        connection.execute(update(checks).where(checks.c.name == "data").values(value=fresh))
    marks = [key_mark(key) for key in keys.named("audit")]
    if not any(hmac.compare_digest(stored_mark(connection, "audit"), mark) for mark in marks):
        raise WrongKey("the audit key")
    mark_newest(connection, "audit", keys)


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7202551)")


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _seed(connection: Connection, keys: Keys) -> None:
    checks = tables.key_checks
    if connection.execute(select(checks.c.name)).first() is None:
        data = Vault(keys).seal("key_checks", "value", "data", CHECK).stored
        rows = {"data": data, "index": key_mark(keys.index), "audit": key_mark(keys.audit)}
        values = [{"name": name, "value": value} for name, value in rows.items()]
        connection.execute(insert(checks), values)
    begin_chains(connection)


def _grant(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        from triage.store.roles import grant_roles

        grant_roles(connection)
