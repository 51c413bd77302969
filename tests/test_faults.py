"""`make faults`: it goes on where it ended and calls nothing whole too early."""

import json
from pathlib import Path

import pytest

from benchmarks import faults
from benchmarks.faults import FAILED, PASSED, UNFINISHED, Outcome, Run, resumed, run_part

TESTS = """
import os, pathlib, random
import pytest
bar = pytest.mark.bar
HERE = pathlib.Path(__file__).parent

@bar(16)
def test_first(record_property):
    record_property("tried", 7)
    record_property("seconds_late", 1.5)
    assert os.environ["TRIAGE_LONG"] == "1"
    (HERE / "first").open("x")

@bar(16)
def test_second():
    with (HERE / "drawn").open("a") as drawn:
        drawn.write(f"{random.random()}\\n")
    if (HERE / "kill").exists():
        os.kill(os.getpid(), 9)
    assert not (HERE / "bad").exists()

@bar(16)
@bar(17)
def test_third():
    if (HERE / "bad").exists():
        pytest.skip("not here")

def test_of_no_number():
    assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> list[str]:
    path = tmp_path / "test_small.py"
    path.write_text(TESTS)
    # The option --bar is in our conftest, which a suite elsewhere does not find by itself.
    rest = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    return [*rest, "-c", str(faults.ROOT / "pyproject.toml"), str(path)]


def test_it_goes_on_where_it_was_interrupted(suite: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bar-16.json"
    (tmp_path / "kill").touch()
    assert run_part(Run(16, "abc", 5), path, minutes=1, tests=suite) == UNFINISHED
    half = Run.load(path)
    assert [name.split("::")[1] for name in half.tests] == ["test_first"]
    assert not half.whole
    (tmp_path / "kill").rename(tmp_path / "bad")
    again = resumed(path, 16, "abc", None)
    assert run_part(again, path, minutes=1, tests=suite) == FAILED
    failed = [name.split("::")[1] for name, one in Run.load(path).tests.items() if one.failed]
    assert failed == ["test_second", "test_third"], "what is skipped has not passed"
    (tmp_path / "bad").unlink()
    again = resumed(path, 16, "abc", None)
    assert run_part(again, path, minutes=1, tests=suite) == PASSED
    kept = json.loads(path.read_text())
    assert kept["whole"]
    assert (kept["number"], kept["commit"], kept["seed"]) == (16, "abc", 5)
    counts = {name.split("::")[1]: one for name, one in kept["tests"].items()}
    assert list(counts) == ["test_first", "test_second", "test_third"]
    assert [one["tried"] for one in counts.values()] == [7, 1, 1]
    assert [one["figures"] for one in counts.values()] == [{"seconds_late": 1.5}, {}, {}]
    assert [one["failed"] for one in counts.values()] == [0, 0, 0]
    # The same seed draws the same, however often it was interrupted.
    drawn = (tmp_path / "drawn").read_text().splitlines()
    assert len(drawn) == 3
    assert len(set(drawn)) == 1


def test_a_number_without_tests_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "in_pytest", lambda *_, **__: 5)
    assert run_part(Run(5, "abc", 5), tmp_path / "bar.json", minutes=1) == FAILED


def test_when_its_time_is_over_it_is_unfinished_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bar.json"
    assert run_part(Run(16, "abc", 5), path, minutes=0.0001) == FAILED

    def one_more(*_: object, **__: object) -> None:
        run = Run.load(path)
        run.tests["another"] = Outcome()
        run.save(path)

    monkeypatch.setattr(faults, "in_pytest", one_more)
    assert run_part(Run.load(path), path, minutes=1) == UNFINISHED


@pytest.mark.parametrize(
    ("commit", "seed", "goes_on"),
    [("abc", None, True), ("abc", 5, True), ("abc", 6, False), ("abd", None, False)],
)
def test_another_commit_or_seed_begins_anew(
    tmp_path: Path, commit: str, seed: int | None, goes_on: bool
) -> None:
    path = tmp_path / "bar-16.json"
    Run(16, "abc", 5, tests={"one": Outcome()}).save(path)
    assert bool(resumed(path, 16, commit, seed).tests) is goes_on


def test_uncommitted_changes_and_broken_files_begin_anew(tmp_path: Path) -> None:
    path = tmp_path / "bar-16.json"
    Run(16, "abc+", 5, tests={"one": Outcome()}).save(path)
    assert resumed(path, 16, "abc+", None).tests == {}
    path.write_text('{"number": 16')
    assert resumed(path, 16, "abc", None).tests == {}
    assert faults.commit_here().rstrip("+").isalnum()


def test_the_list_names_tests_and_numbers_without_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(arguments: object, environment: dict[str, str], **_: object) -> int:
        Path(environment["FAULTS_LIST"]).write_text('{"12": ["tests/x.py::test_power"]}')
        return 0

    monkeypatch.setattr(faults, "in_pytest", found)
    assert faults.listed(tmp_path / "list") == PASSED
    said = capsys.readouterr().out
    assert "12. power cut\n      tests/x.py::test_power\n" in said
    assert "5. long outage: no test says so yet" in said
