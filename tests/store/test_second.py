"""Two people's yes where the clinic wants two: in the store, in the database, and at the sender."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.store.attacks import approved, copied
from tests.store.practice import (
    MASTER,
    NOON,
    add_staff,
    ana,
    approval,
    draft,
    reading,
    signing_key,
)
from tests.store.test_guards import Scene, opened
from triage.desk import Desk
from triage.domain import (
    Approval,
    Channel,
    Draft,
    Protected,
    Reply,
    ReplyState,
    Role,
    Route,
    Urgency,
    User,
    new_id,
)
from triage.engine import Sender
from triage.errors import ChangedUnderneath, NotYourself, SecondApprover
from triage.store import Keys, Store, tables
from triage.store.guards import GUARDS
from triage.store.proof import proves
from triage.testing import MemoryOutbox

pytestmark = pytest.mark.bar(18)
RECORDS = Route.RECORDS_FORMS


@pytest.fixture
def staff(store: Store, clinic: str) -> tuple[User, User]:
    """Two people who may approve, in a clinic that wants two of them for records."""
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    dora, milo = add_staff(store, clinic), add_staff(store, clinic, "milo")
    store.second.set_routes([RECORDS], clinic=clinic, by="user-sam")
    return dora, milo


def asked(store: Store, clinic: str, *, route: Route = RECORDS) -> tuple[str, Draft]:
    """File a message of this route and save words for it."""
    uid = new_id()
    also = frozenset({RECORDS}) if route is Route.RESULTS else frozenset[Route]()
    came = reading(store, clinic, uid=uid, route=route, also=also)
    case_id = store.cases.file(came, clinic=clinic, by="worker")
    return case_id, draft(store, clinic, case_id)


def yes(words: Draft, person: User) -> Approval:
    """Return a person's approval of saved words, as the desk makes it: the reply is the draft."""
    digest = words.outgoing.digest
    proof = signing_key(person.id).prove(words.id, digest)
    return Approval(new_id(), words.clinic, words.id, digest, person.id, NOON, proof)


def queue(store: Store, words: Draft, said: Approval) -> Reply:
    message_id = f"<{said.reply_id}@clinic.example>"
    return store.replies.approve(said, words, not_before=NOON, message_id=message_id)


@pytest.mark.parametrize("route", [RECORDS, Route.RESULTS], ids=["route", "also"])
def test_two_people_approve_the_same_words_and_they_leave(
    store: Store, clinic: str, staff: tuple[User, User], route: Route
) -> None:
    dora, milo = staff
    _, words = asked(store, clinic, route=route)
    with pytest.raises(SecondApprover):
        queue(store, words, yes(words, dora))
    assert store.second.first(yes(words, dora), words)
    with pytest.raises(NotYourself):
        store.second.first(yes(words, dora), words)
    with pytest.raises(SecondApprover):
        queue(store, words, yes(words, dora))
    assert not store.second.first(yes(words, milo), words)
    reply = queue(store, words, yes(words, milo))
    outbox = MemoryOutbox()
    assert Sender(store, {Channel.EMAIL: outbox}, master=MASTER).once() == 1
    assert len(outbox.sent) == 1
    assert store.replies.get(reply.id, clinic=clinic, by="t").state is ReplyState.SENT


def test_a_changed_word_needs_both_again(
    store: Store, clinic: str, staff: tuple[User, User]
) -> None:
    dora, milo = staff
    case_id, words = asked(store, clinic)
    assert store.second.first(yes(words, dora), words)
    outgoing = replace(words.outgoing, body=Protected("It is ready, and more."))
    changed = replace(words, outgoing=outgoing)
    store.replies.save_draft(changed, by=dora.id)
    with pytest.raises(ChangedUnderneath):
        store.second.first(yes(words, milo), words)
    with pytest.raises(SecondApprover):
        queue(store, changed, yes(changed, milo))
    assert store.colleagues.about(case_id, clinic=clinic, by=milo.id, now=NOON).first is None


def test_nobody_gets_out_of_it_alone(store: Store, clinic: str, staff: tuple[User, User]) -> None:
    """Neither by sorting the case elsewhere nor by switching the setting off, whoever does it."""
    dora, milo = staff
    sam = replace(add_staff(store, clinic, "sam"), roles=frozenset({Role.SUPERVISOR}))
    desk = Desk(store)
    case_id, words = asked(store, clinic)
    elsewhere = {"route": Route.GENERAL, "urgency": Urgency.ROUTINE, "why": Protected("no")}
    desk.queue.reroute(dora, case_id, **elsewhere)  # type: ignore[arg-type]  # As named.
    _, other = asked(store, clinic)
    desk.teams.want_two(sam, [])
    for one in (words, other):
        for person in (dora, milo, sam):
            with pytest.raises(SecondApprover):
                queue(store, one, yes(one, person))
        assert store.second.first(yes(one, dora), one)
        assert queue(store, one, yes(one, milo)).state is ReplyState.QUEUED
    # What comes from now on needs one.
    _, later = asked(store, clinic)
    assert queue(store, later, yes(later, dora)).state is ReplyState.QUEUED


def test_a_case_from_before_the_setting_keeps_its_need_when_it_is_sorted_elsewhere(
    store: Store, store_url: str, keys: Keys, clinic: str, staff: tuple[User, User]
) -> None:
    dora, milo = staff
    store.second.set_routes([], clinic=clinic, by="user-sam")
    (by_hand, _), (case_id, words) = asked(store, clinic), asked(store, clinic)
    store.second.set_routes([RECORDS], clinic=clinic, by="user-sam")
    with opened(Scene(store_url, keys, {}), owner=True) as engine, engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        away = f"UPDATE cases SET route = 'general' WHERE id = '{by_hand}'"
        with pytest.raises(DBAPIError, match="the need of two is kept"):
            connection.exec_driver_sql(away)
        connection.rollback()
    elsewhere = {"route": Route.GENERAL, "urgency": Urgency.ROUTINE, "why": Protected("no")}
    Desk(store).queue.reroute(dora, case_id, **elsewhere)  # type: ignore[arg-type]  # As named.
    store.second.set_routes([], clinic=clinic, by="user-sam")
    with pytest.raises(SecondApprover):
        queue(store, words, yes(words, milo))


#: By hand in the database, with one person's living key; `{draft}` is a reply row not queued yet.
ALONE = {
    "queue it with one yes": ("UPDATE replies SET state = 'queued' WHERE id = '{draft}'",),
    "insert it queued": (
        approved(id="'evil'", reply_id="'evil2'"),
        copied(
            source="draft",
            id="'evil2'",
            state="'queued'",
            approval_id="'evil'",
            message_id_index="{blob}",
        ),
    ),
    "the same person twice": (
        "INSERT INTO first_approvals (id, clinic, reply_id, digest, approver, approved_at, proof,"
        " key_id) SELECT 'evil', clinic, reply_id, digest, approver, approved_at, proof, key_id"
        " FROM approvals WHERE reply_id = '{draft}'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "a first yes to other words": (
        "INSERT INTO first_approvals (id, clinic, reply_id, digest, approver, approved_at, proof,"
        " key_id) SELECT 'evil', p.clinic, '{draft}', 'ff', p.user_id, p.made_at, 'x', p.id"
        " FROM proof_keys p WHERE p.user_id = 'user-milo'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "a first yes of nobody": (
        "INSERT INTO first_approvals (id, clinic, reply_id, digest, approver, approved_at, proof,"
        " key_id) SELECT 'evil', clinic, '{draft}', digest, 'nobody', approved_at, proof, key_id"
        " FROM approvals WHERE reply_id = '{draft}'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "forget the setting": (
        "DELETE FROM two_approvers",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "another route's setting": (
        "UPDATE two_approvers SET route = 'general'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "sorted elsewhere": (
        "UPDATE cases SET route = 'general', also = '[]'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "switched off in another's name": (
        "UPDATE two_approvers SET off_at = at, off_by = 'user-milo'",
        "UPDATE cases SET route = 'general', also = '[]'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "forget the need": (
        "DELETE FROM two_needed",
        "UPDATE cases SET route = 'general', also = '[]'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "another case's need": (
        "UPDATE two_needed SET case_id = 'none'",
        "UPDATE cases SET route = 'general', also = '[]'",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
    "switched off by nobody": (
        "UPDATE two_approvers SET off_at = at",
        "UPDATE replies SET state = 'queued' WHERE id = '{draft}'",
    ),
}


def laid(store: Store, scene: Scene, words: Draft, said: Approval) -> dict[str, str]:
    """Put an approval of one person and a reply that is not queued yet there, past the store."""
    from triage.store.replies import _write_reply
    from triage.store.second import write_yes

    with store.transactions.write() as work:
        write_yes(work, tables.approvals, said)
        waiting = Reply(
            said.reply_id, said.clinic, words.outgoing, said, ReplyState.DRAFT, "<m@c>", NOON
        )
        _write_reply(work, waiting, words.contact_id)
    blob = "X'00ff'" if scene.url.startswith("sqlite") else "'\\x00ff'::bytea"
    return {"draft": said.reply_id, "queued": said.reply_id, "blob": blob}


def taken(scene: Scene, name: str, names: dict[str, str]) -> bool:
    """Run one attack as the owner of the tables; return whether a reply is queued by it."""
    with opened(scene, owner=True) as engine, engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            for statement in ALONE[name]:
                connection.exec_driver_sql(statement.format(**names))
        except DBAPIError:
            connection.rollback()
            return False
        count = "SELECT count(*) FROM replies WHERE state = 'queued'"
        queued = bool(connection.execute(text(count)).scalar())
        connection.rollback()
    return queued


def test_the_database_queues_nothing_on_one_yes(
    store: Store, store_url: str, keys: Keys, clinic: str, staff: tuple[User, User]
) -> None:
    """And the oracle: without these guards most of the same attacks queue it."""
    dora, _ = staff
    _, words = asked(store, clinic)
    scene = Scene(store_url, keys, {})
    names = laid(store, scene, words, yes(words, dora))
    assert [name for name in ALONE if taken(scene, name, names)] == []
    with opened(scene, owner=True) as engine, engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        for guard in GUARDS:
            if guard.says == "two must approve" or guard.table in (
                "two_approvers",
                "first_approvals",
                "two_needed",
            ):
                on = "" if engine.dialect.name == "sqlite" else f" ON {guard.table}"
                connection.exec_driver_sql(f"DROP TRIGGER {guard.name[:63]}{on}")
    assert sum(taken(scene, name, names) for name in ALONE) >= 4


def test_the_sender_asks_again_for_both(
    store: Store, clinic: str, staff: tuple[User, User]
) -> None:
    """Words queued on one yes, before the clinic wanted two, or past the guards, do not leave."""
    dora, _ = staff
    store.second.set_routes([], clinic=clinic, by="user-sam")
    _, words = asked(store, clinic)
    reply = queue(store, words, yes(words, dora))
    store.second.set_routes([RECORDS], clinic=clinic, by="user-sam")
    outbox = MemoryOutbox()
    Sender(store, {Channel.EMAIL: outbox}, master=MASTER).once()
    assert outbox.sent == []
    found = store.replies.get(reply.id, clinic=clinic, by="t")
    assert (found.state, found.why) == (ReplyState.FAILED, Protected("second_missing"))


def test_a_forged_first_yes_proves_nothing(
    store: Store, clinic: str, staff: tuple[User, User]
) -> None:
    """The sender checks the first signature as it checks the second; each part is tried."""
    dora, milo = staff
    _, words = asked(store, clinic)
    assert store.second.first(yes(words, dora), words)
    queue(store, words, yes(words, milo))
    claimed = store.replies.claim(words.id, clinic=clinic, by="sender")
    assert claimed is not None
    assert claimed.first is not None
    assert proves(claimed, MASTER)
    first, second = claimed.first, claimed.approval
    forged = [
        None,
        second,
        replace(first, approver=milo.id),
        replace(first, proof=f"{first.key_id}:{'0' * 128}"),
        replace(first, digest="0" * 64),
        replace(first, reply_id="another"),
        replace(second, approver=dora.id),
        replace(first, key=second.key),
    ]
    assert not any(proves(replace(claimed, first=one), MASTER) for one in forged)
    # The oracle: where two are not due, one is enough, so it is the first yes that was missed.
    assert proves(replace(claimed, first=None, needs_two=False), MASTER)


def test_a_recalled_reply_needs_both_again(
    store: Store, clinic: str, staff: tuple[User, User]
) -> None:
    dora, milo = staff
    case_id, words = asked(store, clinic)
    assert store.second.first(yes(words, dora), words)
    queue(store, words, yes(words, milo))
    store.replies.recall(words.id, clinic=clinic, by=milo.id, now=NOON + timedelta(seconds=1))
    again = store.replies.draft(case_id, clinic=clinic, by=milo.id)
    assert again is not None
    with pytest.raises(SecondApprover):
        queue(store, again, yes(again, milo))
    assert approval(again).digest == words.outgoing.digest
