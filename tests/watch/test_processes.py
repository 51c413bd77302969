"""Real processes: one is killed or stopped, and a watch in a process of its own tells staff."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.sizes import LONG, many
from tests.test_starting import home, safe  # noqa: F401  # Fixtures, asked for by name.
from tests.watch.test_doors import hook
from triage.cli.starting import refuse_unsafe
from triage.cli.watching import watch as command
from triage.errors import AlertFailed
from triage.wiring import House

pytestmark = pytest.mark.bar(30)
ALERT = '\n[[alert]]\nname = "on-call"\nkind = "webhook"\nurl = "{url}"\n'
QUICK = "\n[watch]\nevery_seconds = 1\nprocess_seconds = 3\n"
#: What is done to which process; the worker loads its models first, so only in the long form.
DEEDS = [
    (part, deed)
    for part in (("worker", "sender", "web") if LONG else ("sender",))
    for deed in ((signal.SIGKILL, signal.SIGSTOP) if LONG else (signal.SIGSTOP,))
]


@contextmanager
def running(home: Path, part: str) -> Iterator["subprocess.Popen[bytes]"]:  # noqa: F811  # The fixture.
    command = [sys.executable, "-m", "triage", "run", "--home", str(home), "--part", part]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize(("part", "deed"), DEEDS)
def test_a_process_that_is_killed_or_stopped_is_told(
    home: Path,  # noqa: F811  # The fixture.
    part: str,
    deed: signal.Signals,
) -> None:
    with hook() as (url, heard):
        settings = home / "triage.toml"
        text = settings.read_text().replace("[desk]", f"[desk]\nport = {free_port()}")
        settings.write_text(text + QUICK + ALERT.format(url=url))
        store = House.at(home).store()

        def alive() -> bool:
            return part in {beat.process for beat in store.beats.all()}

        def told() -> bool:
            wanted = {"fault": "process_silent", "part": part, "new": True}
            return any(wanted in facts["alarms"] for _, facts in list(heard))

        dice = random.Random(30)
        for _ in range(many(1, long=10)):
            with running(home, part) as child, running(home, "watch"):
                until(alive)
                # The watch has seen it alive, whatever it said of the parts nobody started.
                until(lambda: any(beat.process == "watch" for beat in store.beats.all()))
                time.sleep(dice.random() if LONG else 0)
                heard.clear()
                store.beats.beat(part)
                os.kill(child.pid, deed)
                until(told)
        store.close()


def test_the_watch_starts_without_its_database(home: Path) -> None:  # noqa: F811  # The fixture.
    for path in home.glob("triage.db*"):
        path.unlink()
    refuse_unsafe(home, "watch")
    watch = House.at(home).watch()
    assert [alarm.note for alarm in watch.once()] == ["database:"]
    assert (home / "watch.alive").exists()


def test_a_trial_goes_through_every_door(
    home: Path,  # noqa: F811  # The fixture.
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(AlertFailed):
        command(home, trial=True)
    assert "could tell nobody" in capsys.readouterr().out
    with hook() as (url, heard):
        path = home / "triage.toml"
        path.write_text(path.read_text() + ALERT.format(url=url))
        command(home, trial=True)
    assert [facts["alarms"][0]["fault"] for _, facts in heard] == ["test"]


def test_the_long_form_tries_sixty() -> None:
    assert len(DEEDS) * many(1, long=10) == (60 if LONG else 1)
    assert shutil.which(sys.executable)
