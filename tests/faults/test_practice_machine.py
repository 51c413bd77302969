"""Safety-bar 17: whatever happens in whatever order, the promises hold.

The oracles are seeded bugs, each a mistake that help desks have made; every one must be found.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import copy_database
from tests.faults.practice_machine import Practice
from tests.faults.seeded_bugs import BUGS, Bug
from tests.postgres import PostgresServer, fastest
from tests.sizes import LONG, many
from tests.small_practice import NURSE, SECRETARY, move_in
from triage.store import Keys, Store, open_store

pytestmark = pytest.mark.bar(17)

Place = Callable[[], AbstractContextManager[str]]
#: The long form is 2,000 runs, half of them on each engine, in parts that can be interrupted.
PARTS, RUNS, STEPS = many(1, long=10), many(2, long=100), many(20, long=50)


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


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def place(request: pytest.FixtureRequest, keys: Keys) -> Iterator[Place]:
    """A practice that has moved in, and fresh copies of it."""
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


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_the_promises_hold(
    place: Place, keys: Keys, part: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", RUNS)
    play(place, keys, rounds(RUNS, STEPS))


class First:
    """Draws the first of what there is, where Hypothesis would draw any."""

    def draw(self, strategy: Any) -> Any:
        return strategy.elements[0]


def answered(practice: Practice, **how: bool) -> None:
    practice.arrive_and_be_read(1)
    practice.approve(First(), **{"stale": False, "forged": False, **how})


def scene(practice: Practice, bug: str) -> Iterator[object]:
    """Let the shortest thing happen by which a seeded bug shows."""
    yield practice.begin()
    match bug:
        case "same_bytes_are_dropped":
            yield practice.duplicate(First())
        case "the_model_may_lower":
            yield practice.arrive(1, urgent=True)
        case "an_uncertain_reply_is_sent_again":
            yield answered(practice)
            yield practice.smtp("cut after the dot")
            yield practice.wait_and_send()
        case "the_cursor_moves_first":
            yield practice.crash_soon("cursor moved")
            yield practice.fetch()
        case "the_uid_is_the_identity":
            yield practice.mailbox_recreated()
        case "what_is_listed_anew_is_new":
            yield practice.fetch()
            yield practice.uid_validity()
            yield practice.fetch()
        case "what_was_on_the_wire_is_queued_again":
            yield answered(practice)
            yield practice.crash_soon("sent")
            yield practice.wait_and_send()
            yield practice.clock_jump(60)
            yield practice.send()
        case "nobody_checks_the_proof":
            yield answered(practice, forged=True)
            yield practice.wait_and_send()
        case "a_recall_is_only_noted":
            yield answered(practice)
            yield practice.recall(First())
            yield practice.wait_and_send()
        case "the_newest_words_are_approved":
            yield answered(practice, stale=True)
        case "a_claim_asks_nobody":
            yield practice.arrive_and_be_read(1)
            yield practice.claim(First(), SECRETARY)
            yield practice.claim(First(), NURSE)
        case "a_closed_case_swallows_mail":
            yield practice.arrive_and_be_read(1)
            yield practice.close(First())
            yield practice.arrive_and_be_read(1)
        case "a_postponed_reply_counts_as_sent":
            yield answered(practice)
            yield practice.smtp("cut before the dot")
            yield practice.wait_and_send()


def act(place: Place, keys: Keys, bug: str) -> None:
    with place() as url:
        practice = Practice(lambda clock: open_store(url, keys, clock=clock))
        try:
            for _ in scene(practice, bug):
                practice.nothing_is_doubled_and_nothing_leaves_unapproved()
                practice.urgent_is_on_top_and_every_case_is_seen_once()
                practice.what_nobody_read_is_in_no_closed_case()
        finally:
            practice.teardown()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_oracle_a_seeded_bug_shows(
    place: Place, keys: Keys, bug: Bug, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(place, keys, bug.__name__)
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        act(place, keys, bug.__name__)


if LONG:

    @pytest.mark.parametrize("place", ["sqlite"], indirect=True)
    @pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
    def test_oracle_hypothesis_finds_a_seeded_bug_by_itself(
        place: Place, keys: Keys, bug: Bug, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bug(monkeypatch)
        with pytest.raises(AssertionError):
            play(place, keys, rounds(2000, 50))
