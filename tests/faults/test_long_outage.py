"""Safety-bar 5: the connector was off for days, and thousands of mails wait.

A real Dovecot, both engines. All come in, and those with a red flag are on screen before any other
is filed. The oracle files in the order of arrival, which must be seen to keep them waiting. The
long form walks them through the parts that serve, and writes down how long it took.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from imapclient import IMAPClient

from benchmarks.messages import mixed, registry
from tests.servers import PASSWORD, DovecotServer
from tests.sizes import LONG, many
from tests.small_practice import SECRETARY, Watch, mail_from, move_in, rooms
from triage.connectors.imap import ImapInbox
from triage.desk import Desk
from triage.domain import Flag, Lane, Message, RawMessage, Urgency
from triage.engine import InboxKeeper, Jobs
from triage.engine import ahead as first_look
from triage.engine import jobs as engine
from triage.engine.ahead import LOOKS, Ahead
from triage.loading import load_parts
from triage.parsing import parse
from triage.pipeline import Rooms, land
from triage.settings import PartsSettings
from triage.store import Keys, Store, jobs_database
from triage.testing import MemoryInbox, mail

pytestmark = [pytest.mark.bar(5), pytest.mark.timeout(many(180, long=2400))]

WAITING = many(24, long=5000)
HOURS = [72, 336] if LONG else [72]
#: What the engine of the database has no part in is tried on one.
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
#: Of so many mails one tells of danger in words every rule table knows.
ONE_IN = 9


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the short form two dozen mails are a backlog; no loop of a browser test is in the way."""
    if not LONG:
        monkeypatch.setattr(engine, "ROUND", 8)
        monkeypatch.setattr(engine, "BATCH", 4)
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(left)


@pytest.fixture
def database(store_url: str, keys: Keys) -> Iterator[Any]:
    made = jobs_database(store_url, keys)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def served() -> Rooms:
    """The rooms that serve in the long form; doubles around the real parser in the short one."""
    return load_parts(PartsSettings(), registry(), {}).rooms if LONG else rooms()


def backlog() -> list[bytes]:
    """Return what came in meanwhile: real kinds and lengths, and danger here and there."""
    routine = [row for row in mixed(many(80, long=2500)) if row.urgency is Urgency.ROUTINE]
    rows = islice(cycle(routine), WAITING)
    bodies = [
        "I have chest pain and cannot breathe" if number % ONE_IN == 5 else row.body
        for number, row in enumerate(rows)
    ]
    return [mail(body, message_id=f"<{n}@example.org>") for n, body in enumerate(bodies)]


def arrive(server: DovecotServer, mails: list[bytes], hours: int) -> None:
    """Let mails come in over the last `hours`, as the server's own clock has it."""
    began, step = datetime.now(UTC) - timedelta(hours=hours), timedelta(hours=hours) / len(mails)
    with IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=60) as line:
        line.login(server.user, PASSWORD)
        for number, content in enumerate(mails):
            line.append("INBOX", content, msg_time=began + number * step)


def waiting(store: Store) -> set[str]:
    return {raw_id for _, raw_id in store.landing.waiting(limit=10 * WAITING)}


def flagged(store: Store, with_rooms: Rooms) -> set[str]:
    """Return the landed messages with a red flag that no classifier may rule out."""
    assert with_rooms.rules is not None
    raws = [store.landing.raw(one, clinic="c1", by="test") for one in sorted(waiting(store))]
    return {
        raw.id
        for raw in raws
        if not all(flag.weak for flag in with_rooms.rules.flags(with_rooms.parse(raw)))
    }


class Screen:
    """Looks after every batch whether all red flags are in the queue."""

    def __init__(self, store: Store, urgent: set[str], whole: int) -> None:
        self.store, self.urgent, self.whole = store, urgent, whole
        self.began = time.monotonic()
        #: When the last red flag was filed: after how many seconds, and how many others were.
        self.seconds, self.others = 0.0, -1

    def __call__(self, _: int) -> None:
        if self.others < 0 and not self.urgent & (left := waiting(self.store)):
            self.seconds = time.monotonic() - self.began
            self.others = self.whole - len(left) - len(self.urgent)
            top = Desk(self.store).queue.view(SECRETARY)
            assert {row.case.lane for row in top.rows[: len(self.urgent)]} == {Lane.URGENT}
            assert top.counts[Lane.URGENT] >= len(self.urgent)


def reconnect(
    store: Store, database: Any, with_rooms: Rooms, server: DovecotServer, hours: int
) -> Screen:
    """Let an outage pass and everything come in and be filed; return what was on screen when."""
    move_in(store)
    keeper = InboxKeeper(ImapInbox(server.settings, PASSWORD), store, clinic="c1", poll=0.0)
    server.append([mail("before the outage", message_id="<old@example.org>")])
    assert keeper.fetch() == 1
    jobs = Jobs(store, with_rooms, database)
    jobs.launch()
    assert jobs.drain() == 1
    keeper._inbox.close()
    arrive(server, backlog(), hours)
    began = time.monotonic()
    assert keeper.fetch() == WAITING
    fetched = time.monotonic() - began
    screen = Screen(store, flagged(store, with_rooms), WAITING)
    screen.began -= fetched
    assert len(screen.urgent) >= WAITING // ONE_IN
    assert jobs.drain(screen) == WAITING
    jobs.stop()
    keeper._inbox.close()
    assert waiting(store) == set()
    return screen


@pytest.mark.parametrize("hours", HOURS)
def test_all_come_in_and_every_red_flag_is_on_screen_first(
    store: Store,
    database: Any,
    served: Rooms,
    hours: int,
    record_property: Callable[[str, object], None],
) -> None:
    with DovecotServer() as server:
        screen = reconnect(store, database, served, server, hours)
    assert screen.others == 0
    assert sum(store.cases.counts(clinic="c1").values()) == WAITING + 1
    record_property("tried", WAITING)
    record_property("flagged", len(screen.urgent))
    record_property("seconds_until_all_flagged_are_on_screen", round(screen.seconds, 1))


@ON_SQLITE
def test_oracle_in_the_order_of_arrival_red_flags_wait(
    store: Store, database: Any, served: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ahead, "flagged", lambda *_, **__: iter(()))
    with DovecotServer() as server:
        screen = reconnect(store, database, served, server, 72)
    assert screen.others > WAITING // 2, "the sabotage must be seen to fail"


class Died(BaseException):
    """What a kill looks like from within."""


@ON_SQLITE
def test_a_worker_that_dies_in_the_first_look_loses_and_doubles_nothing(
    store: Store, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one message that kills it again and again is not looked at ahead any more."""
    # In either form a dozen is a backlog of several parts: who dies takes its own part along.
    monkeypatch.setattr(engine, "ROUND", 8)
    monkeypatch.setattr(engine, "BATCH", 4)
    move_in(store)
    mails = [mail_from(1, "poison"), *[mail_from(2, f"number {n}") for n in range(10)]]
    mails.append(mail_from(2, "I have chest pain"))
    land(MemoryInbox(mails), store, clinic="c1")
    looks = 0

    def poisoned(raw: RawMessage) -> Any:
        nonlocal looks
        if b"poison" in raw.content:
            looks += 1
            raise Died
        return parse(raw)

    for _ in range(LOOKS):
        jobs = Jobs(store, replace(rooms(), parse=poisoned), database)
        jobs.launch()
        with suppress(Died):
            jobs.sweep()
        jobs.stop()
    assert looks == LOOKS
    # The second look began with those the first had not come to, and found the red flag.
    assert store.cases.counts(clinic="c1")[Lane.URGENT] == 1
    jobs = Jobs(store, replace(rooms(), parse=poisoned), database)
    jobs.launch()
    assert list(jobs._ahead.flagged(jobs.rooms, at_once=4, at_most=8)) == [[]]
    assert looks == LOOKS
    jobs.rooms = rooms()
    assert jobs.drain() == len(mails) - 1
    jobs.stop()
    assert sum(store.cases.counts(clinic="c1").values()) == len(mails)


@ON_SQLITE
def test_filing_reads_nothing_again_that_the_first_look_read(
    store: Store, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was kept is not read again: not too much of it, and of these very rooms."""
    move_in(store)
    bodies = ["I have chest pain", "no sign", "no sign", "chest pain " + "and more " * 500]
    land(MemoryInbox([mail_from(1, bodies[n % 4]) for n in range(8)]), store, clinic="c1")
    monkeypatch.setattr(first_look, "KEPT", 2000)
    monkeypatch.setattr(engine, "ROUND", 8)
    read: list[bytes] = []

    def counted(raw: RawMessage) -> Message:
        read.append(raw.content)
        return parse(raw)

    jobs = Jobs(store, replace(rooms(), parse=counted), database)
    jobs.launch()
    assert jobs.drain() == 8
    jobs.stop()
    short = [content for content in read if b"I have chest pain" in content]
    long = [content for content in read if b"and more" in content]
    assert (len(short), len(long), len(read)) == (2, 4, 2 + 4 + 8)
    assert store.cases.counts(clinic="c1")[Lane.URGENT] == 4
    known = jobs._ahead.known(jobs.rooms)
    assert known is not jobs.rooms
    assert jobs._ahead.known(other := rooms()) is other


@ON_SQLITE
def test_weak_signs_come_after_all_were_looked_at(store: Store) -> None:
    class Weak:
        def flags(self, message: Message) -> tuple[Flag, ...]:
            found = Watch().flags(message)
            return tuple(replace(one, weak="perhaps" in message.body.reveal()) for one in found)

    move_in(store)
    bodies = ["chest pain perhaps", "nothing", "chest pain", "nothing", "chest pain", "chest pain"]
    land(MemoryInbox([mail_from(1, body) for body in bodies]), store, clinic="c1")
    ahead = Ahead(store, by="worker", clinic="c1")
    parts = list(ahead.flagged(replace(rooms(), rules=Weak()), at_once=1, at_most=2))
    order = [raw_id for _, raw_id in store.landing.waiting(limit=9)]
    assert [[order.index(raw_id) for _, raw_id in part] for part in parts] == [[], [2], [4, 5], [0]]


@ON_SQLITE
def test_a_first_look_that_cannot_be_had_holds_up_nothing(store: Store, database: Any) -> None:
    """Unreadable bytes, rules that fail or are missing: all are filed all the same."""
    move_in(store)

    class Failing:
        def flags(self, message: object) -> Any:
            raise RuntimeError

    def unwilling(raw: RawMessage) -> Any:
        raise RuntimeError

    land(MemoryInbox([mail_from(1, f"number {n}") for n in range(16)]), store, clinic="c1")
    ahead = Ahead(store, by="worker", clinic="c1")
    assert list(ahead.flagged(replace(rooms(), rules=None), at_once=4, at_most=8)) == []
    failing = ahead.flagged(replace(rooms(), rules=Failing()), at_once=4, at_most=8)
    assert [len(part) for part in failing] == [8, 8], "where rules fail nothing is harmless"
    unread = Ahead(store, by="worker", clinic="c1")
    assert list(unread.flagged(replace(rooms(), parse=unwilling), at_once=4, at_most=8)) == [[], []]
    jobs = Jobs(store, replace(rooms(), rules=Failing()), database)
    jobs.launch()
    assert jobs.drain() == 16
    jobs.stop()
