"""The durable engine: everything landed is filed once, and a poison message holds up nobody."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from tests.small_practice import SECRETARY, mail_from, rooms
from triage.desk import Desk
from triage.domain import Lane, Mark, RawMessage
from triage.engine import InboxKeeper, Jobs, Worker
from triage.engine import jobs as engine
from triage.engine.ahead import SILENT, Ahead
from triage.engine.jobs import GIVE_UP_AFTER, batch_id
from triage.errors import InboxUnreachable
from triage.parsing import parse
from triage.pipeline import Rooms, land
from triage.store import Keys, Store, jobs_database
from triage.testing import MemoryInbox


@pytest.fixture
def database(store_url: str, keys: Keys) -> Iterator[Any]:
    engine = jobs_database(store_url, keys)
    yield engine
    engine.dispose()


def launched(store: Store, database: Any, with_rooms: Rooms) -> Jobs:
    jobs = Jobs(store, with_rooms, database)
    jobs.launch()
    return jobs


def cases(store: Store) -> int:
    return sum(store.cases.counts(clinic="c1").values())


def test_everything_landed_is_filed_once(practice: Store, database: Any) -> None:
    inbox = MemoryInbox([mail_from(1, f"number {n}") for n in range(70)])
    land(inbox, practice, clinic="c1")
    jobs = launched(practice, database, rooms())
    assert jobs.drain() == 70
    assert jobs.sweep() == 0
    jobs.stop()
    assert cases(practice) == 70


def test_a_message_that_kills_its_batch_is_shown_unread(practice: Store, database: Any) -> None:
    def poisoned(raw: RawMessage) -> Any:
        if b"poison" in raw.content:
            raise RuntimeError("nothing should raise here, but something did")
        return parse(raw)

    mails = [mail_from(1, "poison"), *[mail_from(2, f"number {n}") for n in range(5)]]
    land(MemoryInbox(mails), practice, clinic="c1")
    jobs = launched(practice, database, replace(rooms(), parse=poisoned))
    for _ in range(GIVE_UP_AFTER + 1):
        jobs.drain()
    jobs.stop()
    rows = Desk(practice).queue.view(SECRETARY).rows
    assert len(rows) == 6
    assert rows[0].case.lane is Lane.UNREADABLE
    assert Mark.NOT_READ in rows[0].case.marks


def test_a_long_look_ahead_gives_signs_of_life_and_files_danger_batch_by_batch(
    practice: Store, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty hard mails are before a second cry for help; the first is not kept waiting by them."""
    monkeypatch.setattr(engine, "ROUND", 16)
    monkeypatch.setattr(engine, "BATCH", 4)
    now, silent, looked, longest = 0.0, 0.0, 0, 0.0

    def slow(raw: RawMessage) -> Any:
        nonlocal now, silent, looked
        now, silent, looked = now + 3.0, silent + 3.0, looked + 1
        if b"hard" in raw.content:
            raise RuntimeError("too hard")
        return parse(raw)

    help_at: list[int] = []

    def progress(count: int) -> None:
        nonlocal silent, longest
        # Only as far as the look ahead goes.
        longest, silent = longest if len(help_at) == 2 else max(longest, silent), 0.0
        if count and len(help_at) < 2:
            help_at.append(looked)

    cry = "I have chest pain"
    mails = [mail_from(1, cry), *[mail_from(2, f"hard {n}") for n in range(13)], mail_from(1, cry)]
    land(MemoryInbox([*mails, mail_from(2, "nothing")]), practice, clinic="c1")
    jobs = launched(practice, database, replace(rooms(), parse=slow))
    jobs._ahead = Ahead(practice, by="worker", clinic="c1", ticks=lambda: now)
    jobs.sweep(progress)
    jobs.stop()
    assert help_at[0] <= 8, "filed after its batch, with one more look for reading it"
    assert longest <= SILENT + 3.0


def test_a_batch_begun_by_a_dead_worker_is_finished(practice: Store, database: Any) -> None:
    land(MemoryInbox([mail_from(1, "refill")]), practice, clinic="c1")

    class Died(BaseException):
        pass

    def dying(raw: RawMessage) -> Any:
        raise Died

    first = launched(practice, database, replace(rooms(), parse=dying))
    with suppress(Died):
        first.sweep()
    first.stop()
    assert cases(practice) == 0
    second = launched(practice, database, rooms())
    second.drain()
    second.stop()
    assert cases(practice) == 1


def test_answers_are_filed_after_what_they_answer_whatever_died(
    practice: Store, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker died with the first batch; the answers that came later do not overtake it."""
    monkeypatch.setattr("triage.engine.jobs.BATCH", 4)
    first = [mail_from(1, f"question {n}", message_id=f"<q{n}@example.org>") for n in range(8)]
    land(MemoryInbox(first), practice, clinic="c1")
    for _, raw_id in practice.landing.waiting(limit=4):
        practice.landing.attempt([raw_id], clinic="c1")
    answers = [
        mail_from(
            1,
            f"more on {n}",
            message_id=f"<a{n}@x.org>",
            headers=f"In-Reply-To: <q{n}@example.org>\r\n",
        )
        for n in range(8)
    ]
    land(MemoryInbox(answers, name="other"), practice, clinic="c1")
    jobs = launched(practice, database, rooms())
    jobs.drain()
    jobs.stop()
    assert cases(practice) == len(first), "an answer became a case of its own"


CANARY = "Zebulon Quillfeather"


def test_a_failing_step_leaves_no_text_in_log_or_jobs_database(
    practice: Store, database: Any, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    def leaking(raw: RawMessage) -> Any:
        raise ValueError(f"cannot read {CANARY}")

    land(MemoryInbox([mail_from(1, CANARY)]), practice, clinic="c1")
    jobs = launched(practice, database, replace(rooms(), parse=leaking))
    jobs.sweep()
    jobs.stop()
    printed = capfd.readouterr()
    assert CANARY not in caplog.text + printed.out + printed.err
    with database.connect() as connection:
        tables = ("operation_outputs", "workflow_status")
        schema = "dbos." if database.dialect.name == "postgresql" else ""
        kept = [connection.exec_driver_sql(f"SELECT * FROM {schema}{t}").all() for t in tables]
    assert CANARY not in repr(kept)


def test_a_message_beside_a_failing_one_is_read_in_full(practice: Store, database: Any) -> None:
    def poisoned(raw: RawMessage) -> Any:
        if b"poison" in raw.content:
            raise RuntimeError
        return parse(raw)

    inbox = MemoryInbox([mail_from(1, "poison")])
    land(inbox, practice, clinic="c1")
    jobs = launched(practice, database, replace(rooms(), parse=poisoned))
    for _ in range(GIVE_UP_AFTER - 1):
        jobs.sweep()
    inbox.mails.append(mail_from(2, "I have chest pain now"))
    land(inbox, practice, clinic="c1")
    jobs.sweep()
    jobs.stop()
    top = Desk(practice).queue.view(SECRETARY).rows[0].case
    assert (top.lane, top.patient_id) == (Lane.URGENT, "p2")


def test_the_same_messages_always_have_the_same_batch_id() -> None:
    assert batch_id(["a", "b"], 1) == batch_id(["a", "b"], 1)
    assert batch_id(["a", "b"], 1) != batch_id(["ab"], 1)


class Unreachable(MemoryInbox):
    """An inbox whose server never answers."""

    def deliveries(self, cursors: Any) -> Any:
        raise InboxUnreachable("inbox far")


def test_one_dead_inbox_does_not_hold_up_the_others(practice: Store, database: Any) -> None:
    bell, stop = Event(), Event()
    good = MemoryInbox([mail_from(1, "refill")], name="good")
    keepers = [
        InboxKeeper(inbox, practice, clinic="c1", landed=bell.set)
        for inbox in (Unreachable(name="far"), good)
    ]
    assert [keeper.once() for keeper in keepers] == [False, True]
    jobs = launched(practice, database, rooms())
    Worker(practice, jobs, keepers, bell).once()
    jobs.stop()
    stop.set()
    assert cases(practice) == 1
    texts = [banner.text for banner in Desk(practice).queue.view(SECRETARY).banners]
    assert any("inbox cannot be reached" in text for text in texts)


def test_a_message_in_no_queue_raises_an_alarm(practice: Store) -> None:
    land(MemoryInbox([mail_from(1, "refill")]), practice, clinic="c1")
    later = datetime.now(UTC) + timedelta(minutes=3)
    texts = [b.text for b in Desk(practice, clock=lambda: later).queue.view(SECRETARY).banners]
    assert any("not in the queue yet" in text for text in texts)
