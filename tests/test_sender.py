"""The sender and the doors: one that fails stops no other, and a late note still arrives."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from tests.servers import free_port
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, move_in, receive
from triage.desk import Desk
from triage.domain import Approval, Channel, Outgoing, Protected, ReplyState
from triage.engine import Sender, sending
from triage.engine.sending import LONGEST_SEND, REOPEN, SLOW
from triage.engine.turns import DEAD
from triage.errors import ChangedUnderneath, StoreLocked, StoreRefused, TriageError
from triage.store import Store
from triage.testing import MemoryOutbox
from triage.wiring import House

pytestmark = pytest.mark.bar(21)


@pytest.fixture
def desk(store: Store) -> Desk:
    move_in(store)
    return Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")


def sender(store: Store, outbox: MemoryOutbox) -> Sender:
    return Sender(store, {Channel.EMAIL: outbox}, master=MASTER)


def test_one_reply_that_fails_stops_no_other(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        approve(desk, case_id)
        for case_id in receive(store, mail_from(1, "refill"), mail_from(2, "refill"))
    )
    claim = store.replies.claim

    def broken(reply_id: str, **named: str) -> object:
        if reply_id == first:
            raise ValueError("nothing should raise here, but something did")
        return claim(reply_id, **named)

    monkeypatch.setattr(store.replies, "claim", broken)
    outbox = MemoryOutbox()
    assert sender(store, outbox).once() == 2
    assert [message_id for message_id, _ in outbox.sent] == [f"<{second}@clinic.example>"]
    assert any(beat.process == "sender" for beat in store.beats.all())


def test_one_reply_that_cannot_be_settled_stops_no_other(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = receive(store, mail_from(1, "refill"), mail_from(2, "refill"))
    first, second = (approve(desk, case_id) for case_id in cases)
    assert store.replies.claim(first, clinic="c1", by="sender")
    settle = store.replies.settle

    def broken(reply_id: str, *arguments: object, **named: object) -> None:
        if reply_id == first:
            raise ValueError("its key is gone")
        settle(reply_id, *arguments, **named)  # type: ignore[arg-type]  # Passed on as they came.

    monkeypatch.setattr(store.replies, "settle", broken)
    seconds, outbox = [0.0], MemoryOutbox()
    again = Sender(store, {Channel.EMAIL: outbox}, master=MASTER, steady=lambda: seconds[0])
    assert again.recover(datetime.max.replace(tzinfo=UTC)) == 0
    again.hold()
    seconds[0] = DEAD
    assert again.once() == len(outbox.sent) == 1
    assert desk.replies.status(SECRETARY, second).state is ReplyState.SENT


def test_a_locked_store_only_delays_the_note_that_a_reply_left(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id, outbox, settle = approve(desk, case_id), MemoryOutbox(), store.replies.settle
    locked = [StoreLocked("x"), StoreLocked("x")]

    def busy(*arguments: object, **named: object) -> None:
        if locked:
            raise locked.pop()
        settle(*arguments, **named)  # type: ignore[arg-type]  # Passed on as they came.

    monkeypatch.setattr(store.replies, "settle", busy)
    monkeypatch.setattr("triage.pipeline.time.sleep", lambda seconds: None)
    sender(store, outbox).once()
    assert len(outbox.sent) == 1
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.SENT


@pytest.mark.parametrize("refuses", [StoreRefused("restarted"), StoreLocked("busy")])
def test_what_became_of_a_reply_is_kept_however_long_the_store_refuses(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch, refuses: TriageError
) -> None:
    """The server said yes and the database is being restarted: the yes is not thrown away."""
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id, outbox, settle = approve(desk, case_id), MemoryOutbox(), store.replies.settle
    rests: list[float] = []

    def down(*arguments: object, **named: object) -> None:
        if sum(rests) < 200:
            raise refuses
        settle(*arguments, **named)  # type: ignore[arg-type]  # Passed on as they came.

    def rest(seconds: float) -> bool:
        # Whoever rests has the reply, and says so; so nobody doubts it.
        assert made._lines.mine(steady=0.0) == {reply_id}
        return rests.append(seconds) is not None

    monkeypatch.setattr(store.replies, "settle", down)
    made = Sender(store, {Channel.EMAIL: outbox}, master=MASTER, steady=lambda: 0.0)
    monkeypatch.setattr(made._stop, "wait", rest)
    made.once()
    reply = store.replies.get(reply_id, clinic="c1", by="test")
    assert (reply.state, bool(reply.receipt)) == (ReplyState.SENT, True)
    assert len(outbox.sent) == 1
    assert rests == sorted(rests)


def test_a_reply_that_somebody_settled_meanwhile_is_settled_no_second_time(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    approve(desk, case_id)
    tried: list[object] = []

    def gone(*arguments: object, **_: object) -> None:
        tried.append(arguments)
        raise ChangedUnderneath("reply")

    monkeypatch.setattr(store.replies, "settle", gone)
    sender(store, MemoryOutbox()).once()
    assert len(tried) == 1


class Stuck(MemoryOutbox):
    """An outbox that does not come back from its first reply until it is let."""

    def __init__(self, channel: Channel = Channel.EMAIL) -> None:
        super().__init__(channel)
        self.free, self.taken = Event(), Event()

    def send(self, approval: Approval, outgoing: Outgoing, *, message_id: str) -> str:
        if not self.taken.is_set():
            self.taken.set()
            assert self.free.wait(20)
        return super().send(approval, outgoing, message_id=message_id)


@contextmanager
def running(made: Sender) -> Iterator[Event]:
    """Let a sender do what it does all day."""
    stop = Event()
    thread = Thread(target=made.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive(), "a sender that is asked to stop stops"


def until(true: Callable[[], bool]) -> None:
    end = monotonic() + 10
    while not true():
        assert monotonic() < end
        sleep(0.01)


@pytest.mark.bar(20)
def test_one_slow_line_holds_up_neither_other_replies_nor_the_sign_of_life(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DISPATCH", 0.01)
    monkeypatch.setattr(sending, "LINES", 2)
    cases = receive(store, *(mail_from(1 + n % 2, f"refill {n}") for n in range(3)))
    first, outbox = approve(desk, cases[0]), Stuck()
    claim, claimed = store.replies.claim, Counter[str]()

    def counted(reply_id: str, **named: object) -> object:
        claimed[reply_id] += 1
        return claim(reply_id, **named)  # type: ignore[arg-type]  # Passed on as they came.

    def beat() -> datetime:
        return next(one.at for one in store.beats.all() if one.process == "sender")

    def state(reply_id: str) -> ReplyState:
        return desk.replies.status(SECRETARY, reply_id).state

    monkeypatch.setattr(store.replies, "claim", counted)
    with running(Sender(store, {Channel.EMAIL: outbox}, master=MASTER)):
        assert outbox.taken.wait(10)
        others = [approve(desk, case_id) for case_id in cases[1:]]
        until(lambda: {state(one) for one in others} == {ReplyState.SENT})
        seen = beat()
        until(lambda: beat() > seen)
        assert state(first) is ReplyState.SENDING
        outbox.free.set()
        until(lambda: state(first) is ReplyState.SENT)
    assert claimed == Counter([first, *others]), "none was begun a second time"
    assert len(outbox.sent) == 3


def test_a_mail_server_that_hangs_holds_up_no_portal_and_nothing_that_waits_is_begun_twice(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LINES", 1)
    cases = receive(store, *(mail_from(1 + n % 2, f"refill {n}") for n in range(3)))
    mail, portal, seconds = Stuck(), MemoryOutbox(Channel.PORTAL), [0.0]
    replies = [approve(desk, case_id) for case_id in cases[:2]]
    desk.queue.link(SECRETARY, cases[2], patient_id="p1", contact_id="p1-portal")
    ways = {Channel.EMAIL: mail, Channel.PORTAL: portal}
    made = Sender(store, ways, master=MASTER, steady=lambda: seconds[0])
    assert made._round(to_the_end=False) == 2
    assert mail.taken.wait(10)
    replies.append(approve(desk, cases[2]))
    # The second mail waits for the one line; no round hands it over again.
    assert [made._round(to_the_end=False) for _ in range(3)] == [1, 0, 0]
    until(lambda: len(portal.sent) == 1)
    assert not any(notes(store))
    seconds[0] = SLOW + 1
    made._round(to_the_end=False)
    assert notes(store) == ("outbox_failing",), "and somebody is told"
    mail.free.set()
    made._end()
    assert len(mail.sent) == 1, "what has not begun when a sender ends does not begin"
    assert desk.replies.status(SECRETARY, replies[1]).state is ReplyState.QUEUED


def test_a_sender_that_dies_leaves_nothing_running_behind_it(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LINES", 1)
    cases = receive(store, *(mail_from(1 + n % 2, f"refill {n}") for n in range(3)))
    replies, tried = [approve(desk, case_id) for case_id in cases], list[str]()

    class Died(BaseException):
        pass

    def dies(reply_id: str, **_: object) -> None:
        tried.append(reply_id)
        sleep(0.05)
        raise Died

    monkeypatch.setattr(store.replies, "claim", dies)
    made = sender(store, MemoryOutbox())
    with pytest.raises(Died):
        made.once()
    sleep(0.1)
    # The line may have taken up the next one at that very moment, and no more.
    assert tried in (replies[:1], replies[:2])
    assert not made._begun


def test_a_sender_that_is_asked_to_stop_does_not_wait_for_the_store(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    approve(desk, case_id)
    tried = Event()

    def down(*_: object, **__: object) -> None:
        tried.set()
        raise StoreRefused("gone")

    monkeypatch.setattr(store.replies, "settle", down)
    with running(sender(store, MemoryOutbox())):
        assert tried.wait(10)
        sleep(0.2)


def notes(store: Store) -> tuple[str, ...]:
    (beat,) = (beat for beat in store.beats.all() if beat.process == "sender")
    return beat.notes


def test_a_reply_left_on_the_wire_comes_back_without_a_restart(store: Store, desk: Desk) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id, outbox = approve(desk, case_id), MemoryOutbox()
    assert store.replies.claim(reply_id, clinic="c1", by="sender")
    seconds = [0.0]
    ways = {Channel.EMAIL: outbox}
    second = Sender(store, ways, master=MASTER, steady=lambda: seconds[0])
    for seconds[0] in (0.0, 30.0):
        second.once()
        assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.SENDING
    seconds[0] = 50.0
    second.once()
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.UNCERTAIN
    assert outbox.sent == []


@pytest.mark.bar(20)
def test_a_reply_whose_sender_lives_is_left_alone(store: Store, desk: Desk) -> None:
    """A server that is slow for minutes makes nobody doubt, while its sender says that it lives."""
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id, seconds, states = approve(desk, case_id), [0.0], list[ReplyState]()

    class Slow(MemoryOutbox):
        def send(self, *given: object, **named: object) -> str:
            for seconds[0] in range(0, 300, 5):
                first.hold()
                second.once()
                states.append(desk.replies.status(SECRETARY, reply_id).state)
            return super().send(*given, **named)  # type: ignore[arg-type]  # Whatever the outbox is given, passed on.

    outbox = Slow()
    first, second = (
        Sender(store, {Channel.EMAIL: outbox}, master=MASTER, steady=lambda: seconds[0])
        for _ in range(2)
    )
    first.once()
    assert set(states) == {ReplyState.SENDING}
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.SENT
    assert len(outbox.sent) == 1


@pytest.mark.bar(20)
def test_a_sender_that_hangs_too_long_is_given_up_and_sends_nothing_twice(
    store: Store, desk: Desk
) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    reply_id, seconds = approve(desk, case_id), [0.0]

    class Hangs(MemoryOutbox):
        def send(self, *given: object, **named: object) -> str:
            receipt = super().send(*given, **named)  # type: ignore[arg-type]  # Whatever the outbox is given, passed on.
            for seconds[0] in (0.0, LONGEST_SEND, LONGEST_SEND + DEAD):
                first.hold()
                second.once()
            return receipt

    outbox = Hangs()
    first, second = (
        Sender(store, {Channel.EMAIL: outbox}, master=MASTER, steady=lambda: seconds[0])
        for _ in range(2)
    )
    first.once()
    second.once()
    # It did leave, and nobody can know: a person looks, and it is not sent again.
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.UNCERTAIN
    assert len(outbox.sent) == 1


def test_a_mail_answered_on_the_portal_refers_to_no_mail(store: Store, desk: Desk) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    desk.queue.link(SECRETARY, case_id, patient_id="p1", contact_id="p1-portal")
    draft = desk.replies.save(SECRETARY, case_id, subject=Protected("Re"), body=Protected("Yes."))
    assert draft.outgoing.channel is Channel.PORTAL
    assert not draft.outgoing.in_reply_to


def test_one_bad_door_leaves_the_others_open(tmp_path: Path, store: Store) -> None:
    doors = (
        '[[outbox]]\nname = "bad"\nkind = "smtp"\nchannel = "email"\nhost = "x"\nsendre = "y"\n'
        '[[outbox]]\nname = "good"\nkind = "fhir"\nchannel = "portal"\n'
        'auth = "none"\nbase_url = "http://127.0.0.1:9/fhir"\n'
    )
    (tmp_path / "triage.toml").write_text('[clinic]\nid = "c1"\nname = "C"\n' + doors)
    (tmp_path / "approval.key").write_text(MASTER.hex())
    move_in(store)
    made = House.at(tmp_path).sender(store)
    made.once()
    assert notes(store) == ("outbox_failing",)


def test_what_would_leave_by_a_door_that_cannot_be_opened_waits_until_it_can(
    tmp_path: Path, store: Store, desk: Desk
) -> None:
    """A file of authorities is not there yet; the portal was never set up."""
    mails = (
        '[[outbox]]\nname = "mails"\nkind = "smtp"\nchannel = "email"\nhost = "127.0.0.1"\n'
        f'port = {free_port()}\nsecurity = "tls"\nsender = "desk@clinic.example"\n'
        f'ca_file = "{tmp_path}/ca.pem"\n'
    )
    (tmp_path / "triage.toml").write_text('[clinic]\nid = "c1"\nname = "C"\n' + mails)
    (tmp_path / "approval.key").write_text(MASTER.hex())
    by_mail, by_portal = receive(store, mail_from(1, "refill"), mail_from(2, "refill"))
    desk.queue.link(SECRETARY, by_portal, patient_id="p2", contact_id="p2-portal")
    waits, never = approve(desk, by_mail), approve(desk, by_portal)
    made, seconds = House.at(tmp_path).sender(store), [0.0]
    made._steady, made._open_due = lambda: seconds[0], REOPEN

    def state(reply_id: str) -> ReplyState:
        return desk.replies.status(SECRETARY, reply_id).state

    for seconds[0] in (0.0, 100.0, 3600.0):
        made.once()
        assert state(waits) is ReplyState.QUEUED
        assert notes(store) == ("outbox_failing",)
    reply = store.replies.get(never, clinic="c1", by="test")
    assert (reply.state, reply.why.reveal()) == (ReplyState.FAILED, "no_outbox")
    outbox = MemoryOutbox()
    made._shut[Channel.EMAIL] = lambda: outbox
    for seconds[0] in (3610.0, 3700.0):
        assert outbox.sent == []
        made.once()
    assert state(waits) is ReplyState.SENT
    assert len(outbox.sent) == 1
    assert notes(store) == ()


def test_a_door_that_breaks_while_it_is_opened_keeps_no_other_shut(
    store: Store, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (case_id,) = receive(store, mail_from(1, "refill"))
    waits, outbox, seconds = approve(desk, case_id), MemoryOutbox(), [0.0]

    def breaks() -> MemoryOutbox:
        raise OSError("the disk of the keyring")

    shut = {Channel.PORTAL: breaks, Channel.EMAIL: lambda: outbox}
    made = Sender(store, {}, master=MASTER, shut=shut, steady=lambda: seconds[0])
    seconds[0] = REOPEN
    made.once()
    assert desk.replies.status(SECRETARY, waits).state is ReplyState.SENT
    assert notes(store) == ("outbox_failing",), "the other is still shut"
    assert "the way out portal is still shut: OSError" in caplog.text


def test_a_promoted_model_serves_without_a_restart(tmp_path: Path, store: Store) -> None:
    (tmp_path / "triage.toml").write_text(
        '[clinic]\nid = "c1"\nname = "C"\n[parts]\nredactor = "withhold"\n'
    )
    house = House.at(tmp_path)
    move_in(store)
    refresh = house._refresher(store, ["inbox_failing"])
    assert refresh() is None
    shipped = house.registry().get("router-3")
    copy = house.registry().candidates / "router-copy"
    copytree(shipped.folder, copy)
    house.registry().promote("router-copy")
    fresh = refresh()
    assert fresh is not None
    assert fresh[0].classifier.name == "router-copy"
    assert list(fresh[1]) == ["inbox_failing"]
    assert refresh() is None


def test_a_new_promise_is_taken_up_without_a_restart(tmp_path: Path, store: Store) -> None:
    (tmp_path / "triage.toml").write_text(
        '[clinic]\nid = "c1"\nname = "C"\n[parts]\nredactor = "withhold"\nclassifier = "abstain"\n'
    )
    house = House.at(tmp_path)
    move_in(store)
    refresh = house._refresher(store, [])
    house.registry().set_promise(0.02, 0.05)
    assert refresh() is not None
    assert refresh() is None
