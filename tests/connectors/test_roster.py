"""Reading the roster: every row or none, and errors that name a place and no person."""

import json
from pathlib import Path
from typing import Any

import pytest

from triage.connectors.roster import COLUMNS, read_csv, read_fhir_bundle
from triage.domain import Channel, Contact
from triage.errors import BadRoster

ROW = {
    "patient_id": "p1",
    "full_name": "Ana Canary",
    "birth_date": "1980-02-03",
    "mrn": "MRN1",
    "language": "es",
    "email": "ana@example.org",
    "email_consent": "yes",
    "email_verified": "yes",
    "phone": "555-0100",
    "address": "1 Main St",
    "portal_id": "x1",
    "relation": "",
    "contact_name": "",
}


def write(path: Path, *rows: dict[str, str], delimiter: str = ",", header: str = "") -> Path:
    lines = [header or delimiter.join(COLUMNS)]
    lines += [delimiter.join({**ROW, **row}[name] for name in COLUMNS) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shown(contact: Contact) -> tuple[object, ...]:
    return (
        contact.channel,
        contact.address.reveal(),
        contact.name.reveal(),
        contact.relation,
        contact.verified_by,
        contact.consent_to_email,
    )


def test_one_row_is_a_patient_with_an_email_and_a_portal(tmp_path: Path) -> None:
    ((patient, contacts),) = read_csv(write(tmp_path / "r.csv", {}), clinic="c1")
    assert (patient.id, patient.clinic, patient.language) == ("p1", "c1", "es")
    assert patient.name.reveal() == "Ana Canary"
    assert patient.birth_date.reveal() == "1980-02-03"
    assert patient.mrn.reveal() == "MRN1"
    assert [shown(contact) for contact in contacts] == [
        (Channel.EMAIL, "ana@example.org", "Ana Canary", "self", "roster", True),
        (Channel.PORTAL, "Patient/x1", "Ana Canary", "self", "portal", False),
    ]
    assert {contact.patient_id for contact in contacts} == {"p1"}
    assert {contact.clinic for contact in contacts} == {"c1"}


def test_further_rows_add_contacts_and_shared_addresses_stay_apart(tmp_path: Path) -> None:
    mother = {"email": "mum@example.org", "relation": "parent", "contact_name": "Maria Canary"}
    path = write(
        tmp_path / "r.csv",
        {},
        {**mother, "portal_id": "", "email_verified": "no", "email_consent": ""},
        {**mother, "patient_id": "p2", "full_name": "Leo Canary", "portal_id": ""},
    )
    found = {patient.id: contacts for patient, contacts in read_csv(path)}
    assert [shown(contact) for contact in found["p1"]][2] == (
        Channel.EMAIL, "mum@example.org", "Maria Canary", "parent", None, False,
    )  # fmt: skip
    assert found["p2"][0].id != found["p1"][2].id


@pytest.mark.parametrize(
    ("tag", "language"), [("", "en"), ("ES", "es"), ("es-MX", "es"), ("zh-Hant-TW", "zh")]
)
def test_a_patient_reads_a_language_in_whatever_country(
    tmp_path: Path, tag: str, language: str
) -> None:
    ((patient, contacts),) = read_csv(write(tmp_path / "r.csv", {"language": tag}))
    assert {patient.language, *(contact.language for contact in contacts)} == {language}


def test_importing_twice_gives_the_same_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", {})
    first, second = list(read_csv(path, clinic="c1")), list(read_csv(path, clinic="c1"))
    assert first == second
    assert next(read_csv(path, clinic="c2"))[1][0].id != first[0][1][0].id


def test_semicolons_byte_order_mark_quotes_and_empty_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", {"full_name": '"Canary; Ana"'}, delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n;;;;;;;;;;;;\n")
    ((patient, _),) = read_csv(path)
    assert patient.name.reveal() == "Canary; Ana"


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([{"patient_id": ""}], "row 2, column patient_id"),
        ([{"patient_id": "a b"}], "row 2, column patient_id"),
        ([{}, {"patient_id": "p2", "full_name": ""}], "row 3, column full_name"),
        ([{"birth_date": "03.02.1980"}], "row 2, column birth_date"),
        ([{"birth_date": "1980-02-30"}], "row 2, column birth_date"),
        ([{"email": "canary@"}], "row 2, column email"),
        ([{"email": "a@x.org; b@x.org"}], "row 2, column email"),
        ([{"email_consent": "perhaps"}], "row 2, column email_consent"),
        ([{"email_verified": "ja"}], "row 2, column email_verified"),
        ([{"portal_id": "Patient/1"}], "row 2, column portal_id"),
        ([{"language": "spanish!"}], "row 2, column language"),
        ([{}, {"full_name": "Other Canary"}], "row 3, column full_name"),
        ([{}, {"birth_date": "1981-01-01"}], "row 3, column birth_date"),
        ([{}, {"mrn": "MRN2"}], "row 3, column mrn"),
        ([{}, {"relation": "parent"}], "row 3, column email"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(
    tmp_path: Path, rows: list[dict[str, str]], place: str
) -> None:
    with pytest.raises(BadRoster) as caught:
        read_csv(write(tmp_path / "r.csv", *rows))
    assert str(caught.value).startswith(place)
    assert "anary" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "row 1"),
        (b"patient_id,full_name\np1,Ana Canary\n", "row 1, column birth_date"),
        (",".join(COLUMNS).encode() + b",extra\n", "row 1"),
        (",".join([*COLUMNS, "email"]).encode() + b"\n", "row 1, column email"),
        (",".join(COLUMNS).encode() + b"\np1,Ana Canary\n", "row 2 has 2 columns"),
        (",".join(COLUMNS).encode() + b'\np1,"Ana Canary\n', "row 2 is not CSV"),
        (",".join(COLUMNS).encode() + b'\np1,"Ana" Canary\n', "row 2 is not CSV"),
        (",".join(COLUMNS).encode() + b"\np1,Ana Canary\xff\n", "row 2 is not UTF-8"),
        (b"\x00\x00", "row 1"),
    ],
)
def test_a_file_that_is_no_roster(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(BadRoster) as caught:
        read_csv(path)
    assert str(caught.value).startswith(place)
    assert "Canary" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    for read in (read_csv, read_fhir_bundle):
        with pytest.raises(BadRoster):
            read(tmp_path / "gone")


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [
        {"use": "old", "text": "Before Canary"},
        {"use": "usual", "given": ["Annie"], "family": "Canary"},
        {"use": "official", "given": ["Ana", "Luz"], "family": "Canary"},
    ],
    "birthDate": "1980-02-03",
    "identifier": [
        {"value": "no"},
        {"type": {"coding": [{"code": "MR"}]}, "value": "MRN1"},
    ],
    "communication": [
        {"language": {"coding": [{"code": "fr"}]}, "preferred": False},
        {"language": {"coding": [{"code": "?"}, {"code": "es-MX"}]}, "preferred": True},
    ],
    "telecom": [
        {"system": "phone", "value": "555"},
        {"system": "email", "value": "ana@example.org"},
        {"system": "email", "use": "old", "value": "old@example.org"},
    ],
}
MOTHER: dict[str, Any] = {
    "resourceType": "RelatedPerson",
    "id": "r1",
    "patient": {"reference": "Patient/p1"},
    "name": [{"text": "Maria Canary"}],
    "relationship": [{"coding": [{"code": "MTH"}]}],
    "telecom": [{"system": "email", "value": "mum@example.org"}],
}


def bundle(path: Path, *resources: dict[str, Any]) -> Path:
    entries = [{"resource": resource} for resource in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    return path


def test_reads_patients_and_related_persons_from_a_bundle(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.json", MOTHER, {"resourceType": "Observation"}, PATIENT)
    ((patient, contacts),) = read_fhir_bundle(path, clinic="c1")
    assert patient.name.reveal() == "Ana Luz Canary"
    assert (patient.mrn.reveal(), patient.language) == ("MRN1", "es")
    assert [shown(contact) for contact in contacts] == [
        (Channel.PORTAL, "Patient/p1", "Ana Luz Canary", "self", "portal", False),
        (Channel.EMAIL, "ana@example.org", "Ana Luz Canary", "self", None, False),
        (Channel.PORTAL, "RelatedPerson/r1", "Maria Canary", "mth", "portal", False),
        (Channel.EMAIL, "mum@example.org", "Maria Canary", "mth", None, False),
    ]


@pytest.mark.parametrize(
    ("resources", "place"),
    [
        ([{**PATIENT, "name": []}], "entry 1, Patient.name"),
        ([{**PATIENT, "id": "a/b"}], "entry 1, Patient.id"),
        ([{**PATIENT, "id": 7}], "entry 1, Patient"),
        ([{**PATIENT, "birthDate": "canary"}], "entry 1, Patient.birthDate"),
        ([{**PATIENT, "telecom": [{"system": "email", "value": "canary"}]}], "entry 1, telecom"),
        ([{**PATIENT, "name": "canary"}], "entry 1, Patient"),
        ([PATIENT, {**PATIENT, "birthDate": "1999-01-01"}], "row 2, column birth_date"),
        ([MOTHER], "entry 1, RelatedPerson.patient"),
    ],
)
def test_a_wrong_entry_is_named(
    tmp_path: Path, resources: list[dict[str, Any]], place: str
) -> None:
    with pytest.raises(BadRoster) as caught:
        read_fhir_bundle(bundle(tmp_path / "b.json", *resources))
    assert str(caught.value).startswith(place)
    assert "anary" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"entry": [1]}', "[" * 100_000])
def test_a_file_that_is_no_bundle(tmp_path: Path, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content)
    with pytest.raises(BadRoster):
        read_fhir_bundle(path)
