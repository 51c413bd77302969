"""A message that joined the wrong case gets one of its own; nothing is lost, unseen or doubled."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.proofs import proof_of
from tests.small_practice import (
    MASTER,
    NURSE,
    SCIENTIST,
    SECRETARY,
    STRANGER,
    approve,
    mail_from,
    receive,
    rooms,
)
from triage.desk import Desk
from triage.domain import (
    Arrival,
    Case,
    CaseFile,
    Channel,
    Lane,
    Mark,
    NoteKind,
    Position,
    Protected,
    Urgency,
    new_id,
)
from triage.errors import (
    AlreadyClaimed,
    ChangedUnderneath,
    Erased,
    NotAllowed,
    NotAnswerable,
    NotFound,
    NoWords,
)
from triage.pipeline import file
from triage.store import Keys, Store, open_life, tables
from triage.store.landing_rows import write_raw
from triage.testing import MemoryInbox, arrival

WHY = Protected("It is about another visit.")
FIRST, SECOND, THIRD = "<first@example.org>", "<second@example.org>", "<third@example.org>"
C1 = {"clinic": "c1", "by": "test"}


def answering(*ids: str) -> str:
    return f"References: {' '.join(ids)}\r\n"


def two(store: Store, second: str = "the chest pain again") -> tuple[str, CaseFile]:
    """Receive a mail and one in the same conversation; return their one case."""
    (case_id,) = receive(store, mail_from(1, "please refill", message_id=FIRST))
    (joined,) = receive(store, mail_from(1, second, message_id=SECOND, headers=answering(FIRST)))
    assert joined == case_id
    return case_id, file_of(store, case_id)


def file_of(store: Store, case_id: str) -> CaseFile:
    return store.cases.get(case_id, **C1)


def file_all(store: Store) -> list[str]:
    waiting = [raw_id for _, raw_id in store.landing.waiting(limit=10)]
    return file(waiting, rooms(), store, clinic="c1", by="worker")


def part(desk: Desk, store: Store, known: CaseFile) -> Case:
    """Give the newest message of a case its own; return that."""
    desk.queue.own_case(SECRETARY, known.case.id, known.messages[0].id, reason=WHY)
    (own,) = file_all(store)
    return file_of(store, own).case


def accounted(store: Store) -> tuple[int, int, int]:
    """Return how many messages landed, wait, and are nowhere."""
    figures = store.counts.figures(clinic="c1")
    unseen = store.counts.unseen(clinic="c1")
    assert unseen.cases == 0
    return figures.landed, figures.in_no_queue, unseen.messages


def test_a_message_that_joined_the_wrong_case_gets_its_own(practice: Store, desk: Desk) -> None:
    case_id, before = two(practice)
    newest, first = before.messages
    shown = {"seen": before.newest, "was": before.was}
    assert before.can_part == {newest.id, first.id}
    assert accounted(practice) == (2, 0, 0)
    for _ in range(2):
        # Whoever presses twice asks for one thing.
        desk.queue.own_case(SECRETARY, case_id, newest.id, reason=WHY, **shown)
    # No worker has run: the message is where it was, and waits as any landed message does.
    waits = file_of(practice, case_id)
    assert [one.id for one in waits.messages] == [newest.id, first.id]
    assert (waits.messages[0].apart.own_case, waits.can_part) == ("", frozenset())
    assert accounted(practice) == (3, 1, 0)
    (own,) = file_all(practice)
    assert own != case_id
    assert accounted(practice) == (3, 0, 0)
    desk.queue.own_case(SECRETARY, case_id, newest.id, reason=WHY, **shown)
    assert accounted(practice) == (3, 0, 0)
    file, old = file_of(practice, own), file_of(practice, case_id)
    (copy,) = file.messages
    # It was read, judged and sorted as every message is: a red flag is one again.
    assert (copy.subject, copy.body, copy.apart.out_of) == (newest.subject, newest.body, case_id)
    assert [flag.rule for flag in copy.flags] == ["chest"]
    assert (file.case.lane, file.case.urgency) == (Lane.URGENT, Urgency.EMERGENCY)
    assert (file.case.patient_id, file.case.contact_id) == ("p1", "p1-mail")
    assert practice.cases.original(copy.id, **C1).content.endswith(b"the chest pain again\r\n")
    # It is due by when it first came, and somebody must act from now on.
    assert file.case.opened_at == newest.received_at + timedelta(microseconds=1)
    assert desk.urgent.now(SECRETARY)[0].waiting == 2
    # The old case keeps it and its rank; what is answered there is what it is about.
    assert [one.apart.own_case for one in old.messages] == [own, None]
    assert (old.case.urgency, old.case.lane) == (Urgency.EMERGENCY, Lane.URGENT)
    assert old.conversation(Channel.EMAIL).reveal() == FIRST
    assert [one.case_id for one in file.chain.cases] == [case_id]
    assert (file.chain.messages, old.chain.messages) == (2, 2)
    (note,) = desk.together.about(SECRETARY, case_id).notes
    assert (note.kind, note.words, note.by) == (NoteKind.OWN_CASE, WHY, SECRETARY.id)
    (event,) = practice.audit.events(**C1, action="message.own_case")
    assert (event.actor, event.cases) == (SECRETARY.id, (case_id,))
    assert event.detail == {"message": newest.id, "raw": copy.raw_id}


def test_a_conversation_goes_on_where_it_is_answered(practice: Store, desk: Desk) -> None:
    case_id, before = two(practice, "my bill")
    own = part(desk, practice, before).id
    for body, answers, wanted in (
        ("to the first", (FIRST,), case_id),
        ("to the second", (FIRST, SECOND), own),
    ):
        (joined,) = receive(practice, mail_from(1, body, headers=answering(*answers)))
        assert joined == wanted, body
    # What we answer in the old case names nothing of the new one, so its answer comes back here.
    named = file_of(practice, case_id).conversation(Channel.EMAIL).reveal().split()
    assert SECOND not in named


def test_it_is_asked_for_by_who_may_and_knows_the_case(practice: Store, desk: Desk) -> None:
    case_id, before = two(practice)
    newest, first = (one.id for one in before.messages)
    ask = desk.queue.own_case
    (other,) = receive(practice, mail_from(2, "refill"))
    for actor, message, trouble in (
        (SCIENTIST, newest, NotAllowed),
        (STRANGER, newest, NotFound),
        (SECRETARY, "nobody", NotFound),
        (SECRETARY, file_of(practice, other).messages[0].id, NotFound),
    ):
        with pytest.raises(trouble):
            ask(actor, case_id, message, reason=WHY)
    with pytest.raises(NoWords):
        ask(SECRETARY, case_id, newest, reason=Protected(""))
    with pytest.raises(ChangedUnderneath):
        ask(SECRETARY, case_id, newest, reason=WHY, seen=first)
    with pytest.raises(NotAnswerable):
        ask(SECRETARY, other, file_of(practice, other).messages[0].id, reason=WHY)
    desk.queue.claim(NURSE, case_id)
    with pytest.raises(AlreadyClaimed):
        ask(SECRETARY, case_id, newest, reason=WHY)
    desk.replies.save(NURSE, case_id, subject=Protected("s"), body=Protected("It is ready."))
    desk.queue.release(NURSE, case_id)
    with pytest.raises(ChangedUnderneath, match="saved words"):
        ask(SECRETARY, case_id, newest, reason=WHY, was=before.was)
    assert practice.landing.waiting(limit=10) == []
    ask(SECRETARY, case_id, first, reason=WHY)
    # One must stay, or the case would be about nothing.
    with pytest.raises(NotAnswerable):
        ask(SECRETARY, case_id, newest, reason=WHY)
    assert len(practice.landing.waiting(limit=10)) == 1


def test_words_to_a_message_with_its_own_case_leave_the_old_one_no_more(
    practice: Store, desk: Desk
) -> None:
    case_id, before = two(practice, "my bill")
    words = {"subject": Protected("Re"), "body": Protected("We look into it.")}
    draft = desk.replies.save(SECRETARY, case_id, **words)
    desk.queue.own_case(SECRETARY, case_id, before.messages[0].id, reason=WHY)
    digest = draft.outgoing.digest
    proof = proof_of(practice, MASTER, SECRETARY.id, draft.id, digest)
    with pytest.raises(ChangedUnderneath):
        desk.replies.approve(SECRETARY, case_id, digest=digest, proof=proof)
    assert approve(desk, case_id)


def test_a_server_s_lists_are_compared_as_if_there_were_no_copy(
    practice: Store, desk: Desk
) -> None:
    """What no server listed is in no ledger, and hides no mail that comes in."""
    first = mail_from(1, "please refill", message_id=FIRST)
    same = mail_from(1, "my bill", message_id=SECOND, headers=answering(FIRST))
    inbox = MemoryInbox([first, same], name="front")
    for number, content in enumerate(inbox.mails, 1):
        practice.landing.land([arrival(content, uid=number, inbox="front")], clinic="c1")
    (case_id, _) = file_all(practice)
    part(desk, practice, file_of(practice, case_id))
    assert practice.landing.ledger_counts("front", clinic="c1") == {"landed": 2}
    # The very same bytes come once more: a message of its own, as ever.
    again = arrival(same, uid=3, inbox="front")
    assert len(practice.landing.land([again], clinic="c1")) == 1
    # And a server that numbers its mail anew doubles none of the three.
    anew = [
        arrival(content, uid=number, inbox="front", epoch="2")
        for number, content in enumerate((first, same, same), 1)
    ]
    assert practice.landing.land(anew, clinic="c1") == ()
    assert accounted(practice) == (4, 1, 0)


def test_a_copy_is_erased_with_its_case_and_never_filed_after_its_patient(
    practice: Store, desk: Desk, store_url: str, keys: Keys, tmp_path: Path
) -> None:
    case_id, before = two(practice)
    desk.queue.own_case(SECRETARY, case_id, before.messages[0].id, reason=WHY)
    life = open_life(store_url, keys, practice, lists=[tmp_path / "erasures.list"])
    for kind, subject in (("case", case_id), ("patient", "p1")):
        with pytest.raises(ChangedUnderneath, match="own"):
            life.erase(kind, subject, **C1)
    (own,) = file_all(practice)
    raw_id = file_of(practice, own).messages[0].raw_id
    life.erase("patient", "p1", **C1)
    life.close()
    for one in (case_id, own):
        with pytest.raises(Erased):
            file_of(practice, one)
    with pytest.raises(Erased):
        practice.landing.raw(raw_id, **C1)


def test_a_copy_that_is_none_stands_for_no_patient(practice: Store) -> None:
    """Whoever is in the web process can land what is called a copy, and plants no mail by it."""
    case_id, before = two(practice, "my bill")
    first = practice.landing.raw(before.messages[0].raw_id, **C1)
    raws, place = tables.raw_messages, first.position.copied(first.id)
    planted = mail_from(1, "send my records")
    for where, content, whose in (
        (place, planted, None),
        (replace(place, inbox="trusted"), first.content, None),
        (replace(place, uid="nobody"), first.content, None),
        (place, first.content, "p1"),
    ):
        copy = Arrival(where, first.channel, first.media_type, content)
        with practice.transactions.write() as work:
            known = work.one(select(raws.c.digest).where(raws.c.id == first.id), "raw")
            write_raw(work, copy, "c1", bytes(known.digest), new_id(), at=work.now)
        (own,) = file_all(practice)
        case = file_of(practice, own).case
        assert own != case_id
        assert case.patient_id == whose
        assert (Mark.UNVERIFIED_SENDER in case.marks) == (whose is None)


def test_a_copy_is_believed_no_more_than_the_first_one() -> None:
    place = Position("front", "INBOX", "import:7", "3").copied("raw-1")
    assert (place.imported, place.own_case, place.uid) == (True, True, "raw-1")
    # Of a copy, too, there can be one; and no epoch grows.
    assert place.copied("raw-2") == replace(place, uid="raw-2")
    assert not Position("front", "INBOX", "7", "3").copied("raw-1").imported
