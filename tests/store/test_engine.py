"""Safety-bar 12 at start-up: an engine that could lose a commit is refused, and errors are ours."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import text

from tests.conftest import copy_database
from tests.postgres import PostgresServer
from tests.store.practice import arrival
from triage.errors import StoreLocked, StoreRefused, TriageError
from triage.store import Keys, Store, jobs_database, migrate, open_store
from triage.store.authorizer import only_rows
from triage.store.engine import KEPT, connect, explain_driver, wal_is_safe

pytestmark = pytest.mark.bar(12)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "triage.db"
    copy_database(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_is_used_only_where_it_loses_nothing(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_wal_made_by_a_good_library_is_refused_by_a_bad_one(sqlite_url: str, keys: Keys) -> None:
    open_store(sqlite_url, keys).close()
    with (
        patch("triage.store.engine._library_version", return_value=(3, 40, 1)),
        pytest.raises(StoreRefused, match="WAL"),
    ):
        open_store(sqlite_url, keys)


def test_pages_are_kept_and_the_connection_that_has_them_is_taken_first(
    sqlite_url: str, keys: Keys
) -> None:
    engine = connect(sqlite_url, keys, owner=True)
    with engine.connect() as first, engine.connect() as last:
        assert last.exec_driver_sql("PRAGMA cache_size").scalar() == -KEPT
        used_last = first.connection.dbapi_connection
        last.close()
        first.close()
    with engine.connect() as again:
        assert again.connection.dbapi_connection is used_last
    engine.dispose()


def test_a_bad_library_keeps_a_rollback_journal(keys: Keys, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    with patch("triage.store.engine._library_version", return_value=(3, 40, 1)):
        migrate(url, keys)
        store = open_store(url, keys)
        store.landing.land([arrival()], clinic="c")
        store.close()
    assert not (tmp_path / "old.db-wal").exists()


def test_a_rollback_journal_whose_removal_is_not_synced_is_refused(
    keys: Keys, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    with patch("triage.store.engine._library_version", return_value=(3, 40, 1)):
        migrate(url, keys)
        with pytest.raises(StoreRefused, match="EXTRA"):
            open_store(f"{url}?synchronous=FULL", keys)
        open_store(url, keys).close()


@pytest.mark.parametrize("level", ["OFF", "NORMAL", "0", "1"])
def test_sqlite_below_full_synchronous_is_refused(sqlite_url: str, keys: Keys, level: str) -> None:
    with pytest.raises(StoreRefused, match="synchronous"):
        open_store(f"{sqlite_url}?synchronous={level}", keys)
    open_store(f"{sqlite_url}?synchronous=EXTRA", keys).close()


@pytest.mark.postgres
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_postgresql_that_does_not_sync_is_refused(
    postgres: PostgresServer, keys: Keys, setting: str
) -> None:
    with postgres.database() as url:
        open_store(url, keys).close()
        postgres.ask("postgres", f"ALTER SYSTEM SET {setting} = off")
        postgres.reload(setting, "off")
        try:
            with pytest.raises(StoreRefused, match=setting):
                open_store(url, keys)
        finally:
            postgres.ask("postgres", f"ALTER SYSTEM RESET {setting}")
            postgres.reload(setting, "on")
        open_store(url, keys).close()


def test_a_locked_database_says_so(sqlite_url: str, keys: Keys) -> None:
    holder = connect(sqlite_url, keys)
    with holder.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        store = open_store(f"{sqlite_url}?timeout=0.05", keys)
        with pytest.raises(StoreLocked):
            store.landing.land([arrival()], clinic="c")
        connection.rollback()
        assert len(store.landing.land([arrival()], clinic="c")) == 1
        store.close()
    holder.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root@localhost/triage",
        "sqlite://",
        "sqlite:///:memory:",
        "nonsense",
        "sqlite:////nowhere/at/all.db",
        "postgresql+psycopg://nobody@/nothing?host=/nowhere",
    ],
)
def test_a_database_that_is_not_there_is_a_clear_error(url: str, keys: Keys) -> None:
    with pytest.raises(StoreRefused):
        open_store(url, keys)


def test_an_empty_database_asks_to_be_migrated(keys: Keys, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    with connect(url, keys, owner=True).connect() as connection:
        connection.execute(text("CREATE TABLE other (a)"))
    with pytest.raises(StoreRefused, match="migrate"):
        open_store(url, keys)


def test_a_file_that_is_no_database_is_refused(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("Dear Ana, this is not a database.\n" * 200)
    with pytest.raises(TriageError) as caught:
        open_store(f"sqlite:///{path}", keys)
    assert "Ana" not in str(caught.value)


def test_no_driver_error_quotes_a_row(store: Store, store_url: str, keys: Keys) -> None:
    with pytest.raises(StoreRefused) as caught, store._transactions.write() as work:
        work.run(text("INSERT INTO clinics (id, name) VALUES ('c', 'Ana Marula')"))
    assert "Ana" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "Ana" not in str(explain_driver(ValueError("Key (name)=(Ana) exists")))


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        ((20, "replies", "body"), True),
        ((19, "synchronous", None), True),
        ((19, "synchronous", "0"), False),
        ((19, "key", "x"), False),
        ((19, "rekey", "x"), False),
        ((23, "sqlite_master", "sql"), False),
        ((31, None, "load_extension"), False),
        ((24, "elsewhere.db", None), False),
        ((16, "replies", None), False),
        ((99, None, None), False),
    ],
)
def test_what_is_not_listed_is_denied(
    question: tuple[int, str | None, str | None], allowed: bool
) -> None:
    assert (only_rows(*question, "main", None) == 0) is allowed


def _land_some(url: str, keys: Keys, name: int) -> None:
    store = open_store(url, keys)
    for uid in range(25):
        store.landing.land([arrival(f"{name} {uid}", uid=f"{name}-{uid}")], clinic="c")
        store.beats.beat(f"process-{name}")
    store.close()


def test_four_processes_write_at_once_without_a_deadlock(store_url: str, keys: Keys) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_land_some, args=(store_url, keys, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    store = open_store(store_url, keys)
    assert len(store.landing.waiting(limit=1000)) == 100
    assert store.audit.verify().events == 100
    assert store.audit.verify().holds
    assert len(store.beats.all()) == 4
    store.close()


def test_sixteen_threads_write_one_unbroken_chain(store: Store) -> None:
    def write(number: int) -> None:
        store.audit.record(f"thing.{number}", clinic="c", by="x")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(160)))
    verdict = store.audit.verify()
    assert (verdict.holds, verdict.events) == (True, 160)


def test_the_file_is_its_owners_only(sqlite_url: str, keys: Keys) -> None:
    open_store(sqlite_url, keys).close()
    assert os.stat(sqlite_url.removeprefix("sqlite:///")).st_mode & 0o777 == 0o600


def test_the_job_engine_gets_a_database_of_its_own(store_url: str, keys: Keys) -> None:
    if not store_url.startswith("sqlite"):
        # A copied database lacks the grants on the database itself; migrating gives them.
        migrate(store_url, keys)
        store_url = store_url.replace("triage_owner@", "triage_worker@")
    engine = jobs_database(store_url, keys)
    with engine.begin() as connection:
        if not store_url.startswith("sqlite"):
            connection.execute(text("CREATE SCHEMA dbos"))
            connection.execute(text("SET search_path = dbos"))
        connection.execute(text("CREATE TABLE jobs (id TEXT)"))
        connection.execute(text("INSERT INTO jobs VALUES ('secret-job-id')"))
    engine.dispose()
    if store_url.startswith("sqlite"):
        path = Path(store_url.removeprefix("sqlite:///") + "-jobs")
        assert b"secret-job-id" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
