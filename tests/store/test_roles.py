"""PostgreSQL roles: each process can do its own work, and nothing of anybody else's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.postgres import PostgresServer
from tests.store.practice import add_staff, ana, approval, arrival, draft, reading
from triage.domain import (
    NOTHING,
    Arrival,
    CaseState,
    Channel,
    Clinic,
    Label,
    Lane,
    Mark,
    Notice,
    Position,
    Protected,
    ReplyState,
    Route,
    Urgency,
    User,
    Waiting,
    new_id,
)
from triage.domain.watch import Fault
from triage.engine import Escalator, Watch, Watched
from triage.errors import StoreRefused
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.engine import connect
from triage.store.landing_rows import write_raw
from triage.store.trail import COMMAND, SENDER, WEB, WORKER

pytestmark = pytest.mark.postgres
CLINIC = "clinic-a"


@dataclass(frozen=True)
class House:
    owner: Store
    worker: Store
    web: Store
    sender: Store
    watch: Store


@pytest.fixture
def house(postgres: PostgresServer, keys: Keys) -> Iterator[House]:
    with postgres.database() as url:
        stores = [
            open_store(url.replace("triage_owner@", f"triage_{role}@"), keys, part=part)
            for role, part in zip(
                ("owner", "worker", "web", "sender", "watch"),
                (COMMAND, WORKER, WEB, SENDER, "watch"),
                strict=True,
            )
        ]
        yield House(*stores)
        for store in stores:
            store.close()


def moved_in(house: House) -> User:
    house.owner.people.add_clinic(Clinic(CLINIC, "Harbour"))
    user = add_staff(house.owner, CLINIC)
    house.owner.people.import_roster([ana(CLINIC)], clinic=CLINIC, by="test")
    return user


def test_a_message_walks_through_all_processes(house: House) -> None:
    user = moved_in(house)
    now = house.web._transactions.clock()
    case_id = house.worker.cases.file(reading(house.worker, CLINIC), clinic=CLINIC, by="worker")
    again = reading(house.worker, CLINIC, uid="2", references=(Protected("<none@x>"),))
    other = house.worker.cases.file(again, clinic=CLINIC, by="worker")
    house.worker.cases.mark(other, Mark.NOT_DELIVERED, clinic=CLINIC, by="worker")
    token = house.web.people.open_session(user.id, now=now)
    assert house.web.people.session(token, now=now).user == user
    assert len(house.web.cases.queue(clinic=CLINIC, by=user.id)) == 2
    house.web.cases.claim(case_id, clinic=CLINIC, by=user.id, now=now)
    recalled = draft(house.web, CLINIC, case_id)
    first = house.web.replies.approve(
        approval(recalled), recalled, not_before=now, message_id="<1@clinic.example>"
    )
    house.web.replies.recall(first.id, clinic=CLINIC, by=user.id, now=now)
    words = draft(house.web, CLINIC, case_id, body="Ready at noon.")
    reply = house.web.replies.approve(
        approval(words), words, not_before=now, message_id="<2@clinic.example>"
    )
    due = house.sender.replies.due(house.sender._transactions.clock(), limit=5)
    assert due == [(CLINIC, reply.id)]
    claimed = house.sender.replies.claim(reply.id, clinic=CLINIC, by="sender")
    assert claimed is not None
    house.sender.replies.settle(reply.id, ReplyState.SENT, clinic=CLINIC, by="sender")
    house.sender.beats.beat("sender")
    assert house.sender.replies.stuck(before=now) == []
    label = Label(
        "label-1", CLINIC, other, "m", Route.REFILL, frozenset(), Urgency.ROUTINE,
        Route.GENERAL, frozenset(), Urgency.ROUTINE, user.id, now,
    )  # fmt: skip
    house.web.cases.reroute(other, label, clinic=CLINIC, by=user.id, score=1, lane=Lane.SORTED)
    house.web.cases.link(
        other, clinic=CLINIC, by=user.id, patient_id="patient-1", contact_id="contact-1"
    )
    for part in house.web.cases.get(other, clinic=CLINIC, by=user.id).case.requests:
        house.web.cases.tick(other, part.id, clinic=CLINIC, by=user.id)
    house.web.cases.close(other, "phoned", Protected("done"), clinic=CLINIC, by=user.id)
    assert house.web.cases.get(other, clinic=CLINIC, by=user.id).case.state is CaseState.CLOSED
    house.web.labels.draw_sample(now.date(), clinic=CLINIC, by=user.id)
    house.web.labels.export_rows(clinic=CLINIC, by=user.id)
    message_ids = [one.id for one in house.web.cases.get(other, clinic=CLINIC, by="d").messages]
    backgrounds = house.web.backgrounds.of_filed(message_ids, clinic=CLINIC, by=user.id)
    assert [len(one.patient) > 0 for one in backgrounds.values()] == [True]
    house.web.signatures.sign("redflags", "ab", clinic=CLINIC, by=user.id)
    why = Protected("called from the car park")
    glass = house.web.glass.smash(other, why, minutes=5, clinic=CLINIC, by=user.id, now=now)
    house.web.glass.review(glass.id, clinic=CLINIC, by="user-sam", now=now)
    house.web.people.set_roles(user.id, user.roles, clinic=CLINIC, by="user-sam")
    token = house.web.people.open_session(user.id, now=now)
    assert house.worker.signatures.signed("redflags", "ab", clinic=CLINIC) is not None
    house.web.people.close_session(token)
    assert house.web.audit.verify().holds


def urgent(house: House, uid: str, urgency: Urgency, *, of: str = "") -> str:
    """File an urgent message with the worker's rights; return its case."""
    words: dict[str, Any] = {"message_id": Protected(f"<{uid}@mail.example>")}
    words |= {"references": (Protected(f"<{of}@mail.example>"),)} if of else {}
    place: dict[str, Any] = {"route": Route.URGENT_CLINICAL, "lane": Lane.URGENT}
    read = reading(house.worker, CLINIC, uid=uid, urgency=urgency, **place, **words)
    return house.worker.cases.file(read, clinic=CLINIC, by="worker")


def test_the_watch_sees_all_that_waits_and_takes_every_step(house: House) -> None:
    user = moved_in(house)
    watched, told = Watched(CLINIC, processes=()), Told()
    watch = Watch(lambda: house.watch, watched, [told], urgent=Escalator(CLINIC))
    calm = reading(house.worker, CLINIC, uid="3", lane=Lane.UNSORTED, marks={Mark.NOT_READ})
    draft(house.web, CLINIC, house.worker.cases.file(calm, clinic=CLINIC, by="worker"))
    case_id = urgent(house, "1", Urgency.TODAY)
    waited = update(tables.cases).where(tables.cases.c.id == case_id)
    with house.owner.transactions.write() as work:
        work.run(waited.values(urgent_since=work.now - timedelta(hours=1)))
    watch.once()
    assert {Waiting.UNSORTED, Waiting.NOT_READ, Waiting.DRAFT} == set(watch._sight().oldest)
    assert told.faults >= {Fault.URGENT_AGAIN, Fault.URGENT_DEPUTY, Fault.URGENT_ON_CALL}
    assert house.web.escalations.steps(case_id, clinic=CLINIC)[0] == 3, "and that is remembered"
    assert urgent(house, "2", Urgency.EMERGENCY, of="1") == case_id, "joined and begun anew"
    assert house.web.escalations.now(clinic=CLINIC).waiting == 1
    act = {"clinic": CLINIC, "by": user.id, "seen": None}
    house.web.escalations.act(case_id, "phoned", **act)


@dataclass
class Told:
    """A door that remembers what it was told."""

    name: str = "room"
    faults: set[Fault] = field(default_factory=set)

    def tell(self, notice: Notice) -> None:
        self.faults |= {alarm.fault for alarm, _ in notice.alarms}


def test_the_worker_files_what_comes_from_a_portal(house: House) -> None:
    """It looks for the conversation among the answers a portal gave to our own replies."""
    moved_in(house)
    patient, contacts = ana(CLINIC, number=3)
    there = replace(contacts[0], channel=Channel.PORTAL, address=Protected("Patient/3"))
    house.owner.people.import_roster([(patient, [there])], clinic=CLINIC, by="test")
    names = {"sender": Protected("Patient/3"), "references": (Protected("Communication/9"),)}
    words = reading(house.worker, CLINIC, uid="9", channel=Channel.PORTAL, **names)
    case_id = house.worker.cases.file(words, clinic=CLINIC, by="worker")
    file = house.web.cases.get(case_id, clinic=CLINIC, by="t")
    assert file.patient is not None
    assert file.patient.id == patient.id


def forbidden(house: House, reply_id: str) -> dict[str, Callable[[], object]]:
    web, worker, sender = house.web, house.worker, house.sender
    case_id = web.replies.get(reply_id, clinic=CLINIC, by="x").outgoing.case_id
    words = draft(web, CLINIC, case_id, body="More words.")
    yes = approval(words)
    there = {"not_before": words.edited_at, "message_id": "<9@clinic.example>"}
    return {
        "the web claims": lambda: web.replies.claim(reply_id, clinic=CLINIC, by="web"),
        "the web lands": lambda: web.landing.land([arrival(uid="77")], clinic=CLINIC),
        "the worker claims": lambda: worker.replies.claim(reply_id, clinic=CLINIC, by="worker"),
        "the worker approves": lambda: worker.replies.approve(yes, words, **there),
        "the worker reads replies": lambda: worker.replies.get(reply_id, clinic=CLINIC, by="w"),
        "the worker signs in": lambda: worker.people.check_password("dora", "x"),
        "the sender approves": lambda: sender.replies.approve(yes, words, **there),
        "the sender reads mail": lambda: sender.landing.waiting(limit=1),
        "the sender reads cases": lambda: sender.cases.get(case_id, clinic=CLINIC, by="s"),
        "the sender reads patients": lambda: sender.people.patient("p", clinic=CLINIC, by="s"),
        "the sender reads addresses": lambda: sender.people.contacts("p", clinic=CLINIC, by="s"),
        "the worker signs": lambda: worker.signatures.sign("x", "ab", clinic=CLINIC, by="w"),
        "the worker breaks glass": lambda: worker.glass.smash(
            case_id, NOTHING, minutes=5, clinic=CLINIC, by="user-dora", now=words.edited_at
        ),
        "the worker gives roles": lambda: worker.people.set_roles(
            "user-dora", (), clinic=CLINIC, by="w"
        ),
        "the sender reads emergencies": lambda: sender.glass.all(clinic=CLINIC, by="s"),
        "the sender reads drafts": lambda: sender.replies.draft(case_id, clinic=CLINIC, by="s"),
    }


def test_no_process_can_do_the_work_of_another(house: House) -> None:
    moved_in(house)
    now = house.web._transactions.clock()
    case_id = house.worker.cases.file(reading(house.worker, CLINIC), clinic=CLINIC, by="worker")
    words = draft(house.web, CLINIC, case_id)
    reply = house.web.replies.approve(
        approval(words), words, not_before=now, message_id="<1@clinic.example>"
    )
    for name, attempt in forbidden(house, reply.id).items():
        with pytest.raises(StoreRefused) as caught:
            attempt()
        assert "Marula" not in str(caught.value), name
    assert house.owner.replies.claim(reply.id, clinic=CLINIC, by="owner") is not None


def test_the_web_lands_copies_of_what_has_landed_and_no_other_mail(house: House) -> None:
    moved_in(house)
    first, second = (arrival(uid=uid, content=f"mail {uid}") for uid in "78")
    raw_id, other = house.worker.landing.land([first, second], clinic=CLINIC)
    copy = replace(first, position=first.position.copied(raw_id))
    place = copy.position

    def land(what: Arrival, digest_of: str = raw_id) -> str:
        raws = tables.raw_messages
        with house.web.transactions.write() as work:
            known = work.one(select(raws.c.digest).where(raws.c.id == digest_of), "raw")
            return write_raw(work, what, CLINIC, bytes(known.digest), new_id(), at=work.now)

    again = replace(copy, position=place.copied(land(copy)))
    land(again)
    for planted in (
        first,
        replace(copy, channel=Channel.PORTAL),
        replace(copy, media_type="application/fhir+json"),
        *(
            replace(copy, position=replace(place, **change))
            for change in (
                *({"inbox": "trusted"}, {"mailbox": "Sent"}, {"uid": "nobody"}, {"uid": other}),
                *({"epoch": "7"}, {"epoch": "own case:8"}, {"epoch": "own case:own case:7"}),
            )
        ),
    ):
        with pytest.raises(StoreRefused):
            land(planted)
    with pytest.raises(StoreRefused):
        land(copy, digest_of=other)


def test_only_the_owner_migrates(house: House, postgres: PostgresServer, keys: Keys) -> None:
    with postgres.database() as url:
        with pytest.raises(StoreRefused):
            migrate(url.replace("triage_owner@", "triage_web@"), keys)
        migrate(url, keys)


def test_the_web_lands_forms_and_nothing_else(house: House) -> None:
    moved_in(house)
    place = Position("website", "hook", "hook", "msg_1")
    form = Arrival(place, Channel.FORM, "application/json", b'{"text": "call me"}')
    (raw_id,) = house.web.landing.land([form], clinic=CLINIC, by="hook")
    assert house.web.landing.land([form], clinic=CLINIC, by="hook") == ()
    assert house.worker.landing.raw(raw_id, clinic=CLINIC, by="w").content == form.content
    (mail_id,) = house.worker.landing.land([arrival(uid="7")], clinic=CLINIC)
    for planted in (
        replace(form, channel=Channel.EMAIL, content=b"From: ana@example.org"),
        replace(form, channel=Channel.PORTAL, content=b"{}"),
        replace(form, position=Position("front-desk", "INBOX", "1", "8"), content=b"{}"),
    ):
        with pytest.raises(StoreRefused):
            house.web.landing.land([planted], clinic=CLINIC, by="hook")
    # Nor can it say that a mail nobody has seen yet is known: no form lies behind such a row.
    for raw, inbox in ((mail_id, "front-desk"), (mail_id, "website"), (raw_id, "front-desk")):
        row = {"inbox": inbox, "mailbox": "INBOX", "epoch": "1", "uid": "8", "fate": "landed"}
        row |= {"id": new_id(), "clinic": CLINIC, "raw_id": raw}
        with pytest.raises(StoreRefused), house.web.transactions.write() as work:
            work.add(tables.ledger, digest=b"d" * 32, at=work.now, **row)
    for change in ({"attempts": 9}, {"channel": "email"}):
        with pytest.raises(StoreRefused), house.web.transactions.write() as work:
            work.run(update(tables.raw_messages).values(**change))


def test_oracle_with_one_policy_more_the_web_plants_a_mail(
    postgres: PostgresServer, keys: Keys
) -> None:
    with postgres.database() as url:
        owner = open_store(url, keys)
        web = open_store(url.replace("_owner@", "_web@"), keys, part="web")
        owner.people.add_clinic(Clinic(CLINIC, "Harbour"))
        engine = connect(url, keys, owner=True)
        with engine.begin() as connection:
            for table in ("raw_messages", "ledger"):
                helpful = f"CREATE POLICY helpful ON {table} FOR INSERT WITH CHECK (true)"
                connection.exec_driver_sql(helpful)
        engine.dispose()
        assert web.landing.land([arrival(uid="77")], clinic=CLINIC) != ()
        owner.close()
        web.close()


def seen_by(store: Store, name: str = "replies") -> list[str]:
    table = tables.metadata.tables[name]
    key = table.c.case_id if name == "labels" else table.c.id
    with store.transactions.read() as work:
        return [row[0] for row in work.rows(select(key))]


def test_the_sender_sees_a_reply_while_it_is_on_its_way_and_never_again(house: House) -> None:
    moved_in(house)
    now = house.web._transactions.clock()
    case_id = house.worker.cases.file(reading(house.worker, CLINIC), clinic=CLINIC, by="worker")
    words = draft(house.web, CLINIC, case_id)
    reply = house.web.replies.approve(
        approval(words), words, not_before=now, message_id="<1@clinic.example>"
    )
    assert seen_by(house.sender) == [reply.id]
    claimed = house.sender.replies.claim(reply.id, clinic=CLINIC, by="sender")
    assert claimed is not None
    assert claimed.outgoing == words.outgoing
    assert seen_by(house.sender) == [reply.id]
    house.sender.replies.settle(reply.id, ReplyState.SENT, clinic=CLINIC, by="sender")
    assert seen_by(house.sender) == []
    assert seen_by(house.web) == [reply.id]
    assert house.web.replies.get(reply.id, clinic=CLINIC, by="x").state is ReplyState.SENT


def test_the_web_takes_back_what_somebody_approved_and_the_sender_asks_who_is_here(
    house: House,
) -> None:
    user = moved_in(house)
    now = house.web._transactions.clock()
    taken = []
    for number in (1, 2):
        came = reading(house.worker, CLINIC, uid=str(number))
        case_id = house.worker.cases.file(came, clinic=CLINIC, by="worker")
        words = draft(house.web, CLINIC, case_id)
        reply = house.web.replies.approve(
            approval(words), words, not_before=now, message_id=f"<{number}@clinic.example>"
        )
        taken.append((case_id, reply.id))
    (waits, waiting), (_, sending) = taken
    assert house.sender.replies.claim(sending, clinic=CLINIC, by="sender") is not None
    house.web.people.set_active(user.id, False, clinic=CLINIC, by="user-ada")
    assert house.web.replies.draft(waits, clinic=CLINIC, by="user-ada") is not None
    states = [house.web.replies.get(one, clinic=CLINIC, by="t").state for _, one in taken]
    assert states == [ReplyState.RECALLED, ReplyState.SENDING]
    house.sender.replies.settle(sending, ReplyState.QUEUED, clinic=CLINIC, by="sender")
    for one in (waiting, sending):
        assert house.sender.replies.claim(one, clinic=CLINIC, by="sender") is None
    assert house.web.replies.get(sending, clinic=CLINIC, by="t").why == Protected("approver_left")
    with pytest.raises(StoreRefused, match="InsufficientPrivilege"):
        house.sender.people.users(clinic=CLINIC)


def test_the_sender_sends_what_is_enclosed_and_opens_forms_only_meanwhile(house: House) -> None:
    user = moved_in(house)
    now = house.web._transactions.clock()
    form = house.web.forms.add(Protected("Fasting.pdf"), b"no food", clinic=CLINIC, by=user.id)
    house.web.forms.add(Protected("Theirs.pdf"), b"theirs", clinic="clinic-b", by="user-b")
    case_id = house.worker.cases.file(reading(house.worker, CLINIC), clinic=CLINIC, by="worker")
    label = Label(
        "label-1", CLINIC, case_id, "m", Route.REFILL, frozenset(), Urgency.ROUTINE,
        Route.GENERAL, frozenset(), Urgency.ROUTINE, user.id, now,
    )  # fmt: skip
    house.web.cases.reroute(case_id, label, clinic=CLINIC, by=user.id, score=1, lane=Lane.SORTED)
    plain = draft(house.web, CLINIC, case_id)
    outgoing = replace(plain.outgoing, attachments=(("Fasting.pdf", form.digest),))
    words = replace(plain, outgoing=outgoing)
    house.web.replies.save_draft(words, by=user.id)
    assert seen_by(house.sender, "forms") == seen_by(house.sender, "labels") == []
    reply = house.web.replies.approve(
        approval(words), words, not_before=now, message_id="<1@clinic.example>"
    )
    claimed = house.sender.replies.claim(reply.id, clinic=CLINIC, by="sender")
    assert claimed is not None
    assert claimed.outgoing.files == (b"no food",)
    assert seen_by(house.sender, "forms") == [form.id]
    assert seen_by(house.sender, "labels") == [case_id]
    with house.owner.transactions.write() as work:
        urgent = {"urgency": 2, "acted_at": now, "acted_by": user.id, "acted_how": "called"}
        work.run(update(tables.cases).values(**urgent))
    house.sender.replies.settle(reply.id, ReplyState.FAILED, clinic=CLINIC, by="sender")
    assert house.owner.escalations.now(clinic=CLINIC).waiting == 1
    assert seen_by(house.sender, "forms") == seen_by(house.sender, "labels") == []


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE replies DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY helpful ON replies USING (true)",
        "DROP POLICY sees_what_is_on_its_way ON replies",
        "DROP POLICY sees_what_is_on_its_way ON triage_keys.wrapped_keys",
        "ALTER TABLE triage_keys.wrapped_keys DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY helpful ON triage_keys.wrapped_keys USING (true)",
        "CREATE POLICY helpful ON raw_messages FOR INSERT TO triage_web WITH CHECK (true)",
        "CREATE OR REPLACE FUNCTION triage_on_its_way(reply varchar, shown varchar)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ],
)
def test_a_store_that_shows_the_sender_more_is_refused_until_it_is_migrated(
    postgres: PostgresServer, keys: Keys, damage: str
) -> None:
    with postgres.database() as url:
        engine = connect(url, keys, owner=True)
        with engine.begin() as connection:
            connection.exec_driver_sql(damage)
        engine.dispose()
        with pytest.raises(StoreRefused, match="sender may see"):
            open_store(url, keys)
        migrate(url, keys)
        open_store(url, keys).close()
