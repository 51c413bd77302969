"""One message through `triage classify` in a fresh process, beside a fresh stock assembly.

Both processes load what they need, route one message and end; the graphs in the cache are warm.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.messages import mixed
from benchmarks.rounds import ROUNDS, column, keep, ratio, rounds

WANTED = {"ours_seconds": "<= 5", "stock_over_ours": ">= 2"}
HOUSE = Path(__file__).parent.parent
OURS = [sys.executable, "-m", "triage", "classify"]
STOCK = [sys.executable, "-m", "benchmarks.cold"]

#: A process inherits the peak of the one that starts it, so a small one stands in between.
LAUNCH = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=sys.stdin, capture_output=True, text=True, check=False)
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([done.returncode, used, done.stdout, done.stderr]))
"""


def start(command: Sequence[str], given: str) -> tuple[str, float]:
    """Run a command; return what it wrote and the most memory it held, in MiB."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", LAUNCH, *command],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        cwd=HOUSE,
    )
    code, peak, written, trouble = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{command[-1]} ended with {code}: {trouble[-400:]}")
    return written, peak


class Side:
    """One command, started anew each time."""

    def __init__(self, command: Sequence[str], given: str) -> None:
        self._command, self._given = command, given
        self.peaks: list[float] = []

    def run(self) -> str:
        written, peak = start(self._command, self._given)
        self.peaks.append(peak)
        return written


def measure() -> None:
    (row,) = mixed(1)
    line = {"id": row.id, "channel": row.channel, "subject": row.subject, "body": row.body}
    ours = Side(OURS, json.dumps(line) + "\n")
    stock = Side(STOCK, f"{row.subject}\n{row.body}")
    answer = json.loads(ours.run())
    # A model that could not be loaded would start quickly, and know nothing.
    assert answer["confidence"] > 0, "the shipped model does not serve"
    stock.run()
    taken = rounds({"ours": ours.run, "stock": stock.run}, what="cold")
    memory = {name: statistics.median(side.peaks) for name, side in _named(ours, stock)}
    result = {
        "what": "one message in a fresh process, warm cache, against the stock assembly",
        "ours_seconds": round(statistics.median(column(taken, "ours")), 2),
        "stock_seconds": round(statistics.median(column(taken, "stock")), 2),
        "stock_over_ours": ratio(taken, "stock", "ours"),
        "ours_peak_mib": round(memory["ours"]),
        "stock_peak_mib": round(memory["stock"]),
        "stock_memory_over_ours": round(memory["stock"] / memory["ours"], 2),
        "rounds": ROUNDS,
    }
    keep("cold", result, wanted=WANTED)


def _named(ours: Side, stock: Side) -> list[tuple[str, Side]]:
    return [("ours", ours), ("stock", stock)]


def stock_once(text: str) -> str:
    """Build the stock assembly and route one message."""
    from benchmarks.stock import StockClassifier, StockRedactor

    redactor, classifier = StockRedactor(text), StockClassifier()
    redactor.find(text)
    return classifier.route(text)


if __name__ == "__main__":
    print(stock_once(sys.stdin.read()))
