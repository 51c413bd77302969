"""Rounds of two or more sides in turn, so that whatever else the machine does hits all alike.

With BENCH_BRIEF set, one round of a few messages shows that everything runs; nothing is kept.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
BRIEF = bool(os.environ.get("BENCH_BRIEF"))
ROUNDS = 1 if BRIEF else 5


def few(count: int) -> int:
    """Return how many messages are measured: `count`, or a few when it is to be brief."""
    return max(count // 20, 4) if BRIEF else count


def rounds(
    sides: Mapping[str, Callable[[], object]], *, what: str, count: int = ROUNDS
) -> list[dict[str, float]]:
    """Run every side in turn, `count` times; return the seconds of each side, round by round."""
    taken = []
    for number in range(count):
        taken.append({name: seconds(side) for name, side in sides.items()})
        sys.stderr.write(f"{what}: round {number + 1} of {count}\n")
    return taken


def seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def column(taken: Sequence[Mapping[str, float]], side: str) -> list[float]:
    """Return the seconds of one side, round by round."""
    return [each[side] for each in taken]


def per_message(values: list[float], messages: int) -> float:
    """Return the median as milliseconds a message."""
    return round(statistics.median(values) / messages * 1000, 2)


def ratio(taken: list[dict[str, float]], over: str, under: str) -> float:
    """Return the median of the ratios of the rounds: a slow minute slows both sides of one."""
    return round(statistics.median(each[over] / each[under] for each in taken), 2)


def reached(value: float, wanted: str) -> bool:
    """Say whether a figure is as wanted: "<= 1.3", ">= 50"."""
    sign, bound = wanted.split()
    if sign not in {"<=", ">="}:
        raise ValueError(f"neither at most nor at least: {wanted}")
    return value <= float(bound) if sign == "<=" else value >= float(bound)


def keep(name: str, result: Mapping[str, Any], *, wanted: Mapping[str, str] | None = None) -> None:
    """Write a result and show it; `wanted` says of some of its figures what they should be."""
    goals = wanted or {}
    for key, value in result.items():
        verdict = "reached" if key in goals and reached(value, goals[key]) else "missed"
        goal = f"   (wanted {goals[key]}: {verdict})" if key in goals else ""
        print(f"{key:34} {value}{goal}")
    print()
    if BRIEF:
        return
    RESULTS.mkdir(exist_ok=True)
    content = {**result, "wanted": goals} if goals else result
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
