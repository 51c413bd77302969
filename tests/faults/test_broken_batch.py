"""Safety-bar 13, 10: a batch whose database breaks in its middle is begun anew at the next sweep.

The job engine would wait up to 90 seconds between two tries, give the outcome of a failed run for
ever, and wait for ever for a run somebody else has begun. Each oracle is the engine left to itself.
"""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, make_url

from tests.postgres import PostgresServer
from tests.small_practice import mail_from, rooms
from triage.domain import RawMessage
from triage.engine import Jobs
from triage.engine.jobs import LOOKS
from triage.errors import StoreRefused
from triage.parsing import parse
from triage.pipeline import Rooms, land
from triage.store import Keys, Store, jobs_database
from triage.testing import MemoryInbox

pytestmark = pytest.mark.bar(13, 10)

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@pytest.fixture
def database(practice: Store, store_url: str, keys: Keys) -> Iterator[Engine]:
    engine = jobs_database(store_url, keys)
    yield engine
    engine.dispose()


def launched(store: Store, database: Engine, with_rooms: Rooms, **more: Any) -> Jobs:
    jobs = Jobs(store, with_rooms, database, **more)
    jobs.launch()
    return jobs


class Cut:
    """Cuts a database's connections when the first mail is read, and lets nobody in again."""

    def __init__(self, server: PostgresServer, database: Engine) -> None:
        self._server, self._name = server, str(make_url(database.url).database)
        self.down = self.done = False

    def read(self, raw: RawMessage) -> Any:
        if not self.done:
            self.done = self.down = True
            self._let("false")
            where = f"WHERE datname = '{self._name}'"
            self._server.ask("postgres", f"SELECT pg_terminate_backend(pid, 5000) {PIDS} {where}")
        return parse(raw)

    def heal(self) -> None:
        self.down = False
        self._let("true")

    def _let(self, how: str) -> None:
        self._server.ask("postgres", f"ALTER DATABASE {self._name} WITH ALLOW_CONNECTIONS {how}")


PIDS = "FROM pg_stat_activity"


def waits(monkeypatch: pytest.MonkeyPatch, and_then: Callable[[], None]) -> list[float]:
    """Return where the pauses of the engine's own tries are written down; they take no time."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        # Its threads, too, sleep between two looks at what is new.
        if sys._getframe(1).f_code.co_name != "wrapper":
            return time.sleep(seconds)
        pauses.append(seconds)
        and_then()

    clock = SimpleNamespace(**{**vars(time), "sleep": sleep})
    monkeypatch.setattr("dbos._sys_db.time", clock)
    return pauses


@ON_POSTGRESQL
@pytest.mark.postgres
@pytest.mark.parametrize("left_to_itself", [False, True])
def test_a_batch_that_loses_its_database_waits_for_nothing(
    practice: Store,
    store_url: str,
    keys: Keys,
    postgres: PostgresServer,
    left_to_itself: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if left_to_itself:
        monkeypatch.setattr("triage.store.jobs.impatient", lambda engine: engine)
    database = jobs_database(store_url, keys)
    cut = Cut(postgres, database)
    land(MemoryInbox([mail_from(n % 2, f"refill {n}") for n in range(3)]), practice, clinic="c1")
    jobs = launched(practice, database, rooms(parse=cut.read))
    pauses = waits(monkeypatch, cut.heal)
    assert jobs.sweep() == 0
    # The engine wants to sleep; nobody but it has let the database in again.
    assert bool(pauses) == left_to_itself == (not cut.down)
    cut.heal()
    assert jobs.sweep() == 3
    jobs.stop()
    database.dispose()


@ON_SQLITE
def test_a_run_that_failed_is_begun_anew(
    practice: Store, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store failed before the attempt was counted: the next run has the same name."""
    land(MemoryInbox([mail_from(1, "refill")]), practice, clinic="c1")
    jobs = launched(practice, database, rooms())
    with monkeypatch.context() as broken:

        def full(*_: Any, **__: Any) -> int:
            raise StoreRefused("the disk is full")

        broken.setattr(practice.landing, "attempt", full)
        assert jobs.sweep() == 0
    with monkeypatch.context() as oracle:
        # Where it is not cleared away, its failure is told again, however whole the disk is.
        oracle.setattr(jobs, "_forget", lambda _: None)
        assert jobs.sweep() == 0
    assert jobs.sweep() == 1
    jobs.stop()


class Died(BaseException):
    """The process of a worker ended here."""


def dying(raw: RawMessage) -> Any:
    raise Died


@ON_SQLITE
@pytest.mark.parametrize("cleared", [False, True], ids=["dead", "cleared"])
def test_a_run_begun_by_another_worker_is_not_waited_for_without_end(
    practice: Store, database: Engine, cleared: bool
) -> None:
    """It died for good, or was done and cleared away between two looks."""
    land(MemoryInbox([mail_from(1, "refill")]), practice, clinic="c1")
    attempts = practice.landing.attempts
    practice.landing.attempts = lambda *_, **__: {}  # type: ignore[method-assign]  # Of this store alone.
    first = launched(practice, database, replace(rooms(), parse=dying), name="first")
    with suppress(Died):
        first.sweep()
    first.stop()
    pauses = 0

    def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if cleared:
            from dbos import DBOS

            DBOS.delete_workflows([run.workflow_id for run in DBOS.list_workflows()])

    second = launched(practice, database, rooms(), name="second", pause=pause)
    assert (second.sweep(), pauses) == (0, 1 if cleared else LOOKS)
    assert second.sweep() == 1
    practice.landing.attempts = attempts  # type: ignore[method-assign]  # Of this store alone.
    second.stop()


@pytest.mark.parametrize("left_to_itself", [False, True])
def test_a_run_taken_over_by_a_worker_that_died_is_not_waited_for_without_end(
    practice: Store,
    database: Engine,
    left_to_itself: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It started beside us, took over what we had begun, as at every start, and was killed."""
    monkeypatch.setattr("triage.engine.jobs.LOOKS", 1)
    if left_to_itself:
        monkeypatch.setattr(Jobs, "_limit", lambda *_: None)
    land(MemoryInbox([mail_from(1, "refill")]), practice, clinic="c1")
    runs = "dbos.workflow_status" if database.dialect.name == "postgresql" else "workflow_status"

    def taken_over(raw: RawMessage) -> Any:
        with database.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {runs} SET owner_xid = 'who died'")
        return parse(raw)

    jobs = launched(practice, database, rooms(parse=taken_over))
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(jobs.sweep)
        with suppress(StillWaiting):
            swept.result(1.0 if left_to_itself else 60.0)
        assert swept.done() != left_to_itself
        jobs._clear(next(iter(jobs._limits), ""))
    assert sum(practice.cases.counts(clinic="c1").values()) == 1
    assert jobs.sweep() == 0
    jobs.stop()
