"""Safety-bar 43 in a process that really runs: killed and restarted, a worker goes on anchoring."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from triage.audit import ANCHORED, AnchorFile
from triage.domain import Clinic
from triage.store import Keys, Store, migrate, tables
from triage.wiring import House

pytestmark = pytest.mark.bar(43)

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[parts]
redactor = "withhold"
classifier = "abstain"
[audit]
anchor = "elsewhere/audit.anchor"
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "triage.toml").write_text(SETTINGS)
    (tmp_path / "elsewhere").mkdir()
    house = House.at(tmp_path)
    migrate(house.url, Keys.make(tmp_path / "keys"))
    store = house.store()
    store.people.add_clinic(Clinic("c1", "Test Clinic"))
    store.audit.record("practice.opened", clinic="c1", by="setup")
    store.close()
    return house


@contextmanager
def killed_after(house: House) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Run a worker until what is asked for came true; then kill it and all it started."""
    command = [sys.executable, "-m", "triage", "run", "--home", str(house.home)]
    worker = subprocess.Popen([*command, "--part", "worker"], start_new_session=True)

    def until(came_true: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not came_true():
            assert worker.poll() is None, "the worker stopped by itself"
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.05)

    try:
        yield until
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def remembered(store: Store) -> int:
    """Return how many lines the audit remembers."""
    query = select(tables.audit.c.seq).where(tables.audit.c.action == ANCHORED)
    with store.transactions.read() as work:
        return len(work.rows(query))


def test_a_killed_worker_anchors_all_chains_once_it_runs_again(house: House) -> None:
    file = AnchorFile(house.home / "elsewhere" / "audit.anchor")
    with killed_after(house) as until:
        until(lambda: bool(file.read()))
    (first,) = file.read()
    assert {"command", "worker"} == {head.chain for head in first.heads}
    # What a kill in the midst of writing leaves, and what the web does while no worker runs.
    with file.path.open("a") as torn:
        torn.write("command=1:ab")
    web = house.store("web")
    for _ in range(3):
        web.audit.record("queue.read", clinic="c1", by="u-dana")
    # The kill may have come between the line and the event that remembers it.
    before = remembered(web)
    with killed_after(house) as until:
        until(lambda: len(file.read()) == 2)
        until(lambda: remembered(web) > before)
    verdict = web.audit.verify(anchors=file.read)
    web.close()
    assert verdict.holds, verdict
    _, second = file.read()
    assert {"command", "worker", "web"} == {head.chain for head in second.heads}
    assert {head.number for head in second.heads if head.chain == "web"} >= {3}
