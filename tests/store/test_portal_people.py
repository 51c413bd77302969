"""Whose portal message it is, and which conversation it continues: never a guess."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.small_practice import approve, move_in, patient, rooms
from triage.desk import Desk
from triage.domain import Arrival, CaseFile, Channel, Contact, Mark, Position, Protected, ReplyState
from triage.pipeline import file
from triage.store import Store

ONE = {"reference": "Patient/1"}


@pytest.fixture
def practice(store: Store) -> Store:
    """Two patients, and somebody who may write for both."""
    move_in(store)
    people = [patient(1), patient(2)]
    mother = [
        Contact(
            f"m{n}", "c1", f"p{n}", Channel.PORTAL, Protected("RelatedPerson/9"),
            Protected("Mo Example"), "parent", "roster", consent_to_email=False,
        )
        for n in (1, 2)
    ]  # fmt: skip
    both = [(who, (*known, one)) for (who, known), one in zip(people, mother, strict=True)]
    store.people.import_roster(both, clinic="c1", by="test")
    return store


def receive(store: Store, name: str, **more: Any) -> CaseFile:
    """Land and file one Communication; return its case."""
    resource = {
        "resourceType": "Communication", "id": name, "sender": ONE,
        "payload": [{"contentString": f"words of {name}"}], **more,
    }  # fmt: skip
    position = Position("portal", "Communication", "fhir-r4", name)
    content = json.dumps(resource).encode()
    arrival = Arrival(position, Channel.PORTAL, "application/fhir+json", content)
    landed = store.landing.land([arrival], clinic="c1")
    (case_id,) = file(landed, rooms(), store, clinic="c1", by="worker")
    return store.cases.get(case_id, clinic="c1", by="test")


DOUBTFUL = [
    {"reference": "https://evil.example/fhir/Patient/1"},
    {"reference": "//evil.example/Patient/1"},
    {"reference": "#Patient/1"},
    {"reference": "#p"},
    {"reference": "urn:uuid:6f8f470e-07e8-4273-ad11-6e3fdc384a09"},
    {"display": "Pat1 Example"},
    {"identifier": {"system": "urn:mrn", "value": "MRN00001"}},
    {"type": "Patient", "display": "Patient/1"},
    {"reference": "Patient/1", "type": "Practitioner"},
    {"reference": "Observation/1"},
    {"reference": "Patient?identifier=MRN00001"},
    {"reference": "Patient/1/2"},
    {"reference": " Patient / 1"},
    {"reference": "Patient/1,Patient/2"},
    {"reference": ["Patient/1"]},
    "Patient/1",
    None,
]


def test_a_doubtful_reference_names_nobody(practice: Store) -> None:
    contained = [{"resourceType": "Patient", "id": "p", "name": [{"text": "Pat1 Example"}]}]
    for number, sender in enumerate(DOUBTFUL):
        found = receive(practice, f"a{number}", sender=sender, contained=contained)
        assert found.case.patient_id is None, sender
        assert Mark.UNVERIFIED_SENDER in found.case.marks, sender


def test_a_plain_or_versioned_reference_is_that_patient(practice: Store) -> None:
    for reference in ("Patient/1", "Patient/1/_history/7"):
        found = receive(practice, reference, sender={"reference": reference, "type": "Patient"})
        assert found.case.patient_id == "p1"
        assert not found.case.marks & {Mark.UNVERIFIED_SENDER, Mark.AMBIGUOUS_PATIENT}


ABOUT = [
    ("Patient/1", "Patient/1", "p1"),
    ("Patient/1", "Patient/2", None),
    ("Patient/1", "Patient/404", None),
    ("Patient/1", "https://evil.example/Patient/1", None),
    ("Patient/1", "Group/1", None),
    ("RelatedPerson/9", "Patient/1", "p1"),
    ("RelatedPerson/9", "Patient/2", "p2"),
    ("RelatedPerson/9", "Patient/3", None),
    ("RelatedPerson/9", "", None),
]


def test_who_it_is_about_decides_and_never_a_guess(practice: Store) -> None:
    for number, (sender, subject, whose) in enumerate(ABOUT):
        about = {"subject": {"reference": subject}} if subject else {}
        found = receive(practice, f"a{number}", sender={"reference": sender}, **about)
        assert found.case.patient_id == whose, (sender, subject)
        assert (Mark.AMBIGUOUS_PATIENT in found.case.marks) is (whose is None), (sender, subject)


def test_a_subject_without_reference_is_asked_about(practice: Store) -> None:
    found = receive(practice, "a", subject={"display": "Pat1 Example"})
    assert found.case.patient_id is None


def test_conversations_hold_by_part_of_and_in_response_to(practice: Store) -> None:
    first = receive(practice, "a")
    part = receive(practice, "b", partOf=[{"reference": "Communication/a"}])
    answer = receive(practice, "c", inResponseTo=[{"reference": "Communication/b/_history/1"}])
    apart = receive(practice, "d")
    elsewhere = {"reference": "https://evil.example/Communication/a"}
    foreign = receive(practice, "e", partOf=[elsewhere])
    assert first.case.id == part.case.id == answer.case.id
    assert len({first.case.id, apart.case.id, foreign.case.id}) == 3


def test_nobody_joins_anothers_conversation(practice: Store) -> None:
    first = receive(practice, "a")
    other = receive(
        practice, "b", sender={"reference": "Patient/2"}, partOf=[{"reference": "Communication/a"}]
    )
    assert other.case.id != first.case.id
    assert other.case.patient_id == "p2"


def test_an_answer_to_our_reply_continues_its_conversation(practice: Store) -> None:
    """The portal calls our reply by its own id, which only the receipt knows."""
    first = receive(practice, "a")
    reply_id = approve(Desk(practice, undo=timedelta(seconds=-1)), first.case.id)
    assert practice.replies.claim(reply_id, clinic="c1", by="sender") is not None
    practice.replies.settle(
        reply_id, ReplyState.SENT, clinic="c1", by="sender", receipt="Communication/r77"
    )
    answer = receive(practice, "b", inResponseTo=[{"reference": "Communication/r77"}])
    assert answer.case.id == first.case.id
    stranger = receive(
        practice, "c", sender={"reference": "Patient/2"},
        inResponseTo=[{"reference": "Communication/r77"}],
    )  # fmt: skip
    assert stranger.case.id != first.case.id
