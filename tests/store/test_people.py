"""Sign-in, sessions, the roster, and who may be found."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.practice import NOON, add_staff, ana
from triage.domain import Channel, Protected, Role, Route, Team, User
from triage.errors import NotFound, NotSignedIn, StoreRefused
from triage.store import Store


def test_only_the_right_name_and_password_sign_in(store: Store, clinic: str) -> None:
    user = add_staff(store, clinic)
    assert store.people.check_password("dora", "correct horse battery") == user
    for name, password in (("dora", "wrong"), ("nobody", "correct horse battery"), ("", "")):
        with pytest.raises(NotSignedIn):
            store.people.check_password(name, password)
    with pytest.raises(StoreRefused, match="taken"):
        store.people.add_user(replace(user, id="user-2"), "x")


def test_a_session_ends_when_idle_when_old_and_when_closed(store: Store, clinic: str) -> None:
    user = add_staff(store, clinic)
    token = store.people.open_session(user.id, now=NOON)
    now = NOON
    for _ in range(50):
        now += timedelta(minutes=14, seconds=20)
        if now - NOON < timedelta(hours=12):
            assert store.people.session(token, now=now).user == user
    with pytest.raises(NotSignedIn):
        store.people.session(token, now=NOON + timedelta(hours=12))
    idle = store.people.open_session(user.id, now=NOON)
    with pytest.raises(NotSignedIn):
        store.people.session(idle, now=NOON + timedelta(minutes=15))
    closed = store.people.open_session(user.id, now=NOON)
    store.people.close_session(closed)
    store.people.close_session(closed)
    for bad in (closed, "", "x" * 5000, "\ud800"):
        with pytest.raises(NotSignedIn):
            store.people.session(bad, now=NOON)


def test_shutting_a_person_out_ends_their_sessions_at_once(store: Store, clinic: str) -> None:
    user = add_staff(store, clinic)
    token = store.people.open_session(user.id, now=NOON)
    store.people.set_active(user.id, False, clinic=clinic, by="admin")
    for attempt in (
        lambda: store.people.session(token, now=NOON),
        lambda: store.people.open_session(user.id, now=NOON),
        lambda: store.people.check_password("dora", "correct horse battery"),
    ):
        with pytest.raises(NotSignedIn):
            attempt()
    store.people.set_active(user.id, True, clinic=clinic, by="admin")
    with pytest.raises(NotSignedIn):
        store.people.session(token, now=NOON)
    store.people.set_password(user.id, "another one", clinic=clinic, by="admin")
    assert store.people.check_password("dora", "another one") == user


def test_a_user_of_another_clinic_is_not_found(store: Store, clinic: str) -> None:
    user = add_staff(store, clinic)
    assert store.people.user(user.id, clinic=clinic) == user
    assert store.people.users(clinic="clinic-b") == []
    with pytest.raises(NotFound):
        store.people.user(user.id, clinic="clinic-b")
    with pytest.raises(NotFound):
        store.people.set_active(user.id, False, clinic="clinic-b", by="eve")


def test_teams_and_clinics_are_kept(store: Store, clinic: str) -> None:
    team = Team("team-1", clinic, "Front desk", frozenset({Route.REFILL}))
    store.people.add_team(team)
    store.people.add_team(replace(team, name="Front"))
    assert store.people.teams(clinic=clinic) == [replace(team, name="Front")]
    assert store.people.clinic(clinic).name == "Harbour Family Practice"
    assert [found.id for found in store.people.clinics()] == [clinic]
    with pytest.raises(NotFound):
        store.people.clinic("elsewhere")


def test_the_roster_updates_by_record_number_and_keeps_what_was_verified(
    store: Store, clinic: str
) -> None:
    patient, (contact,) = ana(clinic)
    assert store.people.import_roster([(patient, [contact])], clinic=clinic, by="t") == 1
    renamed = replace(patient, id="another-id", name=Protected("Ana Marula-Okoye"))
    moved = replace(contact, id="new", address=Protected("ana@new.example"), verified_by=None)
    unverified = replace(contact, verified_by=None, consent_to_email=False)
    store.people.import_roster([(renamed, [unverified, moved])], clinic=clinic, by="t")
    found = store.people.patient(patient.id, clinic=clinic, by="t")
    assert found == replace(renamed, id=patient.id)
    kept = {c.id: c for c in store.people.contacts(patient.id, clinic=clinic, by="t")}
    assert kept["contact-1"].verified_by == "front desk"
    assert not kept["contact-1"].consent_to_email
    assert kept["new"].verified_by is None
    store.people.verify_contact("new", clinic=clinic, by="user-dora")
    at = {"clinic": clinic, "by": "t"}
    (there,) = store.people.contacts_at(Channel.EMAIL, Protected("ANA@new.example"), **at)
    assert (there.id, there.verified_by) == ("new", "user-dora")
    assert store.people.contacts_at(Channel.PORTAL, Protected("ana@new.example"), **at) == []


@pytest.mark.bar(22)
def test_an_address_that_the_roster_replaced_is_asked_about_again(
    store: Store, clinic: str
) -> None:
    """ "Not there any more, somebody else reads it": a list with another address says the same."""
    patient, (given,) = ana(clinic)
    listed = replace(given, verified_by="roster")
    hand = replace(given, id="hand", address=Protected("ana@work.example"), verified_by="roster")
    new = replace(given, id="new", address=Protected("ana@new.example"), verified_by="roster")
    portal = replace(given, id="there", channel=Channel.PORTAL, address=Protected("Patient/1"))
    store.people.import_roster([(patient, [listed, hand, portal])], clinic=clinic, by="t")
    store.people.verify_contact("hand", clinic=clinic, by="user-dora")
    store.people.record_consent("hand", True, clinic=clinic, by="user-dora")

    def trusted() -> dict[str, tuple[bool, bool]]:
        every = store.people.contacts(patient.id, clinic=clinic, by="t")
        return {one.id: (one.verified_by is not None, one.consent_to_email) for one in every}

    before = {"contact-1": (True, True), "hand": (True, True), "there": (True, True)}
    assert trusted() == before
    store.people.import_roster([(patient, [])], clinic=clinic, by="t")
    assert trusted() == before, "it may be a list without addresses"
    store.people.import_roster([(patient, [new])], clinic=clinic, by="t")
    assert trusted() == {**before, "contact-1": (False, False), "new": (True, True)}
    (event,) = store.audit.events(clinic=clinic, by="t", action="roster.imported", limit=1)
    assert event.detail["unlisted"] == "1"


def consent(store: Store, clinic: str) -> tuple[bool, str | None, bool]:
    (kept,) = store.people.contacts("patient-1", clinic=clinic, by="t")
    return kept.consent_to_email, kept.consent_by, kept.consent_at is not None


@pytest.mark.bar(22)
def test_consent_says_who_recorded_it_and_a_roster_does_not_overrule_a_person(
    store: Store, clinic: str
) -> None:
    patient, (agreed,) = ana(clinic)
    silent = replace(agreed, consent_to_email=False)
    for contact, expected in (
        (silent, (False, None, False)),
        (agreed, (True, "roster", True)),
        (silent, (False, None, False)),
    ):
        store.people.import_roster([(patient, [contact])], clinic=clinic, by="t")
        assert consent(store, clinic) == expected
    for said in (True, False):
        store.people.record_consent("contact-1", said, clinic=clinic, by="user-dora")
        store.people.import_roster([(patient, [agreed])], clinic=clinic, by="t")
        store.people.import_roster([(patient, [silent])], clinic=clinic, by="t")
        assert consent(store, clinic) == (said, "user-dora", True)
    with pytest.raises(NotFound):
        store.people.record_consent("contact-1", True, clinic="clinic-b", by="eve")


def test_the_portals_references_keep_their_case(store: Store, clinic: str) -> None:
    patient, (contact,) = ana(clinic)
    portal = replace(contact, channel=Channel.PORTAL, address=Protected("Patient/aB1"))
    store.people.import_roster([(patient, [portal])], clinic=clinic, by="t")
    for address, count in (("Patient/aB1", 1), ("patient/ab1", 0)):
        found = store.people.contacts_at(Channel.PORTAL, Protected(address), clinic=clinic, by="t")
        assert len(found) == count


@pytest.mark.parametrize(
    ("words", "count"),
    [("ana", 3), ("marula 2", 1), ("1971-03-09 MRN-00003", 1), ("zoe", 0), ("", 0), ("  ", 0)],
)
def test_patients_are_found_by_every_word(
    store: Store, clinic: str, words: str, count: int
) -> None:
    roster = [ana(clinic, number=number) for number in (1, 2, 3)]
    store.people.import_roster(roster, clinic=clinic, by="t")
    found = store.people.find_patients(Protected(words), clinic=clinic, by="t")
    assert len(found) == count
    assert store.people.find_patients(Protected(words), clinic="clinic-b", by="t") == []


def test_passwords_and_tokens_are_kept_as_hashes_only(store: Store, clinic: str) -> None:
    from sqlalchemy import select

    from triage.store import tables

    user = add_staff(store, clinic)
    token = store.people.open_session(user.id, now=NOON)
    with store._transactions.read() as work:
        sessions = work.rows(select(tables.sessions))
        (kept,) = work.rows(select(tables.users))
    # One of them is that in which the key for approvals was enrolled.
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert sum(session.id == digest for session in sessions) == 1
    assert token not in repr(sessions)
    assert kept.password.startswith("$argon2id$")
    assert User(user.id, clinic, "dora", "Dora", frozenset({Role.SECRETARY})) == user
