"""Contact records kept by hand: what is changed is unverified, what is retired gets nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from tests.store.practice import NOON, ana, queued, reading
from triage.domain import (
    Channel,
    Clinic,
    Contact,
    IdentifierType,
    Mark,
    Protected,
    Reached,
    Spot,
)
from triage.errors import ChangedUnderneath, NotAnswerable, NotFound
from triage.store import Keys, Store, tables
from triage.store import contacts as shelf
from triage.store.engine import connect
from triage.store.guards import drop_guards

pytestmark = pytest.mark.bar(22)
BY = "user-sam"
NEW = "new@patients.example"


def known(store: Store, clinic: str) -> list[Contact]:
    return list(store.contacts.of("patient-1", clinic=clinic, by=BY)[1])


def first(store: Store, clinic: str) -> Contact:
    return next(one for one in known(store, clinic) if one.id == "contact-1")


def leaves(store: Store, reply_id: str, clinic: str) -> bool:
    return store.replies.claim(reply_id, clinic=clinic, by="sender") is not None


def test_a_patient_is_found_by_whole_words_and_by_nothing_else(store: Store, clinic: str) -> None:
    store.people.import_roster(
        [ana(clinic, number=1), ana(clinic, number=2)], clinic=clinic, by="t"
    )
    store.people.add_clinic(Clinic("clinic-b", "Elsewhere"))

    def found(words: str, *, at: str = clinic) -> list[str]:
        return [one.id for one in store.contacts.find(Protected(words), clinic=at, by=BY)]

    assert found("marula") == ["patient-1", "patient-2"]
    assert found("Ana MRN-00002") == ["patient-2"]
    assert found("ana1@patients.example") == ["patient-1"]
    assert found("1971-03-09 mrn-00001") == ["patient-1"]
    for nobody in ("maru", "marula nobody", "", "ana9@patients.example"):
        assert found(nobody) == [], nobody
    assert found("marula", at="clinic-b") == []
    said = store.audit.events(clinic=clinic, by="t", action="patient.searched")
    assert "patients.example" not in repr(said)


def test_another_address_is_verified_by_nobody_until_somebody_says_so(
    store: Store, clinic: str
) -> None:
    reply = queued(store, clinic)
    before = first(store, clinic)
    moved = replace(before, address=Protected(NEW))
    after = store.contacts.change(moved, clinic=clinic, by=BY)
    assert (after.verified_by, after.consent_to_email, after.consent_by) == (None, False, None)
    old = next(one for one in known(store, clinic) if one.id == before.id)
    assert (old.retired_by, old.verified_by, old.address) == (BY, None, before.address)
    # What was on its way keeps its recipient, who is not reached any more; it goes nowhere else.
    assert not leaves(store, reply.id, clinic)
    # The old address proves nobody, the new one not yet.
    came = reading(store, clinic, uid="again")
    case = store.cases.file(came, clinic=clinic, by="worker")
    assert store.cases.get(case, clinic=clinic, by="t").patient is None
    store.people.verify_contact(after.id, clinic=clinic, by=BY)
    (found,) = [one for one in known(store, clinic) if one.id == after.id]
    assert found.verified_by == BY
    with pytest.raises(NotFound):
        store.people.verify_contact(before.id, clinic=clinic, by=BY)
    with pytest.raises(NotFound):
        store.people.record_consent(before.id, True, clinic=clinic, by=BY)
    events = store.audit.events(clinic=clinic, by="t", action="contact.moved")
    assert [(one.actor, one.detail["earlier"]) for one in events] == [(BY, before.id)]
    assert NEW not in repr(store.audit.events(clinic=clinic, by="t", limit=99))


def test_a_retired_contact_gets_no_mail_and_no_import_brings_it_back(
    store: Store, clinic: str
) -> None:
    reply = queued(store, clinic)
    store.contacts.retire("contact-1", version=0, clinic=clinic, by=BY)
    assert not leaves(store, reply.id, clinic)
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    old = first(store, clinic)
    assert (old.retired_at is not None, old.verified_by) == (True, None)
    assert store.people.contacts("patient-1", clinic=clinic, by="t") == []
    with pytest.raises(NotFound):
        store.contacts.retire("contact-1", version=1, clinic=clinic, by=BY)
    # By hand it comes back, for somebody to verify anew.
    again = store.contacts.add(replace(old, id="other"), clinic=clinic, by=BY)
    assert (again.id, again.retired_at, again.verified_by) == ("contact-1", None, None)
    with pytest.raises(NotAnswerable):
        store.contacts.add(replace(old, id="other"), clinic=clinic, by=BY)


def test_a_name_changes_in_place_and_nobody_overwrites_a_colleague(
    store: Store, clinic: str
) -> None:
    reply = queued(store, clinic)
    before = first(store, clinic)
    # The same mailbox, written otherwise, is no other address.
    shouted = Protected(before.address.reveal().upper())
    named = replace(before, address=shouted, name=Protected("Her mother"), relation="parent")
    after = store.contacts.change(named, clinic=clinic, by=BY)
    assert (after.id, after.verified_by, after.relation) == (before.id, "front desk", "parent")
    with pytest.raises(ChangedUnderneath):
        store.contacts.change(named, clinic=clinic, by=BY)
    with pytest.raises(ChangedUnderneath):
        store.contacts.retire(before.id, version=0, clinic=clinic, by=BY)
    assert leaves(store, reply.id, clinic)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_another_clinic_reaches_no_contact(store: Store, clinic: str) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    store.people.add_clinic(Clinic("clinic-b", "Elsewhere"))
    before = first(store, clinic)
    there = {"clinic": "clinic-b", "by": "user-eve"}
    for attempt in (
        lambda: store.contacts.of("patient-1", **there),
        lambda: store.contacts.add(replace(before, address=Protected(NEW)), **there),
        lambda: store.contacts.change(replace(before, address=Protected(NEW)), **there),
        lambda: store.contacts.retire(before.id, version=0, **there),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert known(store, clinic) == [before]


def test_the_database_holds_it_against_direct_sql(
    store: Store, clinic: str, store_url: str, keys: Keys
) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    engine, table = connect(store_url, keys, owner=True), tables.contacts
    retired = {"retired_at": NOON, "retired_by": BY}
    attacks = (
        {"address_index": b"another"},
        retired,
        {**retired, "verified_by": None},
        {"channel": Channel.PORTAL.value},
        {"clinic": "clinic-b"},
    )
    for values in attacks:
        with engine.connect() as connection, pytest.raises(DBAPIError, match="guard"):
            connection.execute(update(table).values(**values))
    # The oracle: without guards each of them works.
    with engine.connect() as connection:
        drop_guards(connection)
        for values in attacks[:4]:
            assert connection.execute(update(table).values(**values)).rowcount == 1
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_mail_would_reach_a_retired_contact_if_its_verification_stayed(
    store: Store, clinic: str, store_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: retiring leaves who verified it, and the guards are gone."""
    reply = queued(store, clinic)
    engine = connect(store_url, keys, owner=True)
    with engine.connect() as connection:
        drop_guards(connection)
        connection.commit()
    engine.dispose()
    monkeypatch.setattr(shelf, "_OUT", {})
    store.contacts.retire("contact-1", version=0, clinic=clinic, by=BY)
    assert leaves(store, reply.id, clinic)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_an_erased_patient_s_contacts_are_nobody_s(store: Store, clinic: str) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    with store.transactions.write() as work:
        work.run(update(tables.patients).values(erased_at=NOON))
    with pytest.raises(NotFound):
        store.contacts.of("patient-1", clinic=clinic, by=BY)
    assert store.contacts.find(Protected("marula"), clinic=clinic, by=BY) == ()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_mail_from_a_retired_address_is_a_stranger_s(store: Store, clinic: str) -> None:
    store.people.import_roster([ana(clinic)], clinic=clinic, by="t")
    store.contacts.retire("contact-1", version=0, clinic=clinic, by=BY)
    case = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    file = store.cases.get(case, clinic=clinic, by="t")
    assert (file.patient, file.contact) == (None, None)
    assert Mark.UNKNOWN_SENDER in file.case.marks


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_retired_contact_is_on_no_paper_and_its_reader_is_a_stranger_in_drafts(
    store: Store, clinic: str
) -> None:
    """Bo read for Ana, as a contact of hers; he is a patient himself, at the same address."""
    (patient, (own,)), (other, (at,)) = ana(clinic), ana(clinic, number=2)
    bo, address = Protected("Bo Tanner"), Protected("bo@patients.example")
    his = replace(at, address=address, name=bo)
    for_ana = replace(own, id="reader", address=address, name=bo, relation="proxy")
    people = [(patient, [own, for_ana]), (replace(other, name=bo), [his])]
    store.people.import_roster(people, clinic=clinic, by="t")
    case_id = store.cases.file(reading(store, clinic), clinic=clinic, by="worker")
    spots = (
        Spot(IdentifierType.NAME, bo, ("bo", "tanner"), sure=True),
        Spot(IdentifierType.EMAIL, address, (address.reveal(),), sure=True),
        Spot(IdentifierType.EMAIL, own.address, (own.address.reveal(),), sure=True),
    )

    def printed() -> str:
        return repr(store.paper.now(clinic=clinic, by="paper").content["items"])

    def strangers() -> set[IdentifierType]:
        where = {"clinic": clinic, "by": BY, "case_id": case_id}
        reached = Reached(patient.id, Channel.EMAIL, own.address)
        return {one.kind for one in store.bystanders.among(spots, reached, **where)}

    assert (address.reveal() in printed(), strangers()) == (True, set())
    store.contacts.retire("reader", version=0, clinic=clinic, by=BY)
    assert "bo@" not in printed()
    assert own.address.reveal() in printed()
    assert strangers() == {IdentifierType.NAME, IdentifierType.EMAIL}
    # An old address of the patient's that is nobody else's names nobody else.
    store.contacts.retire("contact-1", version=0, clinic=clinic, by=BY)
    spots = spots[2:]
    assert strangers() == set()
