"""The tables are what was migrated; kills in migrations: tests/faults/test_kill_migrations.py."""

import importlib

import pytest

from triage.errors import StoreRefused
from triage.store import Keys, open_store
from triage.store.engine import connect
from triage.store.tables import metadata


def test_migrations_make_exactly_the_tables_the_code_uses(store_url: str, keys: Keys) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    engine.dispose()
    # Encrypted bytes and moments are types of our own over the ones the migration names.
    kinds = [change for change in found if not isinstance(change, list)]
    assert kinds == []


def test_every_row_says_whose_clinic_it_is() -> None:
    without = {"clinics", "audit_cases", "audit_heads", "key_checks", "beats", "log_in_tries"}
    without |= {"openid_starts", "fresh_indexes"}
    tables = {table.name for table in metadata.sorted_tables if "clinic" not in table.columns}
    assert tables == without


def test_a_yes_to_mail_of_an_older_database_stays_and_is_the_roster_s(
    store_url: str, keys: Keys
) -> None:
    """The step from 0005 on real rows: nobody else becomes somebody who agreed."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from sqlalchemy import text

    step = importlib.import_module("triage.store.migrations.versions.0012_consent")
    old = (
        "CREATE TEMPORARY TABLE contacts AS SELECT '1' AS id, true AS consent_to_email"
        " UNION SELECT '2', false"
    )
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Our connections look into `public` first; here the copy is to be found first.
            connection.execute(text("SET LOCAL search_path = pg_temp, public"))
        connection.execute(text(old))
        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()
        query = "SELECT id, consent_to_email, consent_by, consent_at FROM contacts ORDER BY id"
        rows = [tuple(row) for row in connection.execute(text(query))]
        connection.rollback()
    engine.dispose()
    assert rows == [("1", True, "roster", None), ("2", False, None, None)]


def test_a_database_of_another_version_is_refused(store_url: str, keys: Keys) -> None:
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    engine.dispose()
    with pytest.raises(StoreRefused, match="migrate"):
        open_store(store_url, keys)
