"""Reads the practice's patients and their addresses from a CSV file or a FHIR bundle.

Rule of the room: the whole file is read before the first patient is handed over, and an error
names row and column, never what stands there.

For administrators. The CSV has this header, in any order, comma or semicolon, UTF-8:
patient_id, full_name, birth_date (YYYY-MM-DD), mrn, language, email, email_consent,
email_verified, phone, address, portal_id, relation, contact_name. Only patient_id and full_name
must be filled; yes/no columns take yes, no, true, false, 1, 0 and empty for no. A patient_id may
be repeated for a further contact, a parent's e-mail for example, with their relation and name.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from triage.connectors.letter import ADDRESS
from triage.domain import Channel, Contact, IdentifierType, Patient, Protected, language_of
from triage.errors import BadRoster

COLUMNS = (
    "patient_id",
    "full_name",
    "birth_date",
    "mrn",
    "language",
    "email",
    "email_consent",
    "email_verified",
    "phone",
    "address",
    "portal_id",
    "relation",
    "contact_name",
)

#: Columns that nobody is written to at, and that redaction hides wherever they are written.
_FURTHER = {"phone": IdentifierType.PHONE, "address": IdentifierType.ADDRESS}

#: Who vouches for an address that the file calls verified, and for one the portal gave out.
BY_ROSTER, BY_PORTAL = "roster", "portal"

#: HL7's codes of identifier types (table 0203) under our names; what is not here is OTHER_ID.
_ID_CODES = {
    "MB": IdentifierType.MEMBER_ID,
    "SN": IdentifierType.MEMBER_ID,
    "SS": IdentifierType.SSN,
    "DL": IdentifierType.LICENSE,
    "AN": IdentifierType.ACCOUNT,
}

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_YES, _NO = {"yes", "y", "true", "1"}, {"", "no", "n", "false", "0"}


@dataclass
class _Roster:
    """Patients in the order of their first row, each with contacts by (channel, address)."""

    clinic: str
    patients: dict[str, Patient] = field(default_factory=dict)
    contacts: dict[str, dict[tuple[str, str], Contact]] = field(default_factory=dict)

    def add_patient(self, patient: Patient, row: int) -> None:
        known = self.patients.setdefault(patient.id, patient)
        self.contacts.setdefault(patient.id, {})
        further = {**dict.fromkeys(known.identifiers), **dict.fromkeys(patient.identifiers)}
        self.patients[patient.id] = replace(known, identifiers=tuple(further))
        for column, name in (("full_name", "name"), ("birth_date", "birth_date"), ("mrn", "mrn")):
            if getattr(known, name) != getattr(patient, name):
                raise BadRoster(f"row {row}, column {column} differs from an earlier row")

    def add_contact(self, contact: Contact, row: int, column: str) -> None:
        place = (contact.channel.value, contact.address.reveal().casefold())
        if self.contacts[contact.patient_id].setdefault(place, contact) != contact:
            raise BadRoster(f"row {row}, column {column} repeats an earlier row differently")

    def entries(self) -> Iterator[tuple[Patient, tuple[Contact, ...]]]:
        for patient_id, patient in self.patients.items():
            yield patient, tuple(self.contacts[patient_id].values())


@dataclass(frozen=True)
class _Reader:
    """Who reads at an address: their name, empty for the patient's, and what they are to them."""

    name: str
    relation: str


def read_csv(path: Path, *, clinic: str = "") -> Iterator[tuple[Patient, tuple[Contact, ...]]]:
    """Yield each patient with their contacts; raise BadRoster naming row (header is 1) and column.

    `clinic` is written on every patient and contact.
    """
    roster = _Roster(clinic)
    for row, cells in _rows(path):
        patient = _patient(cells, row, clinic)
        roster.add_patient(patient, row)
        for column, contact in _contacts(cells, patient, row):
            roster.add_contact(contact, row, column)
    return roster.entries()


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadRoster(f"the file ({type(error).__name__})") from None
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise BadRoster(f"row {row} is not UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row, header = 0, list[str]()
    try:
        for row, line in enumerate(reader, 1):
            if row == 1:
                header = _header(line)
            elif any(cell.strip() for cell in line):
                if len(line) != len(header):
                    raise BadRoster(f"row {row} has {len(line)} columns, not {len(header)}")
                yield row, {name: cell.strip() for name, cell in zip(header, line, strict=True)}
    except csv.Error:
        raise BadRoster(f"row {row + 1} is not CSV") from None
    if not header:
        raise BadRoster("row 1 is missing")


def _header(line: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in line]
    for name in COLUMNS:
        if header.count(name) != 1:
            raise BadRoster(f"row 1, column {name} must stand there once")
    if len(header) != len(COLUMNS):
        raise BadRoster("row 1 has a column that is not known")
    return header


def _patient(cells: Mapping[str, str], row: int, clinic: str) -> Patient:
    patient_id, name, born = cells["patient_id"], cells["full_name"], cells["birth_date"]
    language = language_of(cells["language"] or "en")
    if not _ID.fullmatch(patient_id):
        raise BadRoster(f"row {row}, column patient_id")
    if not name or not name.isprintable():
        raise BadRoster(f"row {row}, column full_name")
    if born and not _is_date(born):
        raise BadRoster(f"row {row}, column birth_date")
    if language is None:
        raise BadRoster(f"row {row}, column language")
    return Patient(
        id=patient_id,
        clinic=clinic,
        name=Protected(name),
        birth_date=Protected(born),
        mrn=Protected(cells["mrn"]),
        language=language,
        identifiers=tuple(
            (kind, Protected(cells[column])) for column, kind in _FURTHER.items() if cells[column]
        ),
    )


def _contacts(
    cells: Mapping[str, str], patient: Patient, row: int
) -> Iterator[tuple[str, Contact]]:
    """Yield (column, contact) for the e-mail and the portal of one row."""
    email, portal_id = cells["email"], cells["portal_id"]
    consent = _truth(cells, "email_consent", row)
    verified = BY_ROSTER if _truth(cells, "email_verified", row) else None
    who = _Reader(cells["contact_name"], cells["relation"] or "self")
    if email:
        if not ADDRESS.fullmatch(email):
            raise BadRoster(f"row {row}, column email")
        yield (
            "email",
            _contact(patient, Channel.EMAIL, email, who, verified_by=verified, consent=consent),
        )
    if portal_id:
        if not _ID.fullmatch(portal_id):
            raise BadRoster(f"row {row}, column portal_id")
        place = f"Patient/{portal_id}"
        yield "portal_id", _contact(patient, Channel.PORTAL, place, who, verified_by=BY_PORTAL)


def _contact(
    patient: Patient,
    channel: Channel,
    address: str,
    who: _Reader,
    *,
    verified_by: str | None,
    consent: bool = False,
) -> Contact:
    """Return a contact whose id depends on patient, channel and address only.

    Importing the same file twice therefore changes it instead of adding another.
    """
    place = f"{patient.clinic}\0{patient.id}\0{channel.value}\0{address.casefold()}"
    return Contact(
        id=hashlib.sha256(place.encode("utf-8")).hexdigest()[:32],
        clinic=patient.clinic,
        patient_id=patient.id,
        channel=channel,
        address=Protected(address),
        name=Protected(who.name) if who.name else patient.name,
        relation=who.relation,
        verified_by=verified_by,
        consent_to_email=consent,
        language=patient.language,
    )


def _truth(cells: Mapping[str, str], column: str, row: int) -> bool:
    word = cells[column].lower()
    if word not in _YES | _NO:
        raise BadRoster(f"row {row}, column {column} is neither yes nor no")
    return word in _YES


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def read_fhir_bundle(
    path: Path, *, clinic: str = ""
) -> Iterator[tuple[Patient, tuple[Contact, ...]]]:
    """Yield the Patients of a FHIR R4 bundle with their contacts and RelatedPersons.

    The portal reference is verified, because the portal gave it out; an e-mail address in it is
    neither verified nor consented to until a person says so. Raises BadRoster naming the entry.
    """
    roster = _Roster(clinic)
    entries = list(enumerate(_resources(path), 1))
    for kind, add in (("Patient", _add_patient), ("RelatedPerson", _add_related)):
        for row, resource in entries:
            if resource.get("resourceType") == kind:
                try:
                    add(roster, resource, row)
                except (LookupError, TypeError, AttributeError, ValueError):
                    raise BadRoster(f"entry {row}, {kind}") from None
    return roster.entries()


def _resources(path: Path) -> list[dict[str, Any]]:
    try:
        bundle = json.loads(path.read_bytes())
        return [
            entry["resource"] for entry in bundle["entry"] if bundle["resourceType"] == "Bundle"
        ]
    except OSError as error:
        raise BadRoster(f"the file ({type(error).__name__})") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadRoster("the file is not a FHIR bundle") from None


def _add_patient(roster: _Roster, resource: Mapping[str, Any], row: int) -> None:
    patient_id, born = resource["id"], resource.get("birthDate", "")
    name = _name(resource)
    if not _ID.fullmatch(patient_id):
        raise BadRoster(f"entry {row}, Patient.id")
    if not name:
        raise BadRoster(f"entry {row}, Patient.name")
    if born and not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", born):
        raise BadRoster(f"entry {row}, Patient.birthDate")
    patient = Patient(
        id=patient_id,
        clinic=roster.clinic,
        name=Protected(name),
        birth_date=Protected(born),
        mrn=Protected(_mrn(resource)),
        language=_language(resource),
        identifiers=tuple(_further(resource)),
    )
    roster.add_patient(patient, row)
    _add_places(roster, patient, resource, row, who=_Reader("", "self"))


def _add_related(roster: _Roster, resource: Mapping[str, Any], row: int) -> None:
    patient = roster.patients.get(resource["patient"]["reference"].removeprefix("Patient/"))
    if patient is None:
        raise BadRoster(f"entry {row}, RelatedPerson.patient is not in this bundle")
    kinds = [*resource.get("relationship", []), {}]
    coded = [one["code"].lower() for one in kinds[0].get("coding", []) if "code" in one]
    relation = kinds[0].get("text", "") or next(iter(coded), "") or "other"
    _add_places(roster, patient, resource, row, who=_Reader(_name(resource), relation))


def _add_places(
    roster: _Roster,
    patient: Patient,
    resource: Mapping[str, Any],
    row: int,
    *,
    who: _Reader,
) -> None:
    place = f"{resource['resourceType']}/{resource['id']}"
    found = _contact(patient, Channel.PORTAL, place, who, verified_by=BY_PORTAL)
    roster.add_contact(found, row, "id")
    for one in resource.get("telecom", []):
        if one.get("system") == "email" and one.get("use") != "old":
            if not ADDRESS.fullmatch(one["value"]):
                raise BadRoster(f"entry {row}, telecom")
            found = _contact(patient, Channel.EMAIL, one["value"], who, verified_by=None)
            roster.add_contact(found, row, "telecom")


def _name(resource: Mapping[str, Any]) -> str:
    """Return the official name, else the first that is not old."""
    names = [one for one in resource.get("name", []) if one.get("use") != "old"]
    names.sort(key=lambda one: one.get("use") != "official")
    if not names:
        return ""
    best = names[0]
    return str(
        best.get("text") or " ".join([*best.get("given", []), best.get("family", "")])
    ).strip()


def _mrn(resource: Mapping[str, Any]) -> str:
    for one in resource.get("identifier", []):
        codes = [coding.get("code") for coding in one.get("type", {}).get("coding", [])]
        if "MR" in codes:
            return str(one["value"])
    return ""


def _further(resource: Mapping[str, Any]) -> Iterator[tuple[IdentifierType, Protected]]:
    """Yield telephones, addresses and ids other than the record number."""
    for one in resource.get("telecom", []):
        if one.get("system") in ("phone", "sms", "fax") and one.get("value"):
            yield IdentifierType.PHONE, Protected(str(one["value"]))
    for one in resource.get("address", []):
        lines = ", ".join([*one.get("line", []), one.get("city", "")])
        if lines.strip(", "):
            yield IdentifierType.ADDRESS, Protected(lines)
    for one in resource.get("identifier", []):
        codes = {coding.get("code") for coding in one.get("type", {}).get("coding", [])}
        if one.get("value") and "MR" not in codes:
            kind = next((_ID_CODES[code] for code in codes if code in _ID_CODES), None)
            yield kind or IdentifierType.OTHER_ID, Protected(str(one["value"]))


def _language(resource: Mapping[str, Any]) -> str:
    """Return the language the patient prefers, else the first that is named."""
    named = resource.get("communication", [])
    for one in sorted(named, key=lambda one: one.get("preferred") is not True):
        for coding in one.get("language", {}).get("coding", []):
            if language := language_of(coding.get("code", "")):
                return language
    return "en"
