"""The two promises, each a test of that name, and what stands around them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.proofs import FORGED, unproven
from tests.small_practice import (
    MASTER,
    SECRETARY,
    approve,
    mail_from,
    receive,
    rooms,
)
from triage.desk import Desk
from triage.domain import (
    Background,
    Channel,
    IdentifierType,
    Lane,
    Mark,
    Message,
    Protected,
    Redacted,
    Redaction,
    ReplyState,
)
from triage.errors import (
    ChangedUnderneath,
    ProofRefused,
    SendPostponed,
    SendRefused,
    SendUncertain,
    StoreLocked,
    StoreRefused,
)
from triage.pipeline import check_proof, file, land, send
from triage.store import Store
from triage.store.departures import left_from
from triage.testing import MemoryInbox, MemoryOutbox

NAME = IdentifierType.NAME


def dispatch(store: Store, reply_id: str, outbox: MemoryOutbox) -> ReplyState | None:
    return send(
        reply_id,
        store,
        {Channel.EMAIL: outbox},
        clinic="c1",
        by="sender",
        master=MASTER,
        again=timedelta(0),
    )


class Crash(BaseException):
    """The process dies here."""


def crash_after(calls: int, method: Callable[..., object]) -> Callable[..., object]:
    """Return `method`, dying instead of its n-th call."""
    left = [calls]

    def dying(*arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        return method(*arguments, **named)

    return dying


def land_through_crashes(store: Store, inbox: MemoryInbox, step: str) -> None:
    """Land an inbox while the process dies again and again at one step."""
    for calls in range(len(inbox.mails) + 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.landing, step, crash_after(calls, getattr(store.landing, step)))
            try:
                land(inbox, store, clinic="c1")
            except Crash:
                continue


@pytest.mark.bar(1)
@pytest.mark.parametrize("step", ["land", "move_cursor", "cursors"])
def test_a_message_is_never_lost(practice: Store, step: str) -> None:
    inbox = MemoryInbox([mail_from(1, f"message {n}") for n in range(8)])
    land_through_crashes(practice, inbox, step)
    land(inbox, practice, clinic="c1")
    assert len(practice.landing.waiting(limit=100)) == 8


@pytest.mark.bar(1)
def test_moving_the_cursor_first_is_seen_to_lose(practice: Store) -> None:
    inbox = MemoryInbox([mail_from(1, f"message {n}") for n in range(8)])
    for calls in range(4):
        cursors = practice.landing.cursors(inbox.name, clinic="c1")
        landing = crash_after(calls, practice.landing.land)
        try:
            for delivery in inbox.deliveries(cursors):
                practice.landing.move_cursor(inbox.name, delivery.cursor, clinic="c1")
                landing(delivery.arrivals, clinic="c1")
        except Crash:
            continue
    assert len(practice.landing.waiting(limit=100)) < 8


def test_a_landed_message_is_filed_once_however_often_it_is_read(practice: Store) -> None:
    inbox = MemoryInbox([mail_from(1, "please refill my tablets")])
    landed = land(inbox, practice, clinic="c1")
    first = file(landed, rooms(), practice, clinic="c1", by="worker")
    again = file(landed, rooms(), practice, clinic="c1", by="worker")
    assert first == again
    assert sum(practice.cases.counts(clinic="c1").values()) == 1


def test_urgent_stands_on_top(practice: Store, desk: Desk) -> None:
    receive(practice, mail_from(1, "my bill is wrong"), mail_from(2, "I have chest pain now"))
    rows = desk.queue.view(SECRETARY).rows
    assert [row.case.lane for row in rows] == [Lane.URGENT, Lane.SORTED]
    assert desk.queue.open(SECRETARY, rows[0].case.id).suggested_body is None


class Broken:
    """A room that fails on everything, or on one word."""

    name = "broken"

    def __init__(self, word: str = "") -> None:
        self._word = word

    def redact(self, messages: list[object]) -> list[object]:
        raise ValueError("a recogniser failed")

    def classify(self, texts: list[object]) -> list[object]:
        raise ValueError("a model failed")

    def flags(self, message: object) -> tuple[object, ...]:
        raise ValueError("rules failed")

    def draft(self, *arguments: object, **named: object) -> object:
        raise ValueError("a drafter failed")


@pytest.mark.parametrize(
    ("room", "mark"),
    [
        ("redactor", Mark.WITHHELD),
        ("classifier", Mark.UNCLASSIFIED),
        ("rules", Mark.RULES_FAILED),
        ("drafter", Mark.DRAFT_FAILED),
    ],
)
def test_a_failing_room_leaves_the_case_in_front_of_a_person(
    practice: Store, desk: Desk, room: str, mark: Mark
) -> None:
    broken = rooms(**{room: Broken()})
    receive(practice, mail_from(1, "please refill"), with_rooms=broken)
    (row,) = desk.queue.view(SECRETARY).rows
    assert mark in row.case.marks
    if room != "drafter":
        assert row.case.lane is not Lane.SORTED


def test_a_reply_is_never_sent_twice(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    reply_id, outbox = approve(desk, case_id), MemoryOutbox()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: dispatch(practice, reply_id, outbox), range(24)))
    assert len(outbox.sent) == 1
    assert desk.replies.status(SECRETARY, reply_id).state is ReplyState.SENT


def test_a_reply_is_never_sent_without_a_named_persons_approval_of_its_exact_words(
    practice: Store, desk: Desk
) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    draft = desk.replies.save(SECRETARY, case_id, subject=Protected("Re"), body=Protected("Yes."))
    assert practice.replies.due(datetime.now(UTC), limit=10) == []
    with pytest.raises(ChangedUnderneath):
        desk.replies.approve(SECRETARY, case_id, digest="0" * 64, proof=FORGED)
    proof = unproven(practice, SECRETARY.id)
    forged = desk.replies.approve(SECRETARY, case_id, digest=draft.outgoing.digest, proof=proof)
    outbox = MemoryOutbox()
    assert dispatch(practice, forged.id, outbox) is ReplyState.FAILED
    assert outbox.sent == []


def test_a_sender_that_skips_the_proof_is_seen_to_send(
    practice: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    draft = desk.replies.save(SECRETARY, case_id, subject=Protected("Re"), body=Protected("Yes."))
    proof = unproven(practice, SECRETARY.id)
    forged = desk.replies.approve(SECRETARY, case_id, digest=draft.outgoing.digest, proof=proof)
    monkeypatch.setattr("triage.pipeline.check_proof", lambda reply, master: None)
    outbox = MemoryOutbox()
    assert dispatch(practice, forged.id, outbox) is ReplyState.SENT


def test_a_proof_serves_one_reply_only(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    outbox = MemoryOutbox()
    first = approve(desk, case_id)
    assert dispatch(practice, first, outbox) is ReplyState.SENT
    used = practice.replies.get(first, clinic="c1", by="test").approval
    again = desk.replies.save(
        SECRETARY, case_id, subject=Protected("Re: hello"), body=Protected("All right.")
    )
    assert again.outgoing.digest == used.digest
    replayed = desk.replies.approve(SECRETARY, case_id, digest=used.digest, proof=used.proof)
    assert dispatch(practice, replayed.id, outbox) is ReplyState.FAILED
    assert len(outbox.sent) == 1


def test_what_the_other_side_says_decides_what_happens(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    (other,) = receive(practice, mail_from(2, "please refill"))
    outbox = MemoryOutbox(troubles=[SendUncertain("x"), SendRefused("x")])
    uncertain, refused = approve(desk, case_id), approve(desk, other)
    assert dispatch(practice, uncertain, outbox) is ReplyState.UNCERTAIN
    assert dispatch(practice, uncertain, outbox) is None
    assert dispatch(practice, refused, outbox) is ReplyState.FAILED
    assert outbox.sent == []
    assert desk.queue.view(SECRETARY).counts[Lane.OUTGOING] >= 1


def test_a_postponed_reply_is_tried_again_and_arrives_once(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    reply_id, outbox = approve(desk, case_id), MemoryOutbox(troubles=[SendPostponed("x")])
    assert dispatch(practice, reply_id, outbox) is ReplyState.QUEUED
    assert dispatch(practice, reply_id, outbox) is ReplyState.SENT
    assert len(outbox.sent) == 1


def test_each_try_in_vain_waits_longer_and_keeps_no_more_bytes(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    reply_id, pauses = approve(desk, case_id), list[float]()
    for _ in range(8):
        (turn,) = practice.wire.queued()
        waited = {"by": "s", "waited": turn.not_before}
        reply = practice.replies.claim(reply_id, clinic="c1", **waited)  # type: ignore[arg-type]  # Options of one call, by round.
        assert reply is not None
        practice.departures.keep(reply, b"the same letter", by="s")
        again = {"by": "s", "again": timedelta(seconds=30)}
        practice.replies.settle(reply_id, ReplyState.QUEUED, clinic="c1", **again)  # type: ignore[arg-type]  # Options of one call, by round.
        (turn,) = practice.wire.queued()
        assert turn.tried
        pauses.append(turn.pause.total_seconds())
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]
    with practice.transactions.read() as work:
        assert len(left_from(work, case_id, "c1")) == 1
    assert len(practice.audit.events(clinic="c1", by="t", action="reply.leaving")) == 8


def test_one_byte_changed_after_approval_is_refused(practice: Store, desk: Desk) -> None:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    reply_id = approve(desk, case_id, body="One form is ready.")
    reply = practice.replies.get(reply_id, clinic="c1", by="test")
    check_proof(reply, MASTER)
    for changed in ("body", "subject", "recipient", "in_reply_to"):
        outgoing = replace(reply.outgoing, **{changed: Protected("Two forms are ready.")})
        with pytest.raises(ProofRefused):
            check_proof(replace(reply, outgoing=outgoing), MASTER)


class Introducer:
    """A redactor double that carries on the conversation's placeholders."""

    name = "introducer"

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[Background] = ()
    ) -> list[Redacted]:
        return [
            Redacted(
                f"{len(known.earlier)} known",
                "",
                redactions=(Redaction(f"[NAME_{len(known.earlier) + 1}]", NAME, Protected("x")),),
                redactor=self.name,
            )
            for _, known in zip(messages, backgrounds, strict=True)
        ]


def test_a_conversation_in_one_batch_is_redacted_in_its_order(practice: Store) -> None:
    mails = [
        mail_from(1, "one", message_id="<1@x>"),
        mail_from(1, "two", message_id="<2@x>", headers="References: <1@x>\r\n"),
        mail_from(2, "other", message_id="<9@x>"),
        mail_from(1, "three", message_id="<3@x>", headers="References: <1@x> <2@x>\r\n"),
    ]
    cases = receive(practice, *mails, with_rooms=rooms(redactor=Introducer()))
    assert cases[0] == cases[1] == cases[3] != cases[2]
    file_ = practice.cases.get(cases[0], clinic="c1", by="test")
    assert sorted(one.redacted.subject for one in file_.messages) == [
        "0 known",
        "1 known",
        "2 known",
    ]


def test_a_meter_that_fails_is_noted_and_stops_nothing(practice: Store) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a name")

    (case,) = receive(practice, mail_from(1, "hello"), with_rooms=rooms(meter=broken))
    assert practice.cases.get(case, clinic="c1", by="test").case.id == case
    tally = practice.leaks.tally(clinic="c1", since=datetime(2000, 1, 1, tzinfo=UTC))
    assert (tally.measured, tally.unmeasured) == (0, 1)


def test_a_roster_that_cannot_be_read_hides_everything_and_loses_nothing(
    practice: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise StoreRefused("patients.name of row p2 was changed from outside")

    monkeypatch.setattr(practice.backgrounds, "of", damaged)
    (case,) = receive(practice, mail_from(1, "a refill please"))
    file_ = practice.cases.get(case, clinic="c1", by="test")
    assert Mark.WITHHELD in file_.case.marks
    assert file_.messages[0].redacted.body == ""


def test_a_locked_roster_is_asked_again_later(
    practice: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise StoreLocked("busy")

    monkeypatch.setattr(practice.backgrounds, "of", locked)
    with pytest.raises(StoreLocked):
        receive(practice, mail_from(1, "a refill please"))
    assert len(practice.landing.waiting(limit=10)) == 1
