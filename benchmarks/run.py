"""`make bench`: what triage costs beside the assembly a user would write, in one run.

A B A B …, medians of five, printed as tables and kept as JSON under `results/`. Ratios count;
milliseconds on a shared machine do not. BENCH_BRIEF=1 only shows that all runs.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The folder is no package of the distribution: its parent is where its modules are found.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import (
    audit,
    cold,
    encoder,
    imap,
    keystrokes,
    newest,
    path,
    redaction,
    search,
    signs,
    training,
)

BENCHMARKS: dict[str, Callable[[], None]] = {
    "cold": cold.measure,
    "newest": newest.measure,
    "signs": signs.measure,
    "encoder": encoder.measure,
    "redaction": redaction.measure,
    "path": path.measure,
    "imap": imap.measure,
    "audit": audit.measure,
    "search": search.measure,
    "keystrokes": keystrokes.measure,
    "training": training.measure,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        epilog="example: python -m benchmarks.run cold imap",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--f1", action="store_true", help="train to the end, which takes hours")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}")
    benchmarks = {**BENCHMARKS, "training": partial(training.measure, long=asked.f1)}
    for name in asked.names or benchmarks:
        benchmarks[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
