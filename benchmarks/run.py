"""`make bench`: what triage costs beside the assembly a user would write, in one run.

A B A B …, medians of five, printed as tables and kept as JSON under `results/`. Ratios count;
milliseconds on a shared machine do not. Names of benchmarks as arguments run only these;
`training --f1` trains to the end, which takes hours. BENCH_BRIEF=1 only shows that all runs.
"""

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
    training,
)

BENCHMARKS: dict[str, Callable[[], None]] = {
    "cold": cold.measure,
    "newest": newest.measure,
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
    chosen = [each for each in arguments if not each.startswith("-")]
    benchmarks = {**BENCHMARKS, "training": partial(training.measure, long="--f1" in arguments)}
    for name in chosen or benchmarks:
        benchmarks[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
