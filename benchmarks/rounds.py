"""Rounds of two or more sides in turn, so that whatever else the machine does hits all alike."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5


def rounds(sides: Mapping[str, Callable[[], object]], *, what: str) -> list[dict[str, float]]:
    """Run every side in turn, `ROUNDS` times; return the seconds of each side, round by round."""
    taken = []
    for number in range(ROUNDS):
        taken.append({name: seconds(side) for name, side in sides.items()})
        sys.stderr.write(f"{what}: round {number + 1} of {ROUNDS}\n")
    return taken


def seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def per_message(values: list[float], messages: int) -> float:
    """Return the median as milliseconds a message."""
    return round(statistics.median(values) / messages * 1000, 2)


def ratio(taken: list[dict[str, float]], over: str, under: str) -> float:
    """Return the median of the ratios of the rounds: a slow minute slows both sides of one."""
    return round(statistics.median(each[over] / each[under] for each in taken), 2)


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Write a result and show it."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    for key, value in result.items():
        print(f"{key:34} {value}")
    print()
