"""What the store tells the redactor beforehand: keyed digests, and the conversation's names."""

from dataclasses import replace

import pytest

from tests.store.practice import NOON, add_staff, ana, message, reading
from triage.domain import (
    NO_BACKGROUND,
    IdentifierType,
    Message,
    Protected,
    Redacted,
    Redaction,
    in_turn,
)
from triage.store import Store


@pytest.fixture
def roster(store: Store, clinic: str) -> Store:
    person, contacts = ana(clinic)
    known = (
        (IdentifierType.PHONE, Protected("605-555-0148")),
        (IdentifierType.ADDRESS, Protected("12 Canary Lane, Elk Point")),
    )
    entry = (replace(person, identifiers=known), contacts)
    store.people.import_roster([entry], clinic=clinic, by="test")
    add_staff(store, clinic, "ottilie")
    return store


def test_patients_contacts_and_staff_are_known(roster: Store, clinic: str) -> None:
    people = roster.backgrounds.known(clinic=clinic, by="worker")
    assert people.name_part("marula")
    assert people.together("ana", "marula")
    assert people.name_part("ottilie")
    assert people.number(IdentifierType.MRN, "mrn 00001")
    assert people.number(IdentifierType.PHONE, "6055550148")
    assert people.street("12", "Canary")
    assert people.email("ANA1@patients.example")
    assert not people.name_part("dora")


def test_another_clinic_knows_none_of_them(roster: Store, clinic: str) -> None:
    people = roster.backgrounds.known(clinic="elsewhere", by="worker")
    assert clinic != "elsewhere"
    assert len(people) == 0


def test_a_new_patient_is_known_at_once(roster: Store, clinic: str) -> None:
    before = roster.backgrounds.known(clinic=clinic, by="worker")
    assert roster.backgrounds.known(clinic=clinic, by="worker") is before
    person, contacts = ana(clinic, number=2)
    renamed = replace(person, name=Protected("Quim Vilanova"))
    roster.people.import_roster([(renamed, contacts)], clinic=clinic, by="test")
    assert not before.name_part("vilanova")
    assert roster.backgrounds.known(clinic=clinic, by="worker").name_part("vilanova")


def test_the_writers_patient_is_named_and_strangers_get_nobody(roster: Store, clinic: str) -> None:
    known, stranger = message("raw-1"), message("raw-2", sender=Protected("x@else.example"))
    mine, theirs = roster.backgrounds.of([known, stranger], clinic=clinic, by="worker")
    assert mine.patient.name_part("marula")
    assert not theirs.patient
    assert theirs.earlier == ()


def test_the_conversation_brings_its_placeholders(roster: Store, clinic: str) -> None:
    first = reading(roster, clinic)
    roster.cases.file(first, clinic=clinic, by="worker")
    answer = message("raw-2", references=(first.message.message_id,))
    fresh = message("raw-3")
    here, apart = roster.backgrounds.of([answer, fresh], clinic=clinic, by="worker")
    assert here.earlier == first.redacted.redactions
    assert apart.earlier == ()


def test_what_leaked_is_added_up_by_type(roster: Store, clinic: str) -> None:
    leaks = ({IdentifierType.NAME: 2, IdentifierType.SSN: 1}, {}, None)
    for number, found in enumerate(leaks):
        roster.cases.file(
            replace(reading(roster, clinic, uid=str(number)), leaks=found), clinic=clinic, by="w"
        )
    tally = roster.leaks.tally(clinic=clinic, since=NOON)
    assert (tally.measured, tally.leaking, tally.unmeasured) == (2, 1, 1)
    assert tally.by_type == {IdentifierType.NAME: 2, IdentifierType.SSN: 1}
    assert roster.leaks.tally(clinic="elsewhere", since=NOON).measured == 0


def test_identifiers_and_file_names_come_back_as_they_were(roster: Store, clinic: str) -> None:
    person = roster.people.patient("patient-1", clinic=clinic, by="t")
    assert [kind for kind, _ in person.identifiers] == ["PHONE", "ADDRESS"]
    redacted = Redacted("s", "b", redactions=(_said(),), redactor="t", files="[NAME_1].pdf")
    case = roster.cases.file(
        replace(reading(roster, clinic), redacted=redacted), clinic=clinic, by="worker"
    )
    assert roster.cases.get(case, clinic=clinic, by="t").messages[0].redacted == redacted


def _said() -> Redaction:
    return Redaction("[NAME_1]", IdentifierType.NAME, Protected("Ana"))


def test_nothing_known_is_the_default() -> None:
    letter: Message = message("raw-1")
    assert not NO_BACKGROUND.known
    assert not letter.related(message("raw-2"))
    assert message("raw-2", references=(letter.message_id,)).related(letter)


def test_answers_to_one_message_come_one_after_the_other() -> None:
    first = message("raw-1")
    answers = [message(f"raw-{n}", references=(first.message_id,)) for n in (2, 3)]
    assert in_turn([*answers, message("raw-4")]) == [[0, 2], [1]]


def test_a_new_member_of_staff_is_known_at_once(roster: Store, clinic: str) -> None:
    assert not roster.backgrounds.known(clinic=clinic, by="worker").name_part("quilla")
    add_staff(roster, clinic, "quilla")
    assert roster.backgrounds.known(clinic=clinic, by="worker").name_part("quilla")


def test_another_patients_contacts_are_not_the_writers_own(roster: Store, clinic: str) -> None:
    person, contacts = ana(clinic, number=2)
    aunt = replace(contacts[0], name=Protected("Zenobia Harrow"))
    roster.people.import_roster([(person, [aunt])], clinic=clinic, by="test")
    (mine,) = roster.backgrounds.of([message("raw-1")], clinic=clinic, by="worker")
    assert mine.known.name_part("zenobia")
    assert not mine.patient.name_part("zenobia")


def test_the_oldest_name_comes_first_and_every_number_is_counted(
    roster: Store, clinic: str
) -> None:
    said = [("[NAME_1]", "Ida"), ("[NAME_2]", "Ola")]
    last: tuple[Protected, ...] = ()
    for number, (placeholder, name) in enumerate(said):
        one = Redaction(placeholder, IdentifierType.NAME, Protected(name))
        found = reading(roster, clinic, uid=str(number), references=last)
        redacted = Redacted("s", "b", redactions=(one,), redactor="t")
        roster.cases.file(replace(found, redacted=redacted), clinic=clinic, by="worker")
        last = (found.message.message_id,)
    (known,) = roster.backgrounds.of(
        [message("raw-9", references=last)], clinic=clinic, by="worker"
    )
    assert [one.placeholder for one in known.earlier] == ["[NAME_1]", "[NAME_2]"]
    assert known.counts == {IdentifierType.NAME: 2}
