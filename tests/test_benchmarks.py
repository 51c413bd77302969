"""The arithmetic of the benchmarks; what they time is no test's business."""

import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks import audit, cold, encoder, graphs, path, rounds, run, training
from triage.store import Keys, migrate, verify_database

TAKEN = [
    {"ours": 1.0, "stock": 3.0, "products": 1.0, "pass": 4.0},
    {"ours": 2.0, "stock": 8.0, "products": 1.0, "pass": 2.0},
    {"ours": 9.0, "stock": 9.0, "products": 3.0, "pass": 4.0},
]


def test_a_ratio_is_taken_round_by_round() -> None:
    assert rounds.ratio(TAKEN, "stock", "ours") == 3.0
    assert rounds.column(TAKEN, "ours") == [1.0, 2.0, 9.0]
    assert rounds.per_message([2.0, 1.0, 9.0], 100) == 20.0
    assert encoder.per_unit([2.0, 1.0, 9.0], 1280) == 200.0


@pytest.mark.parametrize(
    ("value", "wanted", "good"),
    [(1.3, "<= 1.3", True), (1.31, "<= 1.3", False), (50, ">= 50", True), (49.9, ">= 50", False)],
)
def test_a_figure_is_held_to_what_is_wanted(value: float, wanted: str, good: bool) -> None:
    assert rounds.reached(value, wanted) is good


def test_a_goal_that_says_neither_at_most_nor_at_least() -> None:
    with pytest.raises(ValueError, match="neither"):
        rounds.reached(1.0, "< 2")


def test_the_share_of_the_peak() -> None:
    # As many products in both: 1/4, 1/2 and 3/4 of the pass would have been enough.
    assert encoder.of_peak(TAKEN, 10, 10) == 50.0
    assert encoder.of_peak(TAKEN, 10, 20) == 25.0
    # One layer of width 384: four square products and two to and from four times the width.
    assert graphs.multiplications(1, 1) == 12 * 384 * 384
    assert graphs.multiplications(6, 10) == 60 * graphs.multiplications(1, 1)


def test_the_share_of_the_cpu_inside() -> None:
    assert path.percent_inside([(2.0, 1.0), (4.0, 3.0), (10.0, 1.0)]) == 50.0


def test_the_clock_counts_what_runs_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    class Session:
        def run(self) -> None:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    run, clock = Session.run, path.Clock()
    clock.measure(lambda: Session().run())
    ((whole, inside),) = clock.used
    assert whole >= inside >= 0.02
    assert Session.run is run


def test_batches_lose_nothing() -> None:
    items = list(range(encoder.BATCH * 2 + 1))
    assert [len(each) for each in encoder.in_batches(items)] == [encoder.BATCH, encoder.BATCH, 1]
    assert [one for each in encoder.in_batches(items) for one in each] == items


def test_the_chain_of_the_benchmark_holds(tmp_path: Path) -> None:
    keys, url = Keys.make(tmp_path / "keys"), f"sqlite:///{tmp_path / 'triage.db'}"
    migrate(url, keys)
    audit.fill(url, keys, 5100)
    verdict = verify_database(url, keys)
    assert (verdict.holds, verdict.events) == (True, 5100)
    assert audit.per_million([1.0, 3.0, 2.0], 500_000) == 4.0


def test_the_score_is_the_mean_over_routes() -> None:
    assert training.score([0, 0, 1, 1], [0, 0, 1, 0]) == pytest.approx((0.8 + 2 / 3) / 2, abs=0.001)


def test_a_child_is_timed_by_its_own_memory() -> None:
    small, least = cold.start([sys.executable, "-I", "-c", "print(input())"], "hello\n")
    assert small == "hello\n"
    _, most = cold.start([sys.executable, "-I", "-c", "bytearray(b'x' * 80_000_000)"], "")
    assert most > least + 60
    with pytest.raises(RuntimeError, match="ended with 3"):
        cold.start([sys.executable, "-I", "-c", "raise SystemExit(3)"], "")


def test_asking_for_help_or_an_unknown_benchmark_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(run, "BENCHMARKS", {"cold": lambda: ran.append("cold")})
    for asked, code in ((["--help"], 0), (["colder"], 2)):
        with pytest.raises(SystemExit) as ended:
            run.main(asked)
        assert ended.value.code == code
    assert "example:" in capsys.readouterr().out
    assert ran == []
    run.main(["cold"])
    assert ran == ["cold"]


def test_the_signs_in_the_docs_are_those_that_were_counted() -> None:
    root = Path(__file__).parents[1]
    counted = json.loads((root / "benchmarks" / "results" / "signs.json").read_text())
    doc = (root / "docs" / "routing.md").read_text()
    for mark in ("angry", "threatens", "pleads", "contradiction"):
        cells = [
            f"{counted[f'{mark}, {kind}']} of {counted[kind]}" for kind in ("routine", "urgent")
        ]
        assert f"| {' | '.join(cells)} |" in doc, mark
