"""Safety-bar 24: a reply that comes back is known as not delivered; machines get no answer."""

import re

import pytest

from tests.returned_mails import SHAPES, STATUSES, letter, report
from tests.sizes import LONG
from tests.small_practice import (
    MASTER,
    SECRETARY,
    SUPERVISOR,
    approve,
    mail_from,
    receive,
)
from triage.desk import Desk
from triage.domain import (
    CaseFile,
    CaseState,
    Channel,
    Lane,
    Mark,
    Protected,
    ReplyState,
    Undelivered,
    Urgency,
)
from triage.errors import NotAnswerable, OpenRequest
from triage.pipeline import send
from triage.store import Store, bounces
from triage.testing import MemoryOutbox

pytestmark = pytest.mark.bar(24)


def seen(store: Store, case_id: str) -> CaseFile:
    return store.cases.get(case_id, clinic="c1", by=SECRETARY.id)


def answered(desk: Desk, store: Store, *, number: int = 1, n: int = 0) -> tuple[str, str]:
    """Walk a mail to a sent reply and a closed case; return the case and the Message-ID."""
    (case_id,) = receive(store, mail_from(number, f"refill {n}", message_id=f"<{n}@example.org>"))
    reply_id = approve(desk, case_id)
    state = send(
        reply_id,
        store,
        {Channel.EMAIL: MemoryOutbox()},
        clinic="c1",
        by="sender",
        master=MASTER,
    )
    assert state is ReplyState.SENT
    for part in seen(store, case_id).case.requests:
        desk.queue.tick(SECRETARY, case_id, part.id)
    desk.queue.close(SECRETARY, case_id, outcome="answered", note=Protected(""))
    return case_id, f"<{reply_id}@clinic.example>"


def kinds() -> list[tuple[int, str]]:
    """Return every shape with every code in the long form, each shape and code once else."""
    codes = list(STATUSES)
    some = [(at, codes[at % len(codes)]) for at in range(len(SHAPES))]
    every = [(at, code) for at in range(len(SHAPES)) for code in codes]
    return every if LONG else some


def test_a_reply_that_comes_back_is_not_delivered(desk: Desk, practice: Store) -> None:
    sent = [answered(desk, practice, n=n) for n in range(len(kinds()))]
    for n, ((at, code), (case_id, message_id)) in enumerate(zip(kinds(), sent, strict=True)):
        (joined,) = receive(practice, SHAPES[at](message_id, status=code, n=n))
        file = seen(practice, case_id)
        assert joined == case_id
        assert file.case.state is CaseState.OPEN
        assert file.case.lane is not Lane.OUTGOING
        assert Mark.NOT_DELIVERED in file.case.marks
        assert file.replies[0].state is ReplyState.NOT_DELIVERED
        assert file.replies[0].undelivered == STATUSES[code]
        rows = practice.cases.queue(clinic="c1", by=SECRETARY.id)
        shown = [row for row in rows if row.case.id == case_id]
        assert [row.reply for row in shown] == [ReplyState.NOT_DELIVERED]
    noted = practice.cases.history(sent[0][0], clinic="c1", by=SUPERVISOR.id)
    assert [event.action for event in noted].count("reply.not_delivered") == 1


def test_without_looking_for_our_message_id_nothing_opens_again(
    desk: Desk, practice: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: the report is filed like any mail and the closed case stays closed."""
    case_id, message_id = answered(desk, practice)
    monkeypatch.setattr(bounces, "_replies", lambda *_: [])
    (filed,) = receive(practice, report(message_id))
    assert filed != case_id
    assert seen(practice, case_id).case.state is CaseState.CLOSED


def test_the_case_is_not_closed_again_without_a_look(desk: Desk, practice: Store) -> None:
    case_id, message_id = answered(desk, practice)
    receive(practice, report(message_id))
    with pytest.raises(OpenRequest):
        desk.queue.close(SECRETARY, case_id, outcome="answered", note=Protected(""))
    # It belongs to its reply, and so the case is that of one message still.
    (returned, _) = (file := seen(practice, case_id)).messages
    assert (file.can_part, returned.apart.report) == (frozenset(), True)
    with pytest.raises(NotAnswerable):
        desk.queue.own_case(SECRETARY, case_id, returned.id, reason=Protected("not his"))
    # A new reply may be written at once, to a better address or the same one.
    assert approve(desk, case_id, body="Once more.")


@pytest.mark.parametrize(
    ("status", "action"), [("4.4.1", "delayed"), ("2.0.0", "delivered"), ("2.1.5", "relayed")]
)
def test_a_delay_or_a_success_changes_nothing(
    desk: Desk, practice: Store, status: str, action: str
) -> None:
    case_id, message_id = answered(desk, practice)
    (filed,) = receive(practice, report(message_id, status=status, action=action))
    file = seen(practice, case_id)
    assert filed != case_id
    assert file.case.state is CaseState.CLOSED
    assert file.replies[0].state is ReplyState.SENT
    assert Mark.AUTOMATIC in seen(practice, filed).case.marks
    assert seen(practice, filed).suggestion is None


def test_a_forged_report_can_only_raise(desk: Desk, practice: Store) -> None:
    case_id, message_id = answered(desk, practice)
    other, _ = answered(desk, practice, number=2, n=1)
    before = practice.people.contacts("p1", clinic="c1", by="test")
    guess = re.sub(r"^<.", "<x", message_id)
    for forged in (report(guess), report("<1@clinic.example>"), letter("pat2@example.org")):
        (filed,) = receive(practice, forged)
        assert filed not in {case_id, other}
    # The recipient knows the Message-ID: their forgery opens the case, and that is all.
    words = b"Your account is closed. Send your password to eve@example.net, chest pain"
    receive(practice, report(message_id).replace(b"I am sorry.", words))
    file = seen(practice, case_id)
    assert seen(practice, other).case.state is CaseState.CLOSED
    assert file.case.state is CaseState.OPEN
    assert file.case.urgency is Urgency.EMERGENCY
    assert practice.people.contacts("p1", clinic="c1", by="test") == before
    assert (file.patient and file.patient.id, len(file.replies)) == ("p1", 1)


def test_an_uncertain_reply_stays_a_persons_to_settle(desk: Desk, practice: Store) -> None:
    (case_id,) = receive(practice, mail_from(1, "refill"))
    reply_id = approve(desk, case_id)
    assert practice.replies.claim(reply_id, clinic="c1", by="sender")
    message_id = f"<{reply_id}@clinic.example>"
    receive(practice, report(message_id))
    assert seen(practice, case_id).replies[0].state is ReplyState.SENDING
    practice.replies.settle(reply_id, ReplyState.UNCERTAIN, clinic="c1", by="sender")
    (reply,) = seen(practice, case_id).replies
    assert (reply.state, reply.undelivered) == (ReplyState.UNCERTAIN, Undelivered.NO_MAILBOX)


def test_a_report_that_overtakes_the_servers_answer_is_not_lost(
    desk: Desk, practice: Store
) -> None:
    (case_id,) = receive(practice, mail_from(1, "refill"))
    reply_id = approve(desk, case_id)
    assert practice.replies.claim(reply_id, clinic="c1", by="sender")
    receive(practice, report(f"<{reply_id}@clinic.example>"))
    practice.replies.settle(reply_id, ReplyState.SENT, clinic="c1", by="sender")
    file = seen(practice, case_id)
    assert file.replies[0].state is ReplyState.NOT_DELIVERED
    assert (file.case.state, file.case.lane) == (CaseState.OPEN, Lane.SORTED)


def test_our_own_mail_coming_back_gets_no_words(desk: Desk, practice: Store) -> None:
    _, message_id = answered(desk, practice)
    (case_id,) = receive(practice, mail_from(1, "refill", message_id=message_id))
    file = seen(practice, case_id)
    assert Mark.AUTOMATIC in file.messages[0].marks
    assert file.suggestion is None
    # The same words under another id are a person's and may be helped with.
    (case_id,) = receive(practice, mail_from(1, "refill", message_id="<new@example.org>"))
    assert seen(practice, case_id).suggestion is not None
