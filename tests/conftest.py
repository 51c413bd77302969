"""A migrated store on both engines for every test that asks for `store`, and one Chromium."""

import asyncio
import gc
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests import roles
from tests.postgres import TEMPLATE, PostgresServer, fastest, programs
from triage.domain import Clinic
from triage.store import Keys, Store, migrate, open_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from triage.desk import Desk


#: The files that take longest, most of them with few tests.
LONGEST = (
    *("test_router_report", "test_browser", "test_notebook", "test_script", "test_every_page"),
    *("test_kill_migrations", "test_rotation", "test_rotation_others", "test_degraded"),
    *("test_demo", "test_kill_ingest", "test_drills", "test_backup", "test_injection"),
    *("test_model_only_raises", "test_kill_send", "test_practice_machine", "test_storage"),
)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords cheaply: what the tests ask is not how slow Argon2 is."""
    from argon2 import PasswordHasher

    with pytest.MonkeyPatch.context() as patch:
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        patch.setattr("triage.store.passwords._hasher", lambda: hasher)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_statements() -> Iterator[None]:
    """Word each statement once for all stores of this run, as a process of the product does."""
    from tests.engines import statements_worded_once

    with statements_worded_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def rights_of_each_process() -> Iterator[None]:
    """Make each call in the role of the process that makes it in a clinic, on PostgreSQL."""
    with roles.each_with_its_rights():
        yield


@pytest.fixture
def owner_alone() -> Iterator[None]:
    """Do everything as the owner, on PostgreSQL too: for tests of a chain of the audit."""
    with roles.owner_alone():
        yield


@pytest.fixture(autouse=True)
def no_loop_of_another_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide a loop that a browser test left marked as running in this thread: DBOS refuses then."""
    if "browser" in request.fixturenames:
        yield
        return
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(left)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def postgres(keys: Keys) -> Iterator[PostgresServer]:
    """A private PostgreSQL cluster; absent, the test is skipped, in CI it fails."""
    if programs() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed, and in CI nothing may be skipped")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    server = PostgresServer()
    try:
        migrate(server.template_url, keys)
        roles.allow_the_owner(server)
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def sqlite_template(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "triage.db"
    migrate(f"sqlite:///{path}", keys)
    return path


@pytest.fixture(scope="session")
def sqlite_practice(sqlite_template: Path, keys: Keys) -> Path:
    """The database of the small practice, which has moved in; closed, to be copied."""
    path = sqlite_template.with_name("practice.db")
    copy_database(sqlite_template, path)
    furnish(f"sqlite:///{path}", keys)
    return path


@pytest.fixture(scope="session")
def postgres_practice(postgres: PostgresServer, keys: Keys) -> Iterator[str]:
    """The name of the same on PostgreSQL."""
    with postgres.database() as url:
        furnish(url, keys)
        yield str(make_url(url).database)


def furnish(url: str, keys: Keys) -> None:
    """Let the small practice move into a database, once for all tests that get a copy of it."""
    from tests.small_practice import move_in

    opened = open_store(url, keys)
    move_in(opened)
    opened.close()


def copy_database(source: Path, path: Path) -> None:
    """Copy a SQLite database that nobody has open, and its key store."""
    shutil.copy(source, path)
    shutil.copy(f"{source}-keys", f"{path}-keys")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database, as its owner; the practice's for who asks for it."""
    furnished = "furnished" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "triage.db"
        source = "sqlite_practice" if furnished else "sqlite_template"
        copy_database(request.getfixturevalue(source), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    source = request.getfixturevalue("postgres_practice") if furnished else TEMPLATE
    with server.copy(source) as url:
        yield url


@pytest.fixture
def store(store_url: str, keys: Keys) -> Iterator[Store]:
    opened = open_store(store_url, keys)
    yield opened
    opened.close()


@pytest.fixture
def clinic(store: Store) -> str:
    """The id of a clinic that exists in `store`."""
    store.people.add_clinic(Clinic("clinic-a", "Harbour Family Practice", "UTC"))
    return "clinic-a"


@pytest.fixture
def furnished() -> None:
    """Asks `store_url` for the database of the small practice."""


@pytest.fixture
def practice(store: Store, furnished: None) -> Store:
    """The store of the small practice, which has moved in."""
    return store


@pytest.fixture
def desk(practice: Store) -> "Desk":
    """The small practice's desk; an approved reply may leave at once."""
    from triage.desk import Desk

    return Desk(practice, undo=timedelta(seconds=-1), mail_domain="clinic.example")


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium; one for all, because Playwright starts only once in a thread."""
    from playwright.sync_api import Error, expect, sync_playwright

    from tests.journeys.served import QUIET, absent, chromium

    path = chromium()
    # What a journey waits for comes or does not; how soon says only how busy the machine is.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=path, args=QUIET)
        except Error as error:
            absent(f"chromium does not start: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bar", type=int, help="only the tests of this number of the safety bar")


def pytest_configure() -> None:
    """Let pytest's folders lie in memory where there is room: a sync costs nothing there."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", fastest())
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Beside other workers: more threads than cores would only wait for one another.
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Spare what stays anyway, tests and modules, from every later round of the collector."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what `--bar n` asks for; the long files come first, so that no worker ends alone."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    number = config.getoption("--bar")
    if number is not None:
        items[:] = [
            item
            for item in items
            if any(number in marker.args for marker in item.iter_markers("bar"))
        ]
