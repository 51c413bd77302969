"""`make bench`: what triage costs beside the assembly a user would write, in one run.

A B A B …, medians of five, printed as tables and kept as JSON under `results/`. Ratios count;
milliseconds on a shared machine do not. Names of benchmarks as arguments run only these.
"""

import sys
from pathlib import Path

# The folder is no package of the distribution: its parent is where its modules are found.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import path, redaction

BENCHMARKS = {"redaction": redaction.measure, "path": path.measure}


def main(chosen: list[str]) -> None:
    for name in chosen or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
