"""Safety-bar 12: the power fails at a random point, and whatever was acknowledged is still there.

Every write and sync of SQLite's or PostgreSQL's own process is recorded while the store works;
afterwards the disk is rebuilt as it would be after a cut at any point of that record, with any part
of what nobody synced. The oracles are the settings that start-up refuses: they must lose.
"""

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.conftest import copy_database
from tests.postgres import PostgresServer, fastest
from tests.powercut.disk import ACK, Disk, Record, records
from tests.powercut.recording import Acks, recorded, recorder
from tests.powercut.working import lost, move_in, work_unsafely
from tests.roles import allow_the_owner
from tests.sizes import many
from tests.store.test_landing import written
from triage.errors import TriageError
from triage.store import Keys, migrate
from triage.store.engine import connect

pytestmark = pytest.mark.bar(12)

#: SQLite's versions as it says itself: one that is trusted with WAL, and one that is not.
NEW, OLD = "3.53.4", "3.40.1"
ROOT = Path(__file__).resolve().parents[2]
CUTS = many(4, long=100)
STEPS = many(6, long=60)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is room: what syncs cost is no part of the question."""
    with tempfile.TemporaryDirectory(prefix="triage-cut-", dir=fastest()) as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Recording:
    """A folder before the work and all that the work did to it."""

    before: Path
    done: Sequence[Record]

    def cuts(self, folder: Path, count: int) -> Iterator[tuple[Path, list[str], str]]:
        """Yield folders after power cuts at random points, what was acknowledged, and a name."""
        seed = random.randrange(10**9)
        chance = random.Random(seed)
        ends = [number for number, record in enumerate(self.done, 1) if record.kind == ACK]
        # Every other cut comes right after something was acknowledged: that is when it hurts most.
        points = sorted(
            chance.choice(ends) if number % 2 else chance.randrange(1, len(self.done) + 1)
            for number in range(count)
        )
        disk, fed = Disk(self.before), 0
        for number, point in enumerate(points):
            for record in self.done[fed:point]:
                disk.feed(record)
            fed = point
            target = folder / f"cut-{number}"
            disk.cut(target, chance)
            try:
                yield target, list(disk.acks), f"seed {seed}, cut {number} after record {point}"
            finally:
                # Also where the first loss was enough and nobody asks for another cut.
                shutil.rmtree(target)


def record_sqlite(
    folder: Path, template: Path, keys: Keys, library: Path, *, synchronous: str, version: str = NEW
) -> Recording:
    before, live, log = folder / "before", folder / "live", folder / "log"
    before.mkdir()
    copy_database(template, before / "triage.db")
    with patch("triage.store.engine._library_version", return_value=numbers(version)):
        move_in(f"sqlite:///{before}/triage.db", keys)
    shutil.copytree(before, live)
    log.touch()
    url = f"sqlite:///{live}/triage.db?synchronous={synchronous}"
    command = [sys.executable, "-m", "tests.powercut.working", url, written(keys, folder)]
    subprocess.run(
        [*command, str(log), str(STEPS), version],
        env=recorded(library, log, live),
        cwd=ROOT,
        check=True,
    )
    return Recording(before, list(records(log.read_bytes())))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def whole(path: Path, keys: Keys) -> str:
    engine = connect(f"sqlite:///{path}", keys, owner=True)
    with engine.connect() as connection:
        found = str(connection.exec_driver_sql("PRAGMA integrity_check").scalar())
    engine.dispose()
    return found


@pytest.fixture(scope="session")
def old_template(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database made by a SQLite that is not trusted with WAL."""
    path = tmp_path_factory.mktemp("old-template") / "triage.db"
    with patch("triage.store.engine._library_version", return_value=(3, 40, 1)):
        migrate(f"sqlite:///{path}", keys)
    return path


def loses(cuts: Iterable[Callable[[], list[str]]]) -> bool:
    """Say whether after one of these cuts something acknowledged is gone, or nothing opens."""
    for look in cuts:
        try:
            if look():
                return True
        except (TriageError, subprocess.CalledProcessError):
            return True
    return False


def sqlite_loses(made: Recording, folder: Path, keys: Keys) -> bool:
    uncut = [record.path for record in made.done if record.kind == ACK]
    assert lost(f"sqlite:///{folder}/live/triage.db", keys, uncut) == []
    return loses(
        partial(lost, f"sqlite:///{cut}/triage.db", keys, acks)
        for cut, acks, _ in made.cuts(folder, many(20, long=100))
    )


@pytest.mark.parametrize(("template", "version"), [("sqlite_template", NEW), ("old_template", OLD)])
def test_sqlite_loses_nothing(
    request: pytest.FixtureRequest,
    memory: Path,
    keys: Keys,
    library: Path,
    template: str,
    version: str,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", CUTS)
    source = request.getfixturevalue(template)
    made = record_sqlite(memory, source, keys, library, synchronous="EXTRA", version=version)
    for folder, acks, name in made.cuts(memory, CUTS):
        path = folder / "triage.db"
        with patch("triage.store.engine._library_version", return_value=numbers(version)):
            assert lost(f"sqlite:///{path}", keys, acks) == [], name
            states = [whole(path, keys), whole(folder / "triage.db-keys", keys)]
        assert states == ["ok", "ok"], name


def test_oracle_sqlite_in_wal_mode_below_full_loses(
    memory: Path, sqlite_template: Path, keys: Keys, library: Path
) -> None:
    made = record_sqlite(memory, sqlite_template, keys, library, synchronous="NORMAL")
    assert sqlite_loses(made, memory, keys)


def test_oracle_a_rollback_journal_below_extra_loses(
    memory: Path, old_template: Path, keys: Keys, library: Path
) -> None:
    made = record_sqlite(memory, old_template, keys, library, synchronous="FULL", version=OLD)
    with patch("triage.store.engine._library_version", return_value=(3, 40, 1)):
        assert sqlite_loses(made, memory, keys)


# --- PostgreSQL -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cluster(postgres: PostgresServer, keys: Keys) -> Iterator[PostgresServer]:
    """A cluster of its own, stopped in good order, with a practice that has moved in."""
    server = PostgresServer("--wal-segsize=1", "--data-checksums")
    try:
        migrate(server.template_url, keys)
        allow_the_owner(server)
        move_in(server.template_url, keys)
        server.ask("template_triage", "CREATE EXTENSION amcheck")
        server.stop(mode="fast")
        yield server
    finally:
        server.remove()


def record_postgresql(server: PostgresServer, keys: Keys, name: str, *settings: str) -> Recording:
    """Let PostgreSQL work in a copy of the cluster and write down what it does to it."""
    live, log = server.folder / f"live-{name}", server.folder / f"log-{name}"
    shutil.copytree(server.folder / "data", live)
    server.adopt(live)
    log.touch()
    log.chmod(0o666)
    environment = recorded(recorder(server.folder), log, live)
    # Little memory and a short log, so that pages are written and checkpoints fall into the work.
    small = ("shared_buffers=1MB", "max_wal_size=2MB", "min_wal_size=2MB", *settings)
    server.start(
        live.name, settings=" ".join(f"-c {one}" for one in small), environment=environment
    )
    try:
        work_unsafely(server.template_url, keys, STEPS, Acks(log))
    finally:
        server.stop(live.name, mode="fast")
    return Recording(server.folder / "data", list(records(log.read_bytes())))


def after_the_cut(
    server: PostgresServer, cut: Path, keys: Keys, acks: Sequence[str], settings: str = ""
) -> list[str]:
    """Start PostgreSQL on what the power cut left; return what is gone or broken."""
    (cut / "postmaster.pid").unlink(missing_ok=True)
    server.adopt(cut)
    server.start(cut.name, settings=settings)
    try:
        return lost(server.template_url, keys, acks) + broken(server)
    finally:
        server.stop(cut.name)


def broken(server: PostgresServer) -> list[str]:
    """Return what PostgreSQL's own check finds wrong with tables and indexes."""
    import psycopg

    tables = (
        "SELECT c.relname, v.msg FROM pg_class c, verify_heapam(c.oid) v"
        " WHERE c.relkind = 'r' AND c.relpersistence = 'p'"
    )
    indexes = (
        "SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
        " WHERE a.amname = 'btree' AND c.relpersistence = 'p'"
    )
    place = f"host={server.folder} dbname=template_triage user=postgres"
    with psycopg.connect(place) as connection:
        try:
            found = [f"{name}: {what}" for name, what in connection.execute(tables)]
            connection.execute(indexes)
        except psycopg.Error as trouble:
            return [str(trouble)]
    return found


@pytest.mark.postgres
def test_postgresql_loses_nothing(
    cluster: PostgresServer, keys: Keys, record_property: Callable[[str, object], None]
) -> None:
    cuts = many(3, long=100)
    record_property("tried", cuts)
    made = record_postgresql(cluster, keys, "safe")
    for cut, acks, name in made.cuts(cluster.folder, cuts):
        assert after_the_cut(cluster, cut, keys, acks) == [], name


@pytest.mark.postgres
@pytest.mark.parametrize(
    "setting", ["synchronous_commit=off", "fsync=off", "full_page_writes=off"][: many(1, long=3)]
)
def test_oracle_postgresql_that_does_not_wait_loses(
    cluster: PostgresServer, keys: Keys, setting: str
) -> None:
    made = record_postgresql(cluster, keys, setting[:5], setting)
    uncut = [record.path for record in made.done if record.kind == ACK]
    assert after_the_cut(cluster, cluster.folder / f"live-{setting[:5]}", keys, uncut) == []
    assert loses(
        partial(after_the_cut, cluster, cut, keys, acks)
        for cut, acks, _ in made.cuts(cluster.folder, many(10, long=200))
    )
