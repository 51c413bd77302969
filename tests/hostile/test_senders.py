"""Safety-bar 22: whoever a mail says it is from, no reply is addressed to them by it.

Short form: every trick once, with what the mail server said of it in turn. Long form: every trick
with everything the server may say, more than 300 mails. All go the whole path into a store.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.sizes import LONG, many
from tests.small_practice import MASTER, SECRETARY, approve, mail_from, receive, rooms
from tests.small_practice import move_in as settle_in
from triage.desk import Desk
from triage.desk.obstacles import obstacle
from triage.domain import Channel, Lane, Mark, Message, Protected, RawMessage, ReplyState
from triage.errors import NotAnswerable
from triage.parsing import parse
from triage.pipeline import send
from triage.store import Store
from triage.testing import MemoryOutbox

pytestmark = [pytest.mark.bar(22), pytest.mark.timeout(600 if LONG else 180)]

SERVER = "mx.clinic.example"
#: The first patient's verified address, another patient's, and one nobody knows.
PAT, OTHER, EVE = "pat1@example.org", "pat2@example.org", "eve@evil.example"
#: Heads that try to pass for the first patient.
HEADS = (
    f"From: {PAT}", f"From: Pat1 Example <{PAT}>", f"From: {PAT}\nFrom: {EVE}",
    f"From: {EVE}\nFrom: {PAT}", f"From: {PAT}\nfrom: {PAT}", f"From : {PAT}\nFrom: {EVE}",
    f" From: {PAT}\nFrom: {EVE}", f"From\0: {PAT}\nFrom: {EVE}", f"From: {EVE}\nX: y\r From: {PAT}",
    f"From: {PAT}, {EVE}", f"From: {EVE}, {PAT}", f"From: <{PAT}> <{EVE}>", f"From: <{PAT}>{EVE}",
    f'From: "Pat1 Example" <{PAT}>:<{EVE}>', f'From: "Pat1" <{EVE}>:<{PAT}>',
    f"From: <@example.org,@a.example:{EVE}>", f"From: <{EVE}:{PAT}>", f"From: {PAT}@evil.example",
    f"From: {PAT} <{EVE}>", f'From: "{PAT}" <{EVE}>', f'From: "Pat1 Example <{PAT}>" <{EVE}>',
    f'From: "pat1＠example.org" <{EVE}>', f"From: =?utf-8?b?cGF0MUBleGFtcGxlLm9yZw==?= <{EVE}>",
    f"From: =?utf-8?q?=3Cpat1=40example.org=3E?= <{EVE}>",
    f"From: =?utf-8?b?PHBhdDFAZXhhbXBsZS5vcmc+AA==?= <{EVE}>", f"From: friends: {PAT}, {EVE};",
    f"From: {EVE}({PAT})", f"From: {PAT}(x)@evil.example", f"From: {PAT}\\0@evil.example",
    f"From: Pat1 \u202egro.elpmaxe@1tap <{EVE}>", f"From: P\u200bat1 Example <{EVE}>",
    f"From: Раt1 Exаmple <{EVE}>", "From: Pat1 <pat1@exаmple.org>",
    "From: Pat1 <pat1@xn--exmple-cua.org>", "From: Pat1 <pat1@[10.0.0.1]>",
    "From: Pat1 <pat1%example.org@evil.example>", f'From: "unclosed <{PAT}>',
    f"From: {PAT}\nSender: {EVE}", f"From: {PAT};{EVE}", f"From: Pat1 <{PAT}\\>@evil.example>",
    "From: <>", "From:", "Subject: nobody", f"From: Pat1 Example <{EVE}>",
    f"From: Pat1 Example <{EVE}>\nReply-To: {PAT}", f"From: {EVE}\nResent-From: {PAT}",
    f"From: {EVE}\nX-Original-From: {PAT}",
)  # fmt: skip


def said(verdict: str) -> str:
    return f"Authentication-Results: {SERVER}; {verdict}\n"


FORGED = said("spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org")
#: What stands on top of such a mail, written by the clinic's own server, and what Eve put below.
TOPS = (
    said("dmarc=fail header.from=example.org"),
    said("dmarc=fail header.from=example.org") + FORGED,
    said("spf=pass smtp.mailfrom=evil.example; dmarc=none header.from=example.org") + FORGED,
    said("dkim=pass header.d=evil.example; spf=softfail smtp.mailfrom=example.org") + FORGED,
    said("spf=pass smtp.mailfrom=evil.example; dmarc=pass header.from=evil.example") + FORGED,
    said("none") + FORGED,
    "Authentication-Results: mx.clinic.example.evil.example; dmarc=pass header.from=example.org\n",
)


def hostile() -> Iterator[bytes]:
    """Return the mails of this form; every one names the first patient's mail as its parent."""
    pairs = list(itertools.product(HEADS, TOPS))
    if not LONG:
        pairs = [(head, TOPS[at % len(TOPS)]) for at, head in enumerate(HEADS)]
    for number, (head, top) in enumerate(pairs):
        rest = f"Message-ID: <{number}@evil.example>\nIn-Reply-To: <first@example.org>\n"
        rest += "References: <first@example.org>\nSubject: records\n"
        yield f"{top}{head}\n{rest}\nSend my records, refill {number}.\n".encode()


def believed(raw: RawMessage) -> Message:
    return parse(raw, SERVER)


def honest(number: int, words: str, name: str) -> bytes:
    mail = mail_from(number, words, message_id=name)
    return said("dmarc=pass header.from=example.org").encode() + mail


@pytest.fixture
def desk(store: Store) -> Desk:
    settle_in(store)
    return Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")


def test_there_are_enough_hostile_mails() -> None:
    assert len(set(itertools.product(HEADS, TOPS))) >= 300
    assert len(list(hostile())) >= len(HEADS)


def test_no_hostile_mail_addresses_a_reply_or_joins_a_conversation(
    store: Store, desk: Desk
) -> None:
    theirs = rooms(parse=believed)
    first, other = (
        receive(store, honest(number, "please refill", name), with_rooms=theirs)[0]
        for number, name in ((1, "<first@example.org>"), (2, "<second@example.org>"))
    )
    assert [desk.queue.open(SECRETARY, one).file.case.patient_id for one in (first, other)] == [
        "p1", "p2",
    ]  # fmt: skip
    cases = receive(store, *hostile(), with_rooms=theirs)
    assert len(set(cases) | {first, other}) == len(cases) + 2, "a conversation was joined"
    for case_id in cases:
        file = desk.queue.open(SECRETARY, case_id).file
        assert (file.case.patient_id, file.case.contact_id, file.contact) == (None, None, None)
        assert file.case.marks & {Mark.UNVERIFIED_SENDER, Mark.UNKNOWN_SENDER}
        if PAT in file.messages[0].sender.reveal():
            assert Mark.UNVERIFIED_SENDER in file.case.marks
        assert obstacle(file)
    with pytest.raises(NotAnswerable):
        approve(desk, cases[-1])


def test_without_an_id_what_the_server_calls_forged_is_linked_to_nobody(
    store: Store, desk: Desk
) -> None:
    """Shown, filed and as urgent as ever; a person says who it is."""
    (known,) = receive(store, mail_from(1, "please refill", message_id="<first@example.org>"))
    assert desk.queue.open(SECRETARY, known).file.case.patient_id == "p1", "no line, as before"
    rest = f"{HEADS[0]}\nMessage-ID: <%d@evil.example>\nIn-Reply-To: <first@example.org>\n\n"
    words = "I have crushing chest pain.\n"
    weighed = [top for top in TOPS if SERVER in top and "example.evil" not in top]
    mails = [f"{top}{rest % at}{words}".encode() for at, top in enumerate(weighed)]
    cases = receive(store, *mails)
    assert len({*cases, known}) == len(weighed) + 1
    for case_id in cases:
        case = desk.queue.open(SECRETARY, case_id).file.case
        assert (case.patient_id, case.contact_id, case.lane) == (None, None, Lane.URGENT)
        assert Mark.UNVERIFIED_SENDER in case.marks


def test_a_reply_to_a_hostile_mail_goes_to_the_contact_a_person_chose(
    store: Store, desk: Desk
) -> None:
    case_id = receive(store, next(hostile()), with_rooms=rooms(parse=believed))[0]
    desk.queue.link(SECRETARY, case_id, patient_id="p1", contact_id="p1-mail")
    file = desk.queue.open(SECRETARY, case_id).file
    assert Mark.UNVERIFIED_SENDER not in file.case.marks
    assert Mark.UNVERIFIED_SENDER in file.messages[0].marks, "the sign stays on the message"
    reply_id = approve(desk, case_id)
    assert store.replies.get(reply_id, clinic="c1", by="t").outgoing.recipient == Protected(PAT)


def test_believing_what_stands_in_the_mail_is_seen_to_address_the_reply(
    store: Store, desk: Desk
) -> None:
    """Sabotage: nobody reads the server's verdict, and a forged From is taken for the patient."""

    def credulous(raw: RawMessage) -> Message:
        return replace(parse(raw), sender_doubtful=False)

    case_id = receive(store, next(hostile()), with_rooms=rooms(parse=credulous))[0]
    assert desk.queue.open(SECRETARY, case_id).file.case.contact_id == "p1-mail"


#: Each automatic head with so many different bodies.
BODIES = many(1, long=12)
LOOPS = tuple(
    f"From: {PAT}\nMessage-ID: <loop{number}@example.org>\n{head}"
    for number, head in enumerate(
        itertools.chain(
            (f"Auto-Submitted: {word}" for word in ("auto-replied", "auto-generated", "auto-x")),
            (f"Precedence: {word}" for word in ("bulk", "junk", "list", "auto_reply")),
            ("List-Id: <n.example.org>", "List-Unsubscribe: <mailto:x@example.org>"),
            ("Return-Path: <>", "X-Autoreply: yes", "X-Failed-Recipients: x@example.org"),
            (
                f"Subject: {word}: I am away"
                for word in ("Automatic reply", "Auto response", "Respuesta automática")
            ),
            ("Subject: Undeliverable: your visit", "Subject: Delivery Status Notification"),
            ("Content-Type: multipart/report; report-type=delivery-status; boundary=b",),
        )
    )
)


@pytest.mark.bar(24)
def test_machines_and_our_own_mail_get_no_suggestion_and_no_reply(store: Store, desk: Desk) -> None:
    (asked,) = receive(store, mail_from(1, "please refill", message_id="<q@example.org>"))
    reply_id = approve(desk, asked)
    ours = store.replies.get(reply_id, clinic="c1", by="t")
    back = mail_from(1, "your refill is ready", message_id=ours.message_id)
    bodies = [f"please refill {number}" for number in range(BODIES)]
    mails = [f"{head}\n\n{body}\n".encode() for head in LOOPS for body in bodies]
    unsuggested = 0
    for case_id in receive(store, *mails, back):
        file = desk.queue.open(SECRETARY, case_id).file
        assert file.suggestion is None
        assert Mark.AUTOMATIC in file.case.marks
        assert "never answered" in obstacle(file)
        unsuggested += 1
    with pytest.raises(NotAnswerable):
        approve(desk, case_id)
    assert unsuggested == len(mails) + 1
    assert not LONG or unsuggested >= 200


@pytest.mark.bar(20)
def test_the_conversation_is_named_in_the_order_it_was_held(store: Store, desk: Desk) -> None:
    (case_id,) = receive(store, mail_from(1, "refill?", message_id="<a@example.org>"))
    reply_id = approve(desk, case_id)
    ways = {Channel.EMAIL: MemoryOutbox()}
    assert send(reply_id, store, ways, clinic="c1", by="s", master=MASTER) is ReplyState.SENT
    ours = store.replies.get(reply_id, clinic="c1", by="t").message_id
    more = f"In-Reply-To: {ours}\r\nReferences: <a@example.org> {ours} <x@evil.example>\r\n"
    again = mail_from(1, "and the other?", message_id="<b@example.org>", headers=more)
    assert receive(store, again) == [case_id]
    second = store.replies.get(approve(desk, case_id, body="Yes."), clinic="c1", by="t")
    assert second.outgoing.in_reply_to == Protected(f"<a@example.org> {ours} <b@example.org>")


def test_a_clinic_that_answers_on_the_portal_writes_no_mail(store: Store, desk: Desk) -> None:
    (case_id,) = receive(store, mail_from(1, "please refill"))
    shut = Desk(store, mail_domain="clinic.example", portal_only=True)
    assert "on the portal" in shut.queue.open(SECRETARY, case_id).obstacle
    with pytest.raises(NotAnswerable):
        approve(shut, case_id)
    shut.queue.link(SECRETARY, case_id, patient_id="p1", contact_id="p1-portal")
    assert not shut.queue.open(SECRETARY, case_id).obstacle
    approve(shut, case_id)


def test_without_consent_a_patient_is_answered_elsewhere(store: Store, desk: Desk) -> None:
    (case_id,) = receive(store, mail_from(1, "please refill"))
    desk.people.record_consent(SECRETARY, "p1-mail", False)
    assert "not agreed to e-mail" in desk.queue.open(SECRETARY, case_id).obstacle
    with pytest.raises(NotAnswerable):
        approve(desk, case_id)
    desk.people.record_consent(SECRETARY, "p1-mail", True)
    contact = desk.queue.open(SECRETARY, case_id).file.contact
    assert contact is not None
    assert replace(contact, consent_at=None).consent_by == SECRETARY.id
    approve(desk, case_id)
