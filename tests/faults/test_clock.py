"""Safety-bar 14: whatever the clock does, nothing is lost, late, demoted or out of order.

The clock leaps an hour or a day either way, across both changes of daylight saving time, past
2038, or stands still, at points chosen by lot in a morning's work; time itself goes on. Both
engines. What counts time that passed is the steady clock; what writes moments is the other one.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.sizes import LONG, many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive, rooms
from triage.desk import Desk
from triage.desk.health import silent_at
from triage.domain import Alarm, Beat, Channel, Fault, Lane, OpeningHours, Protected
from triage.engine import Retention, SecondEye, Sender
from triage.engine.alarms import AlarmBook
from triage.engine.due import Due
from triage.engine.silence import Silences
from triage.engine.turns import Turns
from triage.engine.watching import write_sign
from triage.errors import Erased, NotSignedIn
from triage.pipeline import file, land
from triage.store import Keys, Store, open_life, open_store
from triage.store.backup_folder import DATA, KEYS, BackupFolder
from triage.store.life import LIVED
from triage.store.sessions import Sessions
from triage.store.wire import Turn
from triage.testing import MemoryInbox, MemoryOutbox

pytestmark = [pytest.mark.bar(14), pytest.mark.timeout(1200 if LONG else 170)]

POINTS = many(1, long=4)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNDO = 30.0
#: What the audit says of an answered case, in this order whatever the clock said.
ORDER = ("case.filed", "reply.approved", "reply.claimed", "reply.sent")
#: What happens to the clock -> where it is then.
LEAPS: dict[str, Callable[[datetime], datetime]] = {
    "an hour forward": lambda now: now + HOUR,
    "an hour back": lambda now: now - HOUR,
    "a day forward": lambda now: now + DAY,
    "a day back": lambda now: now - DAY,
    "into summer time": lambda _: datetime(2027, 3, 14, 9, 59, 50, tzinfo=UTC),
    "out of summer time": lambda _: datetime(2027, 11, 7, 8, 59, 50, tzinfo=UTC),
    "past 2038": lambda _: datetime(2038, 1, 19, 3, 14, 5, tzinfo=UTC),
    "stands still": lambda now: now,
}


class Times:
    """Time that passes, and a clock that says something else."""

    def __init__(self) -> None:
        self.steady, self.wall = 0.0, datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
        self.frozen = False

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        if not self.frozen:
            self.wall += timedelta(seconds=seconds)

    def leap(self, how: str) -> None:
        self.wall, self.frozen = LEAPS[how](self.wall), how == "stands still"

    def now(self) -> datetime:
        return self.wall


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def practice(store_url: str, keys: Keys, times: Times) -> Iterator[Store]:
    opened = open_store(store_url, keys, clock=times.now)
    move_in(opened)
    yield opened
    opened.close()


class Morning:
    """Mail comes in, is filed, answered and sent; the steps between which the clock may leap."""

    def __init__(self, store: Store, times: Times) -> None:
        self.store, self.times = store, times
        self.inbox, self.outbox = MemoryInbox(), MemoryOutbox()
        undo = timedelta(seconds=UNDO)
        self.desk = Desk(store, undo=undo, mail_domain="clinic.example", clock=times.now)
        ways = {Channel.EMAIL: self.outbox}
        self.sender = Sender(
            store, ways, master=MASTER, clock=times.now, steady=lambda: times.steady
        )
        self.urgent: list[str] = []
        self.cases: list[str] = []
        self.approved: dict[str, float] = {}

    def steps(self, number: int) -> Iterator[Callable[[], object]]:
        """Yield what is done with one more pair of mails."""
        plain = f"refill number {number}"
        loud = f"chest pain since {number} o'clock"
        cases: list[str] = []
        yield lambda: self.inbox.mails.extend([mail_from(1, plain), mail_from(2, loud)])
        yield lambda: land(self.inbox, self.store, clinic="c1")
        yield lambda: cases.extend(self.file())
        yield lambda: self.answer(cases[0])
        yield lambda: self.sender.once()

    def file(self) -> list[str]:
        waiting = [raw for _, raw in self.store.landing.waiting(limit=99)]
        cases = file(waiting, rooms(), self.store, clinic="c1", by="worker")
        self.urgent.append(cases[1])
        self.cases += cases
        return cases

    def answer(self, case_id: str) -> None:
        reply_id = approve(self.desk, case_id)
        self.sender.once()
        self.approved[reply_id] = self.times.steady

    def wait_for_replies(self) -> None:
        """Let a minute pass: no reply leaves before its undo window passed, each within 60 s."""
        for seconds in (13.0, 13.0, 10.0, 25.0, 25.0):
            sent = {name.strip("<>").partition("@")[0] for name, _ in self.outbox.sent}
            early = {one for one in sent if self.times.steady - self.approved[one] < UNDO}
            assert not early, "a leap cut the undo window short"
            self.times.pass_by(seconds)
            self.sender.once()
        assert len(self.outbox.sent) == len(self.approved), "a reply left more than 60 s late"


def test_nothing_is_lost_late_demoted_or_out_of_order(
    practice: Store,
    times: Times,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", POINTS * len(LEAPS))
    seed = random.randrange(10**6)
    chance, morning = random.Random(seed), Morning(practice, times)
    for number, how in enumerate([*LEAPS] * POINTS):
        point = chance.randrange(5)
        for place, step in enumerate(morning.steps(number)):
            step()
            times.pass_by(1.0)
            if place == point:
                times.leap(how)
        morning.wait_for_replies()
        times.frozen = False
    mails = [
        message
        for case_id in morning.cases
        for message in practice.cases.get(case_id, clinic="c1", by="t").messages
    ]
    assert len(mails) == len(morning.inbox.mails), f"seed {seed}"
    assert practice.landing.waiting(limit=9) == []
    assert len(morning.outbox.sent) == len(morning.approved), f"seed {seed}"
    rows = morning.desk.queue.view(SECRETARY).rows
    assert rows[0].case.lane is Lane.URGENT
    assert {row.case.id for row in rows if row.case.lane is Lane.URGENT} == set(morning.urgent)
    assert practice.audit.verify().holds
    for case_id in morning.cases[::2]:
        told = practice.audit.events(clinic="c1", by="t", case_id=case_id, limit=99)
        did = [event.action for event in reversed(told) if event.action in ORDER]
        assert did == list(ORDER), f"seed {seed}"


def test_oracle_whoever_believes_the_clock_sends_late_and_too_early() -> None:
    """The sabotage: a turn that comes when the clock says so, as it was before."""

    def believes(queued: Sequence[Turn], *, now: datetime, steady: float) -> list[Turn]:
        return [turn for turn in queued if turn.not_before <= now]

    def sent_at(rule: Callable[..., list[Turn]], how: str) -> float:
        times = Times()
        turn = Turn("c1", "r1", times.now() + timedelta(seconds=UNDO), timedelta(seconds=UNDO))
        rule([turn], now=times.wall, steady=times.steady)
        times.leap(how)
        while not rule([turn], now=times.wall, steady=times.steady) and times.steady < 7200:
            times.pass_by(1.0)
        return times.steady

    for how in LEAPS:
        assert sent_at(Turns().due, how) == UNDO
    assert sent_at(believes, "an hour back") > 60 + UNDO
    assert sent_at(believes, "stands still") > 60 + UNDO
    assert sent_at(believes, "an hour forward") == 0.0


def test_a_sender_that_starts_after_the_clock_was_set_back_waits_no_longer_than_the_window() -> (
    None
):
    times, turns = Times(), Turns()
    window = timedelta(seconds=UNDO)
    turn = Turn("c1", "r1", times.now() + window, window)
    times.leap("a day back")
    assert turns.due([turn], now=times.wall, steady=times.steady) == []
    times.pass_by(UNDO)
    assert turns.due([turn], now=times.wall, steady=times.steady) == [turn]


def test_no_death_is_hidden_and_none_invented() -> None:
    """While everybody beats nobody is silent; who stops is silent, wherever the clock goes."""
    for how in LEAPS:
        times = Times()
        silences = Silences(now=times.wall, steady=times.steady)
        for turn in range(40):
            if turn == 10:
                times.leap(how)
            beats = {"web": Beat("web", times.wall + timedelta(microseconds=turn))}
            if turn < 20:
                beats["worker"] = Beat("worker", times.wall + timedelta(microseconds=turn))
            silences.hear(beats, steady=times.steady)
            times.pass_by(10.0)
            leapt = silences.leapt(times.wall, steady=times.steady)
        longest = timedelta(seconds=60)
        assert (
            silences.of("web", steady=times.steady)
            < longest
            < silences.of("worker", steady=times.steady)
        )
        assert leapt, how
    steady = Times()
    calm = Silences(now=steady.wall, steady=steady.steady)
    for _ in range(500):
        steady.pass_by(10.0)
        # A clock that is put right by a little every now and then.
        steady.wall += timedelta(milliseconds=300)
        assert not calm.leapt(steady.wall, steady=steady.steady)


def test_what_is_due_comes_however_the_clock_was_set() -> None:
    for back in (HOUR, DAY, 400 * DAY):
        due, now = Due(), datetime(2026, 11, 2, tzinfo=UTC)
        assert due.now(now)
        due.again(now, HOUR)
        assert not due.now(now + HOUR / 2)
        assert due.now(now + HOUR)
        assert due.now(now - back)


def test_an_alarm_of_a_time_that_was_taken_back_ends_and_is_told_again() -> None:
    book, now = AlarmBook("c1"), datetime(2026, 11, 2, 12, tzinfo=UTC)
    alarm = Alarm(Fault.DATABASE)
    first = book.notice([alarm], now)
    assert first is not None
    book.told(first)
    now -= DAY
    later = book.notice([alarm], now + timedelta(minutes=31))
    assert later is None or later.alarms
    ended = book.notice([], now + timedelta(hours=2))
    assert ended is not None
    assert ended.ended == (alarm,)


def test_a_session_of_a_time_that_was_taken_back_is_over(store: Store) -> None:
    move_in(store)
    now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    token = Sessions(store.transactions).open_session("u-sec", now=now)
    assert (
        Sessions(store.transactions).session(token, now=now + timedelta(minutes=5)).user.id
        == "u-sec"
    )
    for leap in (-HOUR, -DAY, HOUR, DAY):
        with pytest.raises(NotSignedIn):
            Sessions(store.transactions).session(
                token, now=now + timedelta(minutes=5) + leap, watching=True
            )


def test_a_claim_of_a_time_that_was_taken_back_holds_nobody_up(store: Store) -> None:
    move_in(store)
    (case_id,) = receive(store, mail_from(1, "refill"))
    now = store.transactions.clock()
    store.cases.claim(case_id, clinic="c1", by="u-sec", now=now)
    store.cases.claim(case_id, clinic="c1", by="u-nur", now=now - HOUR)


def test_a_year_that_nobody_lived_through_erases_nothing(
    store_url: str, keys: Keys, times: Times, tmp_path: Path
) -> None:
    """The clock leaps a year: nothing goes until messages came in on five days of the new one."""
    store = open_store(store_url, keys, clock=times.now)
    move_in(store)
    (old,) = receive(store, mail_from(1, "refill"))
    for request in store.cases.get(old, clinic="c1", by="t").case.requests:
        store.cases.tick(old, request.id, clinic="c1", by="t")
    store.cases.close(old, "done", Protected(""), clinic="c1", by="t")
    retention = Retention(
        lambda: open_life(store_url, keys, store, lists=[tmp_path / "list"]),
        100 * DAY,
        clinic="c1",
        clock=times.now,
    )
    times.wall += 365 * DAY
    for day in range(LIVED):
        retention.once()
        assert store.cases.get(old, clinic="c1", by="t").messages, "erased for a clock that leapt"
        assert retention.notes() == {"clock_leapt"}
        receive(store, mail_from(2, f"hello {day}"))
        times.wall += DAY
    retention.once()
    with pytest.raises(Erased):
        store.cases.get(old, clinic="c1", by="t")
    assert retention.notes() == frozenset()
    store.close()


def made(folder: BackupFolder, moment: datetime) -> None:
    folder.make()
    folder.prune(moment, spare=True)
    moment = folder.begin(moment)
    for kind in (DATA, KEYS):
        folder.file(kind, moment).touch()
    folder.prune(moment)


def test_a_leap_of_a_year_drops_no_backup_and_leaves_no_stale_keys_on_top(tmp_path: Path) -> None:
    folder, now = BackupFolder(tmp_path), datetime(2026, 11, 2, tzinfo=UTC)
    for _ in range(24 * 4):
        made(folder, now)
        now += HOUR
    before = folder.moments(DATA)
    made(folder, now + 365 * DAY)
    assert len(folder.moments(DATA)) >= len(before) - 46, "two days of hours are thinned out"
    assert set(folder.moments(DATA)) >= {day for day in before if day < now - 3 * DAY}
    # The clock is put right: what is made now is the newest, not what says next year.
    made(folder, now)
    assert folder.newest() == now
    assert folder.pair() == (folder.file(DATA, now), folder.file(KEYS, now))
    # And what ran ahead grows old like any other.
    for _ in range(4 * 8):
        now += 6 * HOUR
        made(folder, now)
    assert max(folder.moments(KEYS)) == now


def test_a_web_page_knows_a_sign_of_life_from_the_future_for_none() -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    assert not silent_at(now - timedelta(seconds=30), now)
    for leap in (HOUR, -HOUR, DAY, -DAY):
        assert silent_at(now + leap, now)


def test_the_second_eye_believes_no_file_from_the_future(tmp_path: Path) -> None:
    times = Times()
    eye = SecondEye("c1", tmp_path / "alive", [], clock=times.now)
    write_sign(tmp_path / "alive", times.wall)
    assert eye.once() is None
    times.leap("an hour back")
    notice = eye.once()
    assert notice is not None
    assert [alarm.fault for alarm, _ in notice.alarms] == [Fault.PROCESS_SILENT]
    write_sign(tmp_path / "alive", times.wall)
    times.pass_by(90)
    write_sign(tmp_path / "alive", times.wall)
    assert eye.once() is not None


def test_opening_hours_count_each_hour_once_when_summer_time_comes_and_goes() -> None:
    zone = ZoneInfo("America/New_York")
    hours = OpeningHours({day: (time(0), time(23, 59)) for day in range(7)}, zone)
    for start in (datetime(2027, 3, 14, 5, tzinfo=UTC), datetime(2027, 11, 7, 4, tzinfo=UTC)):
        for end in range(1, 20):
            counted = hours.between(start, start + end * HOUR)
            assert abs(counted - end * HOUR) <= HOUR, (start, end)
