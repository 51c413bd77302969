"""Safety-bar 14 with whole processes: the clock of the machine leaps under worker, sender and desk.

Debian's libfaketime turns the wall clock of real `triage run` processes while they work; time that
passed goes on, as it does when somebody sets a clock. The short form leaps back an hour under a
sender, the long one in every way under all three. The oracle turns time itself back with the clock,
and must be seen to keep a reply waiting.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.faults.test_clock import LEAPS, ORDER
from tests.servers import SmtpKeeper, free_port
from tests.sizes import LONG, many
from tests.small_practice import MASTER, approve, mail_from, move_in, rooms
from tests.store.test_landing import written
from triage.connectors.folder import FolderInbox
from triage.desk import Desk
from triage.domain import Lane, ReplyState
from triage.pipeline import file, land
from triage.store import Keys, Store, open_store

pytestmark = [pytest.mark.bar(14), pytest.mark.timeout(2400 if LONG else 170)]

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("worker", "sender", "web") if LONG else ("sender",)
HOW = [*LEAPS] * many(1, long=4) if LONG else ["an hour back"]
UNDO = 1.0
#: More than a case has: each look at a reply is an event of its own, and a slow machine needs many.
EVENTS = 99_999
#: Nothing may be later than this, in seconds of the steady clock.
LATE = 60.0

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[store]
url = "{url}"
[parts]
redactor = "withhold"
classifier = "abstain"
[desk]
demonstration = true
port = {web}
[[inbox]]
name = "drop"
kind = "folder"
path = "{folder}"
settle_seconds = 0
poll_seconds = 0.1
[[outbox]]
name = "out"
kind = "smtp"
channel = "email"
host = "127.0.0.1"
port = {port}
security = "plain"
sender = "desk@clinic.example"
"""


def faker() -> Path:
    """Return Debian's libfaketime; without it skip the test, which under CI=true is a failure."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        words = "libfaketime is missing (apt-get install faketime)"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found[0]


class Machine:
    """Processes with a wall clock of their own, and the same clock for the test."""

    def __init__(self, folder: Path, *, time_too: bool = False) -> None:
        self._file, self._offset = folder / "clock", timedelta(0)
        self._frozen: datetime | None = None
        self._file.write_text("+0")
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(faker()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # Set, only the wall clock leaps.
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if time_too else "1",
            "TZ": "UTC",
        }

    def now(self) -> datetime:
        return self._frozen or datetime.now(UTC) + self._offset

    def leap(self, how: str) -> None:
        here = LEAPS[how](self.now())
        self._offset = here - datetime.now(UTC)
        self._frozen = here.replace(microsecond=0) if how == "stands still" else None
        self._write(f"{here:%Y-%m-%d %H:%M:%S}" if self._frozen else self._seconds())

    def goes_on(self) -> None:
        """Let a clock that stood still go on from there."""
        self._frozen = None
        self._write(self._seconds())

    def _seconds(self) -> str:
        return f"{self._offset.total_seconds():+.3f}"

    def _write(self, words: str) -> None:
        beside = self._file.with_name("next")
        beside.write_text(words)
        beside.replace(self._file)


class Practice:
    """A store that the test shares with the processes, a folder mail comes into, and a sink."""

    def __init__(self, home: Path, url: str, keys: Keys, machine: Machine) -> None:
        self.machine, self.sink = machine, SmtpKeeper()
        self.folder = home / "drop"
        for name in ("drop", "keys"):
            (home / name).mkdir()
        written(keys, home / "keys")
        (home / "approval.key").touch(mode=0o600)
        (home / "approval.key").write_text(MASTER.hex())
        given = {"url": url, "folder": self.folder, "port": self.sink.port, "web": free_port()}
        (home / "triage.toml").write_text(SETTINGS.format(**given))
        self.store = open_store(url, keys, clock=machine.now)
        move_in(self.store)
        undo = timedelta(seconds=UNDO)
        self.desk = Desk(self.store, undo=undo, mail_domain="clinic.example", clock=machine.now)
        self.cases: set[str] = set()
        self.put = 0

    def arrive(self, *words: str) -> None:
        for text in words:
            self.put += 1
            content = mail_from(self.put % 2 + 1, text, message_id=f"<{self.put}@example.org>")
            (self.folder / f"{self.put}.part").write_bytes(content)
            (self.folder / f"{self.put}.part").rename(self.folder / f"{self.put}.eml")

    def work(self) -> None:
        """Do what a worker does, where none runs."""
        settings = {"name": "drop", "path": str(self.folder), "settle_seconds": 0}
        landed = land(FolderInbox(settings), self.store, clinic="c1")
        file(landed, rooms(), self.store, clinic="c1", by="worker")

    def filed(self) -> list[str]:
        """Return the cases that are new since this was last asked."""
        rows = self.store.cases.queue(clinic="c1", by="test", limit=999)
        new = [row.case.id for row in rows if row.case.id not in self.cases]
        self.cases |= set(new)
        return new

    def close(self) -> None:
        self.store.close()
        self.sink.close()


@contextmanager
def running(home: Path, machine: Machine, parts: Sequence[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "triage", "run", "--home", str(home), "--part"]
    logs = [home / f"{part}.log" for part in parts]
    started = []
    for part, log in zip(parts, logs, strict=True):
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, part],
                cwd=ROOT,
                env=machine.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)

    def ended() -> list[str]:
        """What those said last that should not have ended."""
        pairs = zip(started, logs, strict=True)
        return [log.read_text()[-2000:] for one, log in pairs if one.poll() is not None]

    try:
        yield
        assert ended() == []
    except AssertionError as trouble:
        trouble.add_note(f"processes that have ended: {ended()}")
        raise
    finally:
        for one in started:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def until(true: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def state(store: Store, reply_id: str) -> ReplyState:
    return store.replies.get(reply_id, clinic="c1", by="test").state


@pytest.mark.parametrize(
    "store_url", ["sqlite", "postgresql"] if LONG else ["sqlite"], indirect=True
)
def test_whole_processes_lose_and_delay_nothing_when_the_clock_leaps(
    tmp_path: Path, store_url: str, keys: Keys, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", len(HOW))
    seed = random.randrange(10**6)
    chance, machine = random.Random(seed), Machine(tmp_path)
    answered: list[str] = []
    with (
        closing(Practice(tmp_path, store_url, keys, machine)) as practice,
        running(tmp_path, machine, PARTS),
    ):
        store = practice.store
        if "worker" in PARTS:
            # Until all have started, which is no part of what may be late.
            practice.arrive("good morning")
            assert until(practice.filed, 10 * LATE)
        for how in HOW:
            where, early = f"seed {seed}, {how}", chance.random() < 0.5
            practice.arrive(f"refill number {len(answered)}", "I have chest pain")
            if early:
                machine.leap(how)
            if "worker" not in PARTS:
                practice.work()
            assert until(
                lambda: sum(store.cases.counts(clinic="c1").values()) == practice.put, LATE
            )
            new = practice.filed()
            assert len(new) == 2, where
            # The urgent one stands on top, wherever the clock is.
            case_id = new[1]
            reply_id = approve(practice.desk, case_id)
            if not early:
                machine.leap(how)
            sent = until(lambda one=reply_id: state(store, one) is ReplyState.SENT, UNDO + LATE)  # type: ignore[misc]  # A default of a lambda.
            assert sent, where
            if how != "stands still":
                events = store.audit.events(clinic="c1", by="t", case_id=case_id, limit=EVENTS)
                at = next(event.at for event in events if event.action == "reply.sent")
                assert abs(at - machine.now()) < timedelta(minutes=2), "the processes saw no leap"
            machine.goes_on()
            answered.append(case_id)
        counts = store.cases.counts(clinic="c1")
        assert counts[Lane.URGENT] == len(HOW), f"seed {seed}"
        assert store.landing.ledger_counts("drop", clinic="c1") == {"landed": practice.put}
        assert store.audit.verify().holds
        for case_id in answered:
            told = store.audit.events(clinic="c1", by="t", case_id=case_id, limit=EVENTS)
            did = [event.action for event in reversed(told) if event.action in ORDER]
            assert did == list(ORDER), f"seed {seed}"
        names = [message_from_bytes(content)["Message-ID"] for _, content in practice.sink.mails]
        assert len(names) == len(set(names)) == len(answered)


if LONG:
    # Here time passes in which something must not happen.

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_oracle_where_time_itself_goes_back_a_reply_waits(
        tmp_path: Path, store_url: str, keys: Keys
    ) -> None:
        machine = Machine(tmp_path, time_too=True)
        with (
            closing(Practice(tmp_path, store_url, keys, machine)) as practice,
            running(tmp_path, machine, ("worker", "sender")),
        ):
            practice.arrive("refill")
            assert until(lambda: sum(practice.store.cases.counts(clinic="c1").values()) == 1, LATE)
            reply_id = approve(practice.desk, practice.filed()[0])
            machine.leap("an hour back")
            assert not until(lambda: state(practice.store, reply_id) is ReplyState.SENT, UNDO + 20)
