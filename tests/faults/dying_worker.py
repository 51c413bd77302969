"""A worker that kills itself, and its whole group, at one named step on a message's way in.

`python -m tests.faults.dying_worker HOME STEP CALL` is `triage run --part worker` but for the
wrapped step: SIGKILL comes at its so-manieth call, and nothing of the worker can catch it.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from threading import local

BEFORE, AFTER = "before", "after"
LANDING, CASES, JOBS = (
    "triage.store.landing.Landing",
    "triage.store.cases.Cases",
    "triage.engine.jobs.Jobs",
)
FINISH = "triage.store.transaction.Work.finish"


@dataclass(frozen=True)
class Step:
    """Where a worker dies: before or after a call, perhaps only while another one is under way."""

    call: str
    when: str
    within: str = ""


#: By what is done and what is not when the worker dies; in the order of a message's way.
STEPS = {
    "fetched, nothing landed": Step(f"{LANDING}.land", BEFORE),
    "landing, no row written": Step("triage.store.landing.land_all", BEFORE),
    "landing, rows written": Step("triage.store.landing.land_all", AFTER),
    "landing, keys kept": Step("triage.store.keyring.Keyring.keep", AFTER, f"{LANDING}.land"),
    "landing, not committed": Step(FINISH, AFTER, f"{LANDING}.land"),
    "landed, cursor not moved": Step(f"{LANDING}.land", AFTER),
    "cursor not committed": Step(FINISH, AFTER, f"{LANDING}.move_cursor"),
    "cursor moved": Step(f"{LANDING}.move_cursor", AFTER),
    "not compared": Step("triage.engine.inboxes.reconcile", BEFORE),
    "compared": Step("triage.engine.inboxes.reconcile", AFTER),
    "no run begun": Step(f"{JOBS}._batch", BEFORE),
    "try counted": Step(f"{LANDING}.attempt", AFTER),
    "bytes read": Step(f"{LANDING}.raws", AFTER),
    "judged": Step("triage.pipeline.judge", AFTER),
    "nothing filed": Step(f"{CASES}.file", BEFORE),
    "filing, case opened": Step("triage.store.filing._case", AFTER),
    "filing, message written": Step("triage.store.filing.write_message", AFTER),
    "filing, not committed": Step(FINISH, AFTER, f"{CASES}.file"),
    "one filed, not the others": Step(f"{CASES}.file", AFTER),
    "filed, not written off": Step(f"{JOBS}._file", AFTER),
}


class Death:
    """Kills this process and its children at the so-manieth time it is asked to."""

    def __init__(self, call: int) -> None:
        self._left = call

    def come(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.killpg(os.getpgid(0), signal.SIGKILL)


def wrap(path: str, around: Callable[..., object]) -> None:
    """Put `around(call, *values, **named)` in the place of what is called `path`."""
    owner, _, name = path.rpartition(".")
    try:
        place = importlib.import_module(owner)
    except ModuleNotFoundError:
        module, _, kind = owner.rpartition(".")
        place = getattr(importlib.import_module(module), kind)
    call = getattr(place, name)

    @wraps(call)
    def wrapped(*values: object, **named: object) -> object:
        return around(call, *values, **named)

    setattr(place, name, wrapped)


def die_at(step: Step, death: Death) -> None:
    """Let death come at this step."""
    at = local()

    def around(call: Callable[..., object], *values: object, **named: object) -> object:
        meant = not step.within or getattr(at, "within", False)
        if meant and step.when == BEFORE:
            death.come()
        found = call(*values, **named)
        if meant and step.when == AFTER:
            death.come()
        return found

    def under_way(call: Callable[..., object], *values: object, **named: object) -> object:
        at.within = True
        try:
            return call(*values, **named)
        finally:
            at.within = False

    wrap(step.call, around)
    if step.within:
        wrap(step.within, under_way)


def main(home: str, step: str, call: str) -> None:
    """Be a worker until death comes."""
    from triage.cli.processes import run

    die_at(STEPS[step], Death(int(call)))
    run(Path(home), "worker")


if __name__ == "__main__":
    main(*sys.argv[1:])
