"""Safety-bar 19: what a person saw and approved is what is sent, to the byte, or nothing is.

Each kind of tampering is tried on the sender with its last look taken away, too, and is then
seen to leave: what the tests refuse is the proof's doing and nothing else's.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier

import pytest
from sqlalchemy import update

from tests.proofs import FAR, browser_key, enrol, have_app, proof_of
from tests.sizes import many
from tests.small_practice import (
    MASTER,
    NURSE,
    SECRETARY,
    approve,
    mail_from,
    receive,
)
from triage.desk import Desk
from triage.domain import (
    Channel,
    Draft,
    Outgoing,
    Protected,
    Reply,
    ReplyState,
    approver_key,
    certificate_of,
    new_id,
)
from triage.engine import Sender
from triage.errors import ChangedUnderneath, TriageError
from triage.pipeline import _transmit, send
from triage.store import Keys, Store, open_store, tables
from triage.store.engine import connect
from triage.store.guards import drop_guards
from triage.store.keyring import of_case
from triage.store.proof import BrowserKey, key_id_of
from triage.testing import MemoryOutbox

pytestmark = [pytest.mark.bar(18), pytest.mark.bar(19)]
INVISIBLE = "\u200b\u200d\u2060\u00ad\ufeff\u202e\u2066\u180e"
LOOKALIKE = str.maketrans({"a": "а", "e": "е", "o": "о", " ": "\u00a0", "-": "\u2011"})


@pytest.fixture
def desk(practice: Store) -> Desk:
    return Desk(practice, undo=timedelta(0), mail_domain="c.example")


@pytest.fixture
def approved(practice: Store, desk: Desk) -> Reply:
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    reply_id = approve(desk, case_id, body="The form is ready at the desk.")
    return practice.replies.get(reply_id, clinic="c1", by="test")


def handed_over(reply: Reply) -> MemoryOutbox:
    """Give a reply to what the sender does once it has claimed one."""
    outbox = MemoryOutbox()
    _transmit(reply, dict.fromkeys(Channel, outbox), MASTER, lambda _: None)
    return outbox


def tampered(words: Outgoing, lot: Random) -> Outgoing:
    """Return the words with one thing changed somewhere."""
    other = Channel.PORTAL if words.channel is Channel.EMAIL else Channel.EMAIL
    field = lot.choice(["recipient", "subject", "body", "in_reply_to", "channel", "attachments"])
    if field == "channel":
        return replace(words, channel=other)
    if field == "attachments":
        return replace(words, attachments=(*words.attachments, ("form.pdf", f"{lot.random()}")))
    text = getattr(words, field).reveal()
    at = lot.randrange(len(text))
    letter = lot.choice([chr(ord(text[at]) ^ 1), lot.choice(INVISIBLE), text[at] * 2, ""])
    changed = text[:at] + letter + text[at + 1 :]
    if lot.random() < 0.2:
        changed = text.translate(LOOKALIKE)
    return replace(words, **{field: Protected(changed)})


def test_nothing_leaves_once_anything_was_changed_after_the_approval(
    approved: Reply, record_property: Callable[[str, object], None]
) -> None:
    """One byte, an invisible character, a look-alike: 0 sent, whoever fits the digests to it."""
    assert len(handed_over(approved).sent) == 1
    lot, tried = Random(19), 0
    while tried < many(200, long=1500):
        words = tampered(approved.outgoing, lot)
        if words == approved.outgoing:
            continue
        tried += 1
        approval = approved.approval
        if lot.random() < 0.5:
            approval = replace(approval, digest=words.digest)
        assert handed_over(replace(approved, outgoing=words, approval=approval)).sent == []
    record_property("tried", tried)


def test_without_the_proof_changed_words_would_leave(
    approved: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.pipeline.check_proof", lambda reply, master: None)
    words = tampered(approved.outgoing, Random(19))
    approval = replace(approved.approval, digest=words.digest)
    assert len(handed_over(replace(approved, outgoing=words, approval=approval)).sent) == 1


def _swapped(reply: Reply, *, own: bytes, **key: object) -> Reply:
    """Return the reply signed anew by a forger's browser, whose key is called the approver's."""
    assert reply.approval.key is not None
    forger = BrowserKey(own, FAR)
    known = replace(
        reply.approval.key,
        id=key_id_of(forger.public),
        public=forger.public,
        until=forger.until,
        certificate=forger.certificate,
    )
    proof = forger.prove(reply.id, reply.outgoing.digest)
    known = replace(known, **key)  # type: ignore[arg-type]  # Forgers change any field.
    return replace(reply, approval=replace(reply.approval, proof=proof, key=known))


def forgeries(reply: Reply) -> Iterator[tuple[str, Reply]]:
    """Yield what somebody could write who has the file and its keys, but not the master."""
    approval, key = reply.approval, reply.approval.key
    assert key is not None
    forger = BrowserKey(bytes(32), FAR)

    def signed(**changed: object) -> Reply:
        return replace(reply, approval=replace(approval, **changed))  # type: ignore[arg-type]  # Forgers change any field.

    yield "no proof", signed(proof="")
    yield "no key", signed(key=None)
    yield "zeros", signed(proof=f"{key.id}:{'0' * 128}")
    yield "a short signature", signed(proof=f"{key.id}:00")
    yield "no hexadecimal", signed(proof=f"{key.id}:{'x' * 128}")
    yield "an enrolment of the forger's own", _swapped(reply, own=bytes(32))
    yield "with the old certificate", _swapped(reply, own=bytes(32), certificate=key.certificate)
    yield "under the old name", _swapped(reply, own=bytes(32), id=key.id)
    yield "the public key swapped", signed(key=replace(key, public=forger.public))
    yield "a key prolonged", signed(key=replace(key, until=key.until + timedelta(seconds=1)))
    yield "approved after the key ended", signed(approved_at=key.until + timedelta(seconds=1))
    yield "somebody else's name", signed(approver=NURSE.id)
    yield "and in the enrolment", signed(approver=NURSE.id, key=replace(key, user_id=NURSE.id))
    yield "the nurse's key for her", _swapped(reply, own=approver_key(MASTER, NURSE.id))
    yield "another clinic's key", signed(key=replace(key, clinic="c2"))
    yield "another clinic's approval", signed(clinic="c2")
    yield "another reply's approval", replace(reply, id=new_id())
    yield "the same, said to be of this one", replace(signed(reply_id="x"), id="x")
    yield "a broken point", signed(key=replace(key, public="04" + "1" * 128))


def test_no_forged_proof_sends_anything(approved: Reply) -> None:
    tried = [(name, handed_over(reply).sent) for name, reply in forgeries(approved)]
    assert [name for name, sent in tried if sent] == []
    assert len(tried) >= 19


@pytest.mark.parametrize("blind", ["certificate_of", "_signed"])
def test_a_sender_that_skips_half_the_proof_is_seen_to_send(
    approved: Reply, monkeypatch: pytest.MonkeyPatch, blind: str
) -> None:
    """Sabotage: certificates go unchecked, or signatures do."""
    assert approved.approval.key is not None
    certificate = approved.approval.key.certificate
    if blind == "certificate_of":
        monkeypatch.setattr("triage.store.proof.certificate_of", lambda *_: certificate)
    else:
        monkeypatch.setattr("triage.store.proof._signed", lambda *_: True)
    sent = {name for name, reply in forgeries(approved) if handed_over(reply).sent}
    wanted = {"certificate_of": "with the old certificate", "_signed": "zeros"}
    assert wanted[blind] in sent


Writing = Callable[[Store, Reply], None]


def _write(store: Store, reply: Reply, table: str, **values: object) -> None:
    rows = tables.metadata.tables[table]
    key = rows.c.reply_id if table == "approvals" else rows.c.id
    wanted = reply.approval.key_id if table == "proof_keys" else reply.id
    with store.transactions.write() as work:
        assert work.run(update(rows).where(key == wanted).values(**values)) == 1


def _other_words(store: Store, reply: Reply) -> None:
    """Seal other words into the row and give it and its approval the digest of these."""
    words = replace(reply.outgoing, body=Protected("Take ten tablets a day."))
    with store.transactions.write() as work:
        under = of_case(words.case_id)
        sealed = work.seal(tables.replies, reply.id, under=under, body=words.body)
        work.run(update(tables.replies).where(tables.replies.c.id == reply.id).values(**sealed))
    _write(store, reply, "replies", digest=words.digest)
    _write(store, reply, "approvals", digest=words.digest)


def _other_key(store: Store, reply: Reply) -> None:
    """Swap the enrolment for a key of the forger's, and sign with it."""
    forger = BrowserKey(bytes(32), FAR)
    named = enrol(store, forger, clinic="c1", user_id=SECRETARY.id)
    proof = forger.prove(reply.id, reply.outgoing.digest)
    _write(store, reply, "approvals", proof=proof, key_id=named)


ROWS: dict[str, Writing] = {
    "other words": _other_words,
    "another enrolment": _other_key,
    "another public key": lambda store, reply: _write(
        store, reply, "proof_keys", public=BrowserKey(bytes(32), FAR).public
    ),
    "another person": lambda store, reply: _write(store, reply, "approvals", approver=NURSE.id),
    "another proof": lambda store, reply: _write(store, reply, "approvals", proof="0" * 64),
}


@pytest.mark.parametrize("rows", sorted(ROWS))
def test_rows_written_with_file_and_key_send_nothing(
    practice: Store, approved: Reply, store_url: str, keys: Keys, rows: str
) -> None:
    """Somebody who owns the file, its keys and its triggers still lacks the sender's master."""
    owner = connect(store_url, keys, owner=True)
    with owner.begin() as connection:
        drop_guards(connection)
    owner.dispose()
    ROWS[rows](practice, approved)
    outbox = MemoryOutbox()
    ways = dict.fromkeys(Channel, outbox)
    state = send(approved.id, practice, ways, clinic="c1", by="sender", master=MASTER)
    assert (state, outbox.sent) == (ReplyState.FAILED, [])
    # And once it is looked at, no sender starts on such a database.
    with pytest.raises(TriageError, match="trigger"):
        open_store(store_url, keys)


def test_an_approval_never_meets_words_that_were_edited_meanwhile(
    practice: Store, desk: Desk, record_property: Callable[[str, object], None]
) -> None:
    """Approve and edit at the same moment: what is queued is what the approved digest names."""
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    with ThreadPoolExecutor(2) as pool:
        outcomes = [_raced(practice, desk, case_id, pool, n) for n in range(many(8, long=1000))]
    record_property("tried", len(outcomes))


def _raced(practice: Store, desk: Desk, case_id: str, pool: ThreadPoolExecutor, n: int) -> bool:
    seen = _saved(desk, case_id, f"Words {n}.")
    digest, start = seen.outgoing.digest, Barrier(2)
    proof = proof_of(practice, MASTER, SECRETARY.id, seen.id, digest)

    def approving() -> str:
        start.wait()
        try:
            return desk.replies.approve(SECRETARY, case_id, digest=digest, proof=proof).id
        except ChangedUnderneath:
            return ""

    def editing() -> None:
        start.wait()
        try:
            _saved(desk, case_id, f"Wor\u200bds {n}.")
        except TriageError:
            # Approved words are edited no more; the page then says so.
            return

    said, _ = pool.submit(approving), pool.submit(editing).result()
    reply_id = said.result()
    if not reply_id:
        return False
    outbox = MemoryOutbox()
    ways = dict.fromkeys(Channel, outbox)
    send(reply_id, practice, ways, clinic="c1", by="sender", master=MASTER)
    assert [words.digest for _, words in outbox.sent] == [digest]
    return True


def _saved(desk: Desk, case_id: str, body: str) -> Draft:
    return desk.replies.save(
        SECRETARY, case_id, subject=Protected("Re: hello"), body=Protected(body)
    )


def test_every_recall_in_the_undo_window_stops_the_send(
    practice: Store, record_property: Callable[[str, object], None]
) -> None:
    now = datetime.now(UTC)
    desk = Desk(practice, undo=timedelta(seconds=30), mail_domain="c.example")
    (case_id,) = receive(practice, mail_from(1, "please refill"))
    outbox = MemoryOutbox()
    for number in range(many(5, long=50)):
        reply_id = approve(desk, case_id, body=f"All right, {number}.")
        desk.replies.recall(SECRETARY, reply_id)
    later = now + timedelta(hours=1)
    sender = Sender(practice, dict.fromkeys(Channel, outbox), master=MASTER, clock=lambda: later)
    assert sender.once() == 0
    assert outbox.sent == []
    record_property("tried", number + 1)
    # The same without a recall leaves.
    left = approve(Desk(practice, undo=timedelta(0), mail_domain="c.example"), case_id)
    assert sender.once() == 1
    assert [message_id for message_id, _ in outbox.sent] == [f"<{left}@c.example>"]


def test_a_key_proves_nothing_once_its_session_or_its_person_is_gone(
    practice: Store, desk: Desk
) -> None:
    from triage.errors import NoProofKey, NotSignedIn
    from triage.store.sessions import open_in

    (case_id,) = receive(practice, mail_from(1, "please refill"))
    draft = _saved(desk, case_id, "All right.")
    digest, key = draft.outgoing.digest, browser_key(MASTER, SECRETARY.id)
    with practice.transactions.write() as work:
        now = work.now
        have_app(work, "c1", SECRETARY.id)
        token = open_in(work, "c1", SECRETARY.id, now=now, factor_at=now)
    known = {"public": key.public, "certificate": key.certificate}
    until = now + timedelta(hours=1)
    practice.proof_keys.enrol(token, until=until, now=now, **known)
    practice.people.close_session(token)
    proof = key.prove(draft.id, digest)
    with pytest.raises(NoProofKey):
        desk.replies.approve(SECRETARY, case_id, digest=digest, proof=proof)
    # Nor is another one enrolled where nobody is signed in, or only half.
    with pytest.raises(NotSignedIn):
        practice.proof_keys.enrol(token, until=until, now=now, **known)
    half = practice.people.open_session(SECRETARY.id, now=now)
    with pytest.raises(TriageError, match="second factor"):
        practice.proof_keys.enrol(half, until=until, now=now, **known)
    assert certificate_of(approver_key(MASTER, SECRETARY.id), key.public, FAR) == key.certificate
    practice.people.set_active(SECRETARY.id, active=False, clinic="c1", by="test")
    with pytest.raises(NotSignedIn):
        practice.proof_keys.enrol(half, until=until, now=now, **known)
