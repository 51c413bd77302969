"""Safety-bar 17: whatever happens in whatever order, the promises hold.

The oracles are seeded bugs, each a mistake that help desks have made; every one must be found.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import copy_database
from tests.faults.practice_machine import Practice
from tests.faults.seeded_bugs import BUGS, Bug
from tests.postgres import PostgresServer, fastest
from tests.sizes import many
from tests.small_practice import move_in
from triage.store import Keys, Store, open_store

pytestmark = pytest.mark.bar(17)

Place = Callable[[], AbstractContextManager[str]]
RUNS, STEPS = many(3, long=2000), many(25, long=50)


def rounds(runs: int, steps: int) -> settings:
    return settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        print_blob=True,
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, keys: Keys) -> Iterator[Place]:
    """A practice that has moved in, and fresh copies of it."""
    import tempfile

    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        with tempfile.TemporaryDirectory(dir=fastest()) as folder:
            numbers, first = itertools.count(), Path(folder) / "first.db"
            copy_database(template, first)
            settle(f"sqlite:///{first}", keys)

            @contextmanager
            def fresh() -> Iterator[str]:
                path = Path(folder) / f"{next(numbers)}.db"
                copy_database(first, path)
                yield f"sqlite:///{path}"
                for end in ("", "-keys", "-wal", "-shm", "-keys-wal", "-keys-shm"):
                    Path(f"{path}{end}").unlink(missing_ok=True)

            yield fresh
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        settle(url, keys)
        yield lambda: server.copy(url.partition("@/")[2].partition("?")[0])


def settle(url: str, keys: Keys) -> None:
    store = open_store(url, keys)
    move_in(store)
    store.close()


def play(place: Place, keys: Keys, chosen: settings) -> None:
    """Let Hypothesis play the practice; raise what it finds."""

    class Here(Practice):
        def __init__(self) -> None:
            self._place = place()
            url = self._place.__enter__()

            def open_one(clock: Callable[[], datetime]) -> Store:
                return open_store(url, keys, clock=clock)

            super().__init__(open_one)

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                self._place.__exit__(None, None, None)

    run_state_machine_as_test(Here, settings=chosen)


def test_whatever_happens_the_promises_hold(
    place: Place, keys: Keys, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", RUNS)
    play(place, keys, rounds(RUNS, STEPS))


@pytest.mark.parametrize("bug", BUGS[: many(2, long=len(BUGS))], ids=lambda bug: bug.__name__)
def test_oracle_a_seeded_bug_is_found(
    place: Place, keys: Keys, bug: Bug, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        play(place, keys, rounds(many(40, long=2000), 50))
