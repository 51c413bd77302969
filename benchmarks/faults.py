"""`make faults ONLY=12`: the long form of one number of the safety bar, kept under `results/`.

Without a number it lists every number and the tests that make it true. One call runs one part of
at most 40 minutes; the next call goes on where it ended, also after an interruption. What has
passed is not run again until the commit changes.

The module is its own pytest plugin: it leaves out what has passed, seeds the chance of every test
from the run's seed and its name, and writes each result down as soon as it is known.
"""

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
PART_MINUTES = 40.0
#: Ends of a call: all passed, something failed, not yet through.
PASSED, FAILED, UNFINISHED = 0, 1, 3
#: How the plugin in pytest's own process learns where to write.
_RUN_FILE, _LIST_FILE = "FAULTS_RUN", "FAULTS_LIST"

BAR = {
    1: "kill -9 while mail comes in", 2: "reconciliation ledger", 3: "UIDVALIDITY",
    4: "no trust in what a mail claims", 5: "long outage", 6: "poison never blocks",
    7: "public mail fixtures", 8: "wire faults", 9: "FHIR", 10: "concurrency",
    11: "oversize and unsupported", 12: "power cut", 13: "disk full, read-only, broken",
    14: "clock", 15: "backup and restore", 16: "migrations", 17: "model-based test",
    18: "no unapproved send in the database", 19: "what you saw is what is sent",
    20: "SMTP uncertainty", 21: "kill -9 while sending", 22: "right patient",
    23: "no cross-patient text", 24: "loops and bounces", 25: "red-flag rules",
    26: "the model can only raise", 27: "degraded mode", 28: "time to screen", 29: "escalation",
    30: "dead-man switch", 31: "no dark corner", 32: "second message", 33: "approver protection",
    34: "paper downtime", 35: "script in mail", 36: "no remote contact", 37: "header injection",
    38: "redaction", 39: "patient text stays in", 40: "prompt injection",
    41: "ambiguous mail and Unicode", 42: "whatever else is hostile", 43: "audit",
    44: "access, keys, life cycle",
}  # fmt: skip


@dataclass
class Outcome:
    """What one test did: what it counts and measures it says with `record_property`."""

    tried: int = 1
    failed: int = 0
    seconds: float = 0.0
    #: Whatever else it measured, by name.
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Run:
    """The long form of one number at one commit, as far as it has come."""

    number: int
    commit: str
    seed: int
    date: str = ""
    seconds: float = 0.0
    #: Every test of the number has been run.
    whole: bool = False
    tests: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Run":
        content = json.loads(path.read_text())
        tests = {name: Outcome(**one) for name, one in content.pop("tests").items()}
        return cls(**content, tests=tests)

    def save(self, path: Path) -> None:
        """Write it down whole or not at all: a kill must leave what was known before."""
        self.date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
        self.seconds = round(sum(one.seconds for one in self.tests.values()), 1)
        path.parent.mkdir(exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(asdict(self), indent=2) + "\n")
        beside.replace(path)

    @property
    def passed(self) -> set[str]:
        return {name for name, one in self.tests.items() if not one.failed}


def resumed(path: Path, number: int, commit: str, seed: int | None) -> Run:
    """Return the run to go on with, or a fresh one when code, seed or file is another's."""
    try:
        old = Run.load(path)
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        old = None
    same = old and old.commit == commit and seed in (None, old.seed)
    if old and same and not commit.endswith("+"):
        return old
    return Run(number, commit, secrets.randbelow(2**32) if seed is None else seed)


def commit_here() -> str:
    """Return the commit, with a plus when files are not as committed: that is never resumed."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


# --- inside pytest ----------------------------------------------------------------------------


def pytest_configure(config: Any) -> None:
    if _RUN_FILE in os.environ:
        config.pluginmanager.register(Keeper(Path(os.environ[_RUN_FILE])))
    if _LIST_FILE in os.environ:
        config.pluginmanager.register(Lister(Path(os.environ[_LIST_FILE])))


class Keeper:
    """Runs what has not passed and writes each result down."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._run = Run.load(path)
        self._names: set[str] = set()

    def pytest_collection_finish(self, session: Any) -> None:
        names = self._names = {item.nodeid for item in session.items}
        self._run.tests = {n: one for n, one in self._run.tests.items() if n in names}
        session.items[:] = [item for item in session.items if item.nodeid not in self._run.passed]
        self._save()

    def pytest_runtest_setup(self, item: Any) -> None:
        random.seed(f"{self._run.seed} {item.nodeid}")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "setup":
            self._run.tests[report.nodeid] = Outcome()
        one = self._run.tests[report.nodeid]
        one.seconds = round(one.seconds + report.duration, 1)
        for name, value in report.user_properties:
            if name == "tried":
                one.tried = int(value)
            elif isinstance(value, (int, float)):
                one.figures[name] = value
        # In the long form nothing is skipped: what was not tried is not known to hold.
        one.failed = max(one.failed, 0 if report.passed else 1)
        if report.when == "teardown":
            self._save()

    def _save(self) -> None:
        self._run.whole = bool(self._names) and self._names <= self._run.tests.keys()
        self._run.save(self._path)


class Lister:
    """Writes down which tests make which number true, and runs none of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_collection_finish(self, session: Any) -> None:
        found: dict[int, list[str]] = {}
        for item in session.items:
            function = item.nodeid.split("[")[0]
            for marker in item.iter_markers("bar"):
                for number in marker.args:
                    found.setdefault(number, []).append(function)
        unique = {number: sorted(set(names)) for number, names in found.items()}
        self._path.write_text(json.dumps(unique))


# --- outside ----------------------------------------------------------------------------------


def in_pytest(
    arguments: Sequence[str], environment: Mapping[str, str], *, minutes: float, root: Path = ROOT
) -> int | None:
    """Run pytest and return its exit status, negative when it was killed; None when it was
    stopped because its time was over.
    """
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.faults", *arguments]
    given = {"PYTHONPATH": str(ROOT), **os.environ, **environment}
    with subprocess.Popen(command, cwd=root, env=given, start_new_session=True) as process:
        try:
            return process.wait(minutes * 60)
        except BaseException as trouble:
            # The servers a test has started go with it.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(trouble, subprocess.TimeoutExpired):
                return None
            raise


def run_part(run: Run, path: Path, *, minutes: float, tests: Sequence[str] = ()) -> int:
    """Run one part of a number's long form; return how it ended."""
    run.save(path)
    arguments = ["--bar", str(run.number), "-o", "timeout=0", f"--hypothesis-seed={run.seed}"]
    environment = {_RUN_FILE: str(path), "TRIAGE_LONG": "1", "CI": "true"}
    status = in_pytest([*arguments, *tests], environment, minutes=minutes)
    after = Run.load(path)
    told(after)
    if status is None and after.tests.keys() == run.tests.keys():
        print(f"A part of {minutes:g} minutes is too short for the next test.")
        return FAILED
    if status is None or status < 0:
        print("Not through yet: run it again, and it goes on from here.")
        return UNFINISHED
    if not after.tests:
        print("No test says that it makes this number true.")
    return PASSED if after.whole and len(after.passed) == len(after.tests) else FAILED


def told(run: Run) -> None:
    """Show a run: one line a test function, its parameters added up."""
    print(f"\n{run.number}. {BAR.get(run.number, '')}: commit {run.commit}, seed {run.seed}")
    sums: dict[str, Outcome] = {}
    for name, one in run.tests.items():
        whole = sums.setdefault(name.split("[")[0], Outcome(0))
        whole.tried += one.tried
        whole.failed += one.failed
        whole.seconds += one.seconds
    for name, one in sums.items():
        print(f"  {name}: {one.tried} tried, {one.failed} failed, {one.seconds:.1f} s")
    for name, one in run.tests.items():
        if one.figures:
            said = ", ".join(f"{figure} {value:g}" for figure, value in one.figures.items())
            print(f"  {name.split('::')[-1]}: {said}")


def listed(path: Path) -> int:
    """Show every number and the tests that make it true."""
    arguments = ["--collect-only", "-qq", "--no-header"]
    quiet = {_LIST_FILE: str(path), "PYTEST_ADDOPTS": "-p no:terminal"}
    if in_pytest(arguments, quiet, minutes=PART_MINUTES):
        return FAILED
    found = json.loads(path.read_text())
    path.unlink()
    for number, title in BAR.items():
        names = found.get(str(number), [])
        print(f"{number:2}. {title}" + ("" if names else ": no test says so yet"))
        print("".join(f"      {name}\n" for name in names), end="")
    return PASSED


def main(arguments: Sequence[str]) -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("number", type=int, nargs="?", choices=BAR, metavar="number")
    parser.add_argument("--minutes", type=float, default=PART_MINUTES, help="longest part (40)")
    parser.add_argument("--seed", type=int, help="begin anew with the seed of an earlier run")
    parser.add_argument("--again", action="store_true", help="begin anew")
    given = parser.parse_args(arguments)
    if given.number is None:
        return listed(RESULTS / "tests.tmp")
    path = RESULTS / f"bar-{given.number}.json"
    if given.again:
        path.unlink(missing_ok=True)
    run = resumed(path, given.number, commit_here(), given.seed)
    return run_part(run, path, minutes=given.minutes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
