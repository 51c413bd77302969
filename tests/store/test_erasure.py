"""Erasing is destroying a key: audited, final, and refused while a legal hold stands."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.store.practice import NOON, ana, arrival, queued, reading
from tests.store.test_envelopes import owners
from tests.store.test_rotation import age, owning
from triage.domain import (
    NOTHING,
    Check,
    Label,
    PaperEntry,
    Protected,
    Reply,
    ReplyState,
    Route,
    Urgency,
    new_id,
)
from triage.errors import Erased, NotFound, OnHold, StoreRefused
from triage.store import Keys, Life, Store, open_life, tables
from triage.store.erasures import Erasure, ErasureList
from triage.store.keyring import of_case, of_patient, of_raw
from triage.store.keystore import KeyStore, connect_keys
from triage.store.life import erase_again
from triage.store.rotation import _sealed

pytestmark = pytest.mark.bar(44)


@pytest.fixture
def life(store: Store, store_url: str, keys: Keys, tmp_path: Path) -> Life:
    return open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"])


def test_an_erased_case_opens_no_more_and_the_audit_keeps_its_id(
    store: Store, life: Life, clinic: str, keys: Keys, tmp_path: Path
) -> None:
    reply = queued(store, clinic)
    case_id = reply.outgoing.case_id
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    life.erase("case", case_id, clinic=clinic, by="user-dora")
    for attempt in (
        lambda: store.cases.get(case_id, clinic=clinic, by="t"),
        lambda: store.cases.original(message.id, clinic=clinic, by="t"),
        lambda: store.landing.raw(message.raw_id, clinic=clinic, by="t"),
        lambda: life.erase("case", case_id, clinic=clinic, by="t"),
    ):
        with pytest.raises(Erased):
            attempt()
    assert store.cases.queue(clinic=clinic, by="t") == []
    assert store.replies.due(store.transactions.clock(), limit=9) == []
    said = [event.action for event in store.cases.history(case_id, clinic=clinic, by="t")]
    assert "case.erased" in said
    assert "Marula" not in repr(store.audit.events(clinic=clinic, by="t"))
    assert store.audit.verify().holds
    (listed,) = ErasureList([tmp_path / "erasures.list"], keys.audit).read()
    assert listed.subject == case_id
    # The server lists the same mail again: it is known, and does not come back.
    assert store.landing.land([arrival("raw words " + "x", uid="fresh")], clinic=clinic)


def test_an_erased_patient_takes_every_case_along_and_stays_away(
    store: Store, life: Life, clinic: str
) -> None:
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    first, second = (queued(store, clinic).outgoing.case_id for _ in range(2))
    life.erase("patient", "patient-1", clinic=clinic, by="user-dora")
    for case_id in (first, second):
        with pytest.raises(Erased):
            store.cases.get(case_id, clinic=clinic, by="t")
    with pytest.raises(Erased):
        store.people.patient("patient-1", clinic=clinic, by="t")
    found = store.people.find_patients(Protected("marula"), clinic=clinic, by="t")
    assert [one.id for one in found] == ["patient-2"]
    assert store.people.import_roster([ana(clinic)], clinic=clinic, by="t") == 0
    after = store.cases.file(reading(store, clinic, uid="later"), clinic=clinic, by="worker")
    assert store.cases.get(after, clinic=clinic, by="t").patient is None
    assert store.backgrounds.known(clinic=clinic, by="t") is not None
    assert all(label.why == NOTHING for label in store.labels.all(clinic=clinic, by="t"))


@pytest.mark.parametrize("held", ["case", "patient"])
@pytest.mark.parametrize("erased", ["case", "patient"])
def test_a_legal_hold_blocks_erasure_until_it_is_lifted(
    store: Store, life: Life, clinic: str, held: str, erased: str
) -> None:
    case_id = queued(store, clinic).outgoing.case_id
    names = {"case": case_id, "patient": "patient-1"}
    life.hold(held, names[held], Protected("a claim"), clinic=clinic, by="t")
    with pytest.raises(OnHold):
        life.erase(erased, names[erased], clinic=clinic, by="t")
    assert store.cases.get(case_id, clinic=clinic, by="t").messages
    assert store.replies.due(store.transactions.clock(), limit=9)
    life.lift(held, names[held], clinic=clinic, by="t")
    life.erase(erased, names[erased], clinic=clinic, by="t")
    with pytest.raises(NotFound):
        life.erase("case", "nobody's", clinic=clinic, by="t")


def test_an_erasure_cut_off_half_way_is_finished_later(
    store: Store, life: Life, clinic: str, store_url: str, keys: Keys, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    case_id = queued(store, clinic).outgoing.case_id
    (message,) = store.cases.get(case_id, clinic=clinic, by="t").messages
    with monkeypatch.context() as patch:
        patch.setattr(KeyStore, "destroy", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            life.erase("case", case_id, clinic=clinic, by="t")
    # The oracle: the key is still there.
    assert store.landing.raw(message.raw_id, clinic=clinic, by="t").content
    open_life(store_url, keys, store, lists=[tmp_path / "erasures.list"]).close()
    with pytest.raises(Erased):
        store.landing.raw(message.raw_id, clinic=clinic, by="t")


def test_a_reply_on_the_wire_and_a_forged_line_erase_nothing(
    store: Store, life: Life, clinic: str, keys: Keys, tmp_path: Path, store_url: str
) -> None:
    from triage.errors import TooLate

    reply = queued(store, clinic)
    if store_url.startswith("postgresql"):
        # SQLite has one writer. Here the sender is claiming it this very moment.
        moving = update(tables.replies).values(state="sending")
        with store.transactions.write() as work:
            work.run(moving.where(tables.replies.c.id == reply.id))
            with pytest.raises(TooLate):
                life.erase("case", reply.outgoing.case_id, clinic=clinic, by="t")
            work.connection.rollback()
    store.replies.claim(reply.id, clinic=clinic, by="sender")
    with pytest.raises(TooLate):
        life.erase("case", reply.outgoing.case_id, clinic=clinic, by="t")
    store.replies.settle(reply.id, ReplyState.SENT, clinic=clinic, by="sender")
    life.erase("case", reply.outgoing.case_id, clinic=clinic, by="t")
    path = tmp_path / "erasures.list"
    path.write_bytes(path.read_bytes() * 2 + b'{"id": "x"} 00\ncut')
    assert len(ErasureList([path], keys.audit).read()) == 1


def test_a_patient_gets_a_copy_of_what_is_theirs_and_the_audit_says_so(
    store: Store, life: Life, clinic: str
) -> None:
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    case_id = fill_every_table(store, life, clinic)
    copy = store.copy_of("patient-1", clinic=clinic, by="sam")
    (left,), (noted,), (checked,) = (
        copy[name] for name in ("departures", "paper_entries", "checks")
    )
    assert left["content"] == "Ana Marula's letter"
    assert noted["note"] == checked["suggested"] == WHY.reveal()
    assert "lisinopril" in copy["messages"][0]["body"]
    assert "Marula 2" not in repr(copy)
    events = store.audit.events(clinic=clinic, by="t", action="patient.exported")
    ((actor, cases),) = [(one.actor, one.cases) for one in events]
    assert (actor, case_id in cases) == ("sam", True)
    life.erase("patient", "patient-1", clinic=clinic, by="sam")
    with store.transactions.read() as work:
        (row,) = work.rows(select(tables.departures))
        with pytest.raises(Erased):
            work.vault.open(row.content, row.id)
    with pytest.raises(Erased):
        store.copy_of("patient-1", clinic=clinic, by="sam")


#: Sealed tables that hold nothing of a patient.
STORES_OWN = {"sessions", "second_factors", "forms", "own_templates"}
SEALED = {table.name for table in tables.metadata.sorted_tables if _sealed(table)}
WHY = Protected("Ana Marula collapsed")


def leave(store: Store, clinic: str, reply: Reply) -> None:
    """Send a reply, so that the bytes that left are kept."""
    taken = store.replies.claim(reply.id, clinic=clinic, by="sender")
    assert taken is not None
    store.departures.keep(taken, b"Ana Marula's letter", by="sender")
    store.replies.settle(reply.id, ReplyState.SENT, clinic=clinic, by="sender")


def on_paper(store: Store, clinic: str, case_id: str) -> None:
    """Say what was done with a case while nothing worked."""
    store.paper.written(store.paper.now(clinic=clinic, by="paper"), clinic=clinic)
    store.paper.begin(clinic=clinic, by="user-dora", now=NOON)
    (outage,) = store.paper.outages(clinic=clinic, by="user-dora")
    entry = PaperEntry(case_id, "user-dora", NOON, "still_open", "user-dora", WHY)
    store.paper.enter(outage.id, entry, clinic=clinic)


def fill_every_table(store: Store, life: Life, clinic: str) -> str:
    """Return a case of patient-1; every table of a patient's words has a row."""
    reply = queued(store, clinic, check=Check(WHY))
    case_id = reply.outgoing.case_id
    leave(store, clinic, reply)
    store.notes.write(case_id, WHY, clinic=clinic, by="user-dora")
    on_paper(store, clinic, case_id)
    more = reading(store, clinic, uid=new_id(), urgency=Urgency.TODAY)
    store.cases.file(more, clinic=clinic, by="worker")
    store.glass.smash(case_id, WHY, minutes=5, clinic=clinic, by="user-dora", now=NOON)
    life.hold("case", case_id, WHY, clinic=clinic, by="t")
    life.hold("patient", "patient-1", WHY, clinic=clinic, by="t")
    life.lift("case", case_id, clinic=clinic, by="t")
    life.lift("patient", "patient-1", clinic=clinic, by="t")
    what = (Route.REFILL, frozenset[Route](), Urgency.ROUTINE)
    label = Label(new_id(), clinic, case_id, "test-1", *what, *what, "user-dora", NOON, WHY)
    store.labels.add(label, by="user-dora")
    with store.transactions.write() as work:
        note = work.seal(tables.cases, case_id, under=of_case(case_id), note=WHY)
        work.run(update(tables.cases).where(tables.cases.c.id == case_id).values(**note))
    return case_id


def erase_cases(store: Store, life: Life, clinic: str) -> None:
    for row in store.cases.queue(clinic=clinic, by="t"):
        life.erase("case", row.case.id, clinic=clinic, by="t")


@pytest.mark.parametrize("name", sorted(SEALED - STORES_OWN))
def test_nothing_is_erased_while_a_master_key_opens_a_part_of_it(
    store: Store, life: Life, clinic: str, store_url: str, keys: Keys, name: str
) -> None:
    case_id = fill_every_table(store, life, clinic)
    with owning(store_url, keys) as doing, doing.write() as work:
        assert age(work, tables.metadata.tables[name]), f"nothing in {name} to age"
    with pytest.raises(StoreRefused, match="keys rotate"):
        life.erase("patient", "patient-1", clinic=clinic, by="t")
    assert store.people.patient("patient-1", clinic=clinic, by="t").name
    assert store.cases.get(case_id, clinic=clinic, by="t").messages
    if name not in ("patients", "contacts"):
        with pytest.raises(StoreRefused, match="keys rotate"):
            erase_cases(store, life, clinic)


def test_a_patient_who_is_not_the_one_with_old_words_can_go(
    store: Store, life: Life, clinic: str, store_url: str, keys: Keys
) -> None:
    store.people.import_roster([ana(clinic, number=2)], clinic=clinic, by="t")
    queued(store, clinic)
    with owning(store_url, keys) as doing, doing.write() as work:
        age(work, tables.messages)
        age(work, tables.raw_messages)
    life.erase("patient", "patient-2", clinic=clinic, by="t")
    with pytest.raises(Erased):
        store.people.patient("patient-2", clinic=clinic, by="t")


def test_a_restore_gives_old_words_a_key_and_destroys_it(
    store: Store, life: Life, clinic: str, store_url: str, keys: Keys
) -> None:
    """A backup from before data keys, and an erasure done since that only the list knows."""
    case_id = fill_every_table(store, life, clinic)
    (raw_id,) = {one.raw_id for one in store.cases.get(case_id, clinic=clinic, by="t").messages}
    gone = (of_patient("patient-1"), of_case(case_id), of_raw(raw_id))
    erasure = Erasure(new_id(), clinic, "patient", "patient-1", gone)
    with owning(store_url, keys) as doing:
        with doing.write() as work:
            for name in sorted(SEALED - STORES_OWN):
                age(work, tables.metadata.tables[name])
        with doing.write() as work:
            erase_again(work, erasure)
        apart = KeyStore(connect_keys(store_url, keys, owner=True))
        apart.destroy(erasure.owners, NOON)
        doing.vault.ring.look_again() if doing.vault.ring else None
        with doing.read() as work:
            texts = [
                (table, row)
                for table in (tables.patients, tables.contacts, tables.holds)
                for row in work.rows(select(table))
            ]
            filed = select(tables.messages).where(tables.messages.c.case_id == case_id)
            texts += [(tables.messages, row) for row in work.rows(filed)]
            raws = tables.raw_messages
            came = select(raws).where(raws.c.id == raw_id)
            texts += [(raws, row) for row in work.rows(came)]
            for table, row in texts:
                for name in _sealed(table):
                    if (value := getattr(row, name)) is not None:
                        with pytest.raises(Erased):
                            work.vault.open(value, row.id)


@pytest.mark.parametrize("kind", ["case", "patient"])
def test_the_reason_of_a_hold_goes_with_what_was_held(
    store: Store, life: Life, clinic: str, kind: str
) -> None:
    case_id = queued(store, clinic).outgoing.case_id
    subject = {"case": case_id, "patient": "patient-1"}[kind]
    life.hold(kind, subject, WHY, clinic=clinic, by="t")
    assert owners(store)["holds"] == {f"{kind}:{subject}"}
    life.lift(kind, subject, clinic=clinic, by="t")
    life.erase(kind, subject, clinic=clinic, by="t")
    with store.transactions.read() as work:
        row = work.one(select(tables.holds), "hold")
        with pytest.raises(Erased):
            work.vault.text(row.reason, row.id)


@pytest.mark.parametrize("torn", [b'{"clinic": "c", "id"', b"whole but for its end"])
def test_half_a_line_of_the_erasure_list_swallows_no_erasure(tmp_path: Path, torn: bytes) -> None:
    """The disk was full or the power went; what is erased afterwards must stay erased."""
    paths, key = [tmp_path / "home", tmp_path / "second"], b"k" * 32
    listed = ErasureList(paths, key)
    first, second, third = (
        Erasure(name, "c", "case", name, (f"case:{name}",)) for name in ("1", "2", "3")
    )
    listed.add(first)
    if torn.startswith(b"whole"):
        paths[0].write_bytes(paths[0].read_bytes().rstrip(b"\n"))
    else:
        with paths[0].open("ab") as file:
            file.write(torn)
    listed.add(second)
    listed.add(third)
    for path in paths:
        assert ErasureList([path], key).read() == (first, second, third)
    assert b"\n\n" not in paths[0].read_bytes() + paths[1].read_bytes()
