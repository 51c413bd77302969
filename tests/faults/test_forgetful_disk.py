"""Safety-bar 12 once more, on a disk that is real to everybody: a mounted file system that forgets.

test_power_cut.py believes what a preloaded library saw of the calls to libc. Here the kernel itself
hands over every change, however it was made (mmap, io_uring, sendfile, a call that nobody thought
of), the programs run until their power is cut, and are killed with it. The file system is forget.c,
mounted by FUSE; not every machine may mount one, so this is of the long form alone.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.conftest import copy_database
from tests.faults.test_power_cut import (
    NEW,
    OLD,
    after_the_cut,
    cluster,  # noqa: F401  # Fixtures, asked for by name.
    memory,  # noqa: F401  # A fixture, too.
    numbers,
    old_template,  # noqa: F401  # A fixture, too.
    whole,
)
from tests.postgres import PostgresServer
from tests.powercut.forgetting import ForgetfulDisk, forgetful, forgetter
from tests.powercut.recording import Acks
from tests.powercut.working import lost, move_in, work_unsafely, work_with
from tests.sizes import LONG
from tests.store.test_landing import written
from triage.errors import TriageError
from triage.store import Keys

pytestmark = pytest.mark.bar(12)

CUTS = 100
#: Among so many an engine that does not wait for its disk must have lost something.
ORACLE = 40
#: Enough for SQLite to move its log into its database, and for checkpoints of PostgreSQL.
STEPS = 12


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forgetter(tmp_path_factory.mktemp("forgetter"))


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: where it fell, and what came back of what was acknowledged."""

    name: str
    acks: int
    wrong: list[str]


class Engine:
    """What is cut: a folder, a writer that works in a copy of it, and questions for the image."""

    before: Path
    #: Where the disk is mounted, and where it leaves its image.
    folder: Path

    def work(self, disk: ForgetfulDisk, begin: Callable[[], None]) -> None:
        """Say when it begins, work until all is done or the power is gone, and be gone as well."""
        raise NotImplementedError

    def wrong(self, image: Path, acks: Sequence[str]) -> list[str]:
        """Return what of the acknowledged is gone from an image, or broken."""
        raise NotImplementedError


def cuts(engine: Engine, program: Path, count: int) -> Iterator[Cut]:
    """Cut the power at random points, after every other one right after an acknowledgement."""
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    with forgetful(program, engine.before, engine.folder, seed=seed) as disk:
        start: list[int] = []
        engine.work(disk, lambda: start.append(disk.counted()[0]))
        ops, acks = disk.counted()
        ops -= start[0]
        # With its power on it keeps everything, also what nobody synced.
        assert len(disk.acks) == acks > STEPS
        assert engine.wrong(disk.mount, disk.acks) == []
    for number in range(count):
        kind, most = ("acks", acks) if number % 2 else ("ops", ops)
        point, piece = chance.randint(1, most), chance.choice((512, 4096))
        grain = chance.randrange(2**32)
        with forgetful(program, engine.before, engine.folder, seed=grain, piece=piece) as disk:
            engine.work(disk, partial(disk.cut_at, kind, point))
            # A run may be a little shorter than the first one was.
            disk.cut()
            name = f"seed {seed}, cut {number} at {kind} {point} of {most}, pieces of {piece}"
            try:
                wrong = engine.wrong(disk.image, disk.acks)
            except (TriageError, subprocess.CalledProcessError) as trouble:
                wrong = [f"nothing opens: {trouble!r}"]
            yield Cut(name, len(disk.acks), wrong)


@cache
def _fresh() -> ForkServerContext:
    """Return a maker of processes that have opened nothing, but imported all they need."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.powercut.working"])
    return context


class Sqlite(Engine):
    def __init__(
        self, folder: Path, template: Path, keys: Keys, *, synchronous: str, version: str
    ) -> None:
        self.folder, self.before = folder, folder / "before"
        self._keys, self._synchronous, self._version = keys, synchronous, version
        self._written = written(keys, folder)
        self.before.mkdir()
        copy_database(template, self.before / "triage.db")
        with self._library():
            move_in(f"sqlite:///{self.before}/triage.db", keys)

    def work(self, disk: ForgetfulDisk, begin: Callable[[], None]) -> None:
        url = f"sqlite:///{disk.mount}/triage.db?synchronous={self._synchronous}"
        words = (url, self._written, str(disk.told), STEPS, self._version)
        begin()
        process = _fresh().Process(target=work_with, args=words)
        process.start()
        while process.is_alive() and not disk.is_cut():
            time.sleep(0.005)
        process.kill()
        process.join()
        assert disk.is_cut() or process.exitcode == 0

    def wrong(self, image: Path, acks: Sequence[str]) -> list[str]:
        path = image / "triage.db"
        with self._library():
            missing = lost(f"sqlite:///{path}", self._keys, acks)
            states = [whole(file, self._keys) for file in (path, Path(f"{path}-keys"))]
        return missing + [state for state in states if state != "ok"]

    def _library(self) -> Any:
        return patch("triage.store.engine._library_version", return_value=numbers(self._version))


class Postgresql(Engine):
    def __init__(self, server: PostgresServer, keys: Keys, *settings: str) -> None:
        self.folder, self.before = server.folder, server.folder / "data"
        self._server, self._keys = server, keys
        # Little memory and a short log, so that pages are written and checkpoints fall into it.
        small = ("shared_buffers=1MB", "max_wal_size=2MB", "min_wal_size=2MB", *settings)
        self._settings = " ".join(f"-c {one}" for one in small)

    def work(self, disk: ForgetfulDisk, begin: Callable[[], None]) -> None:
        self._server.start(disk.mount.name, settings=self._settings)
        postmaster = int((disk.mount / "postmaster.pid").read_text().split()[0])
        try:
            begin()
            work_unsafely(self._server.template_url, self._keys, STEPS, Acks(disk.told))
        except Exception:
            if not disk.is_cut():
                raise
        finally:
            ended(postmaster)

    def wrong(self, image: Path, acks: Sequence[str]) -> list[str]:
        return after_the_cut(self._server, image, self._keys, acks)


def ended(postmaster: int) -> None:
    """Kill a server and wait until it is gone; its files cannot be asked any more."""
    try:
        for tries in range(2000):
            # At once, as pg_ctl's immediate stop; after ten seconds without being asked.
            os.kill(postmaster, signal.SIGQUIT if tries < 1000 else signal.SIGKILL)
            time.sleep(0.01)
    except ProcessLookupError:
        return
    raise AssertionError("the server does not end")


def none_lost(found: Iterable[Cut], record_property: Callable[[str, object], None]) -> None:
    every = list(found)
    record_property("tried", len(every))
    # Most cuts fall where there is something to lose.
    assert sum(one.acks > 0 for one in every) > len(every) / 2
    assert [one for one in every if one.wrong] == []


if LONG:

    @pytest.mark.parametrize(
        ("template", "version"), [("sqlite_template", NEW), ("old_template", OLD)]
    )
    def test_on_a_forgetful_disk_sqlite_loses_nothing(
        request: pytest.FixtureRequest,
        memory: Path,
        keys: Keys,
        program: Path,
        template: str,
        version: str,
        record_property: Callable[[str, object], None],
    ) -> None:
        source = request.getfixturevalue(template)
        engine = Sqlite(memory, source, keys, synchronous="EXTRA", version=version)
        none_lost(cuts(engine, program, CUTS), record_property)

    @pytest.mark.parametrize(
        ("template", "version", "synchronous"),
        [("sqlite_template", NEW, "NORMAL"), ("old_template", OLD, "FULL")],
    )
    def test_oracle_on_a_forgetful_disk_unsafe_sqlite_loses(
        request: pytest.FixtureRequest,
        memory: Path,
        keys: Keys,
        program: Path,
        template: str,
        version: str,
        synchronous: str,
    ) -> None:
        source = request.getfixturevalue(template)
        engine = Sqlite(memory, source, keys, synchronous=synchronous, version=version)
        assert any(one.wrong for one in cuts(engine, program, ORACLE))

    @pytest.mark.postgres
    def test_on_a_forgetful_disk_postgresql_loses_nothing(
        cluster: PostgresServer,
        keys: Keys,
        program: Path,
        record_property: Callable[[str, object], None],
    ) -> None:
        none_lost(cuts(Postgresql(cluster, keys), program, CUTS), record_property)

    @pytest.mark.postgres
    def test_oracle_on_a_forgetful_disk_unsafe_postgresql_loses(
        cluster: PostgresServer,
        keys: Keys,
        program: Path,
    ) -> None:
        found = cuts(Postgresql(cluster, keys, "fsync=off"), program, ORACLE)
        assert any(one.wrong for one in found)
