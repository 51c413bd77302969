"""Safety-bar 13 on PostgreSQL: the disk of the database server is full, read-only or broken.

The processes of a real PostgreSQL run on a disk whose changes fail from a point chosen by lot; the
parts of triage run beside it and are never started again. PostgreSQL ends itself rather than
lose what it confirmed, so its service is started again as Debian's does, once the disk is whole.
The oracle acknowledges mail before it is written, and must be seen to lose it.
"""

import errno
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from tests.faults.broken_morning import Morning
from tests.faults.test_broken_disk import ERRORS, KINDS, PARTLY
from tests.postgres import PostgresServer
from tests.powercut.refusing import Disk, Kind, refuser
from tests.sizes import LONG, many
from tests.small_practice import approve, mail_from, move_in, receive
from triage.connectors import Inbox
from triage.desk import Desk
from triage.domain import Cursor
from triage.store import Keys, Store, open_store

pytestmark = [
    pytest.mark.bar(13),
    pytest.mark.postgres,
    pytest.mark.timeout(2400 if LONG else 170),
]

POINTS = many(1, long=50)
#: Looks at most until all is well again; those of the short form take no time.
LOOKS = 600
#: Rounds at most until the change is made that fails.
UNTIL_BROKEN = 20


class Server:
    """PostgreSQL on a copy of the cluster, on a disk that may break, started again when it ends."""

    def __init__(self, server: PostgresServer) -> None:
        self.server, self.live = server, server.folder / "breaking"
        server.stop(mode="fast")
        copytree(server.folder / "data", self.live)
        server.adopt(self.live)
        control = server.folder / "control"
        self.disk = Disk(refuser(server.folder), self.live, control)
        control.chmod(0o666)
        self.starts = 0
        self.revive()

    def revive(self) -> None:
        """Start it if it has ended, as its service does."""
        # What the administrator of the tests had open went with it, also where it mended itself.
        self.server._administrator = None
        if self.runs():
            return
        small = "-c shared_buffers=1MB -c checkpoint_timeout=30 -c max_wal_size=32MB"
        self.server.start(self.live.name, settings=small, environment=self.disk.environment)
        self.starts += 1

    def runs(self) -> bool:
        try:
            self.server._run("pg_ctl", "-D", str(self.live), "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def close(self) -> None:
        self.disk.whole()
        self.revive()
        self.server.stop(self.live.name)
        rmtree(self.live)
        self.server.start()


class Rounds:
    """Turns the parts round by round; each in a thread, as each is a process in a practice."""

    def __init__(self, url: str, keys: Keys, home: Path) -> None:
        self.morning = Morning(url, keys, home)
        self._pool = ThreadPoolExecutor(8)
        self._busy: dict[str, Future[object]] = {}

    def turn(self, new: int = 0) -> tuple[set[str], set[str]]:
        """Let ten seconds pass; return what the watch found and what it told."""
        morning = self.morning
        morning.seconds += 10
        start = len(morning.inbox.mails)
        morning.inbox.mails += [
            mail_from(1 + n % 2, f"refill {n}", message_id=f"<{n}@example.org>")
            for n in range(start, start + new)
        ]
        for part in (morning.keeper, morning.worker, morning.sender):
            self._once(type(part).__name__, part.once)
        morning.door.told.clear()
        found = {alarm.note for alarm in morning.watch.once()}
        return found, set(morning.door.told)

    def _once(self, name: str, once: Callable[[], object]) -> None:
        # A part that still waits for its database is not turned a second time.
        if name not in self._busy or self._busy[name].done():
            self._busy[name] = self._pool.submit(once)
        try:
            self._busy[name].result(3.0)
        except TimeoutError:
            return

    def cursor(self) -> str:
        return str(self.morning._cursor())

    @property
    def mails(self) -> int:
        return len(self.morning.inbox.mails)

    def close(self) -> None:
        self.morning.jobs.stop()
        self._pool.shutdown()
        self.morning.store.close()


@pytest.fixture(scope="module")
def broken(postgres: PostgresServer) -> Iterator[Server]:
    with closing(Server(postgres)) as server:
        yield server


@contextmanager
def practice(broken: Server, keys: Keys, home: Path) -> Iterator[tuple[Rounds, str, int]]:
    """Yield the parts at work on a database of their own, its URL, and how many replies wait."""
    with broken.server.database() as url:
        store = open_store(url, keys)
        move_in(store)
        desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")
        early = [mail_from(1, f"early {n}", message_id=f"<e{n}@example.org>") for n in range(2)]
        cases = receive(store, *early)
        for case_id in cases:
            approve(desk, case_id)
        store.close()
        with closing(Rounds(url, keys, home)) as rounds:
            yield rounds, url, len(cases)
        broken.disk.whole()
        broken.revive()


def test_a_database_server_whose_disk_breaks_loses_nothing(
    broken: Server, keys: Keys, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", POINTS)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    with practice(broken, keys, tmp_path) as (rounds, url, replies):
        rounds.turn(1)
        for point in range(POINTS):
            error, kind = ERRORS[point % len(ERRORS)], KINDS[point // len(ERRORS) % len(KINDS)]
            broken.disk.fails(error, after=chance.choice((0, chance.randrange(60))), kind=kind)
            for _ in range(UNTIL_BROKEN):
                found, told = rounds.turn(2)
                # Where few changes of the kind are made, those before it may take some rounds.
                if kind in PARTLY or broken.disk.refused():
                    break
            more, also = rounds.turn(2)
            where = f"seed {seed}, point {point}: {errno.errorcode[error]}, {kind.name}"
            # Staff are told within two rounds of the watch, or all that came is in.
            assert kind in PARTLY or "database:" in (found | told | more | also), where
            assert more or rounds.cursor() == str(rounds.mails), where
            assert kind in PARTLY or broken.disk.refused(), where
            broken.disk.whole()
            for _ in range(LOOKS):
                broken.revive()
                found, _ = rounds.turn()
                if not found and rounds.cursor() == str(rounds.mails):
                    break
            assert (found, rounds.cursor()) == (set(), str(rounds.mails)), where
        store = open_store(url, keys)
        for _ in range(LOOKS):
            # What landed in the last round may still be on its way to the queue.
            if not store.landing.waiting(limit=9):
                break
            rounds.turn()
        check(store, rounds, replies)


def check(store: Store, rounds: Rounds, replies: int) -> None:
    """Every mail is filed once, no reply left twice, the chain holds."""
    sent = [name for name, _ in rounds.morning.outbox.sent]
    assert len(sent) == len(set(sent))
    assert store.landing.waiting(limit=9) == []
    assert store.landing.ledger_counts("memory", clinic="c1") == {"landed": rounds.mails}
    figures = store.counts.figures(clinic="c1")
    assert (figures.in_no_queue, figures.landed) == (0, rounds.mails + replies)
    settled = {state: count for state, count in figures.replies.items() if count}
    assert sum(settled.values()) == replies
    assert settled.keys() <= {"sent", "uncertain"}
    assert store.audit.verify().holds
    store.close()


def test_oracle_who_acknowledges_before_it_is_written_loses(
    broken: Server, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged: dict[str, Cursor] = {}

    def careless(inbox: Inbox, store: Store, *, clinic: str) -> Sequence[str]:
        landed: list[str] = []
        for delivery in inbox.deliveries(acknowledged):
            acknowledged[delivery.cursor.mailbox] = delivery.cursor
            landed += store.landing.land(delivery.arrivals, clinic=clinic)
        return landed

    monkeypatch.setattr("triage.engine.inboxes.land", careless)
    with practice(broken, keys, tmp_path) as (rounds, url, replies):
        rounds.turn(1)
        broken.disk.fails(errno.ENOSPC, kind=Kind.ALL)
        rounds.turn(2)
        broken.disk.whole()
        for _ in range(LOOKS):
            broken.revive()
            found, _ = rounds.turn()
            if not found:
                break
        store = open_store(url, keys)
        assert store.counts.figures(clinic="c1").landed < rounds.mails + replies
        store.close()
