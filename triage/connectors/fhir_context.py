"""Reads what a portal knows of one patient: appointments to come, coverage, active medication.

Rule of the room: asked for one case by one person and kept nowhere; a resource that does not name
this very patient is left out, whatever the search returned; a kind the portal does not show is said
to be missing, never shown as empty.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from triage.connectors.fhir_auth import read_credentials
from triage.connectors.fhir_check import CONTEXT
from triage.connectors.fhir_client import FhirClient, Nonsense, Refused, Unreachable
from triage.connectors.options import Options
from triage.domain import Appointment, Coverage, Medication, PortalFacts, Protected
from triage.errors import PortalSilent

_PATIENT = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")
#: The settings of an inbox that say how to reach its server.
_CONNECTION = frozenset(
    {"name", "kind", "base_url", "auth", "token_url", "client_id", "key_id", "algorithm"}
    | {"also_allowed", "network", "ca_file"}
)
_MOST = 20
_TO_COME = frozenset({"booked", "pending", "proposed", "arrived", "checked-in", "waitlist"})
Resource = Mapping[str, Any]


class FhirContext:
    """The reading side of a portal for the desk, with the settings of its inbox."""

    def __init__(
        self,
        settings: Mapping[str, object],
        secret: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        kept = {key: value for key, value in settings.items() if key in _CONNECTION}
        # A person waits for this page: one try, and not for long.
        options = Options({**kept, "timeout_seconds": 5}, "inbox")
        self._who = options.who
        scope = " ".join(f"system/{kind}.rs" for kind in CONTEXT)
        credentials = read_credentials(options, secret, scope=scope)
        self._client = FhirClient(options, credentials, once=True)
        options.done()
        self._clock = clock

    def of(self, reference: Protected) -> PortalFacts:
        """Return what the portal says now of `Patient/<id>`; raise PortalSilent."""
        patient = reference.reveal()
        if not _PATIENT.fullmatch(patient):
            raise PortalSilent(f"{self._who}, no patient of this portal")
        try:
            return self._facts(patient)
        except Unreachable as trouble:
            raise PortalSilent(f"{self._who} ({trouble})") from None
        finally:
            self._client.close()

    def _facts(self, patient: str) -> PortalFacts:
        missing, more = set(), set()
        person = self._person(patient)
        if person is None:
            missing.add("Patient")
        day = self._clock().date().isoformat()
        queries = {
            "Appointment": {"patient": patient, "date": f"ge{day}"},
            "Coverage": {"patient": patient, "status": "active"},
            "MedicationRequest": {"patient": patient, "status": "active"},
        }
        found: dict[str, list[Resource]] = {}
        for kind, query in queries.items():
            page = self._search(kind, query)
            if page is None:
                missing.add(kind)
                continue
            found[kind] = [
                one for one in page[0] if _names(one, kind, self._client.base) == patient
            ]
            more |= {kind} if page[1] else set()
        appointments = [_appointment(one) for one in found.get("Appointment", [])]
        still = [one for one in appointments if one is not None and one.start >= self._clock()]
        return PortalFacts(
            name=Protected(_name(person or {})),
            birth_date=Protected(_text(person or {}, "birthDate")),
            appointments=tuple(sorted(still, key=lambda one: one.start)),
            coverages=tuple(_coverage(one) for one in found.get("Coverage", []) if _active(one)),
            medications=tuple(
                _medication(one) for one in found.get("MedicationRequest", []) if _active(one)
            ),
            missing=frozenset(missing),
            more=frozenset(more),
        )

    def _person(self, patient: str) -> Resource | None:
        try:
            answer = self._client.get(patient)
        except (Refused, Nonsense):
            return None
        found = answer.resource or {}
        same = f"{found.get('resourceType')}/{found.get('id')}" == patient
        return found if answer.status == 200 and same else None

    def _search(self, kind: str, query: Mapping[str, str]) -> tuple[list[Resource], bool] | None:
        """Return (resources of the first page, whether there are more); None where not shown."""
        try:
            answer = self._client.get(kind, {**query, "_count": str(_MOST)})
        except (Refused, Nonsense):
            return None
        bundle = answer.resource or {}
        if answer.status != 200 or bundle.get("resourceType") != "Bundle":
            return None
        entries = [one.get("resource") for one in _dicts(bundle.get("entry"))]
        found: list[Resource] = [
            one for one in entries if isinstance(one, dict) and one.get("resourceType") == kind
        ]
        more = any(link.get("relation") == "next" for link in _dicts(bundle.get("link")))
        return found[:_MOST], more or len(found) > _MOST


def _names(resource: Resource, kind: str, base: str) -> str:
    """Return the one patient a resource is about; empty where it names several or none."""
    if kind == "Appointment":
        actors = [_part(one, "actor") for one in _dicts(resource.get("participant"))]
    else:
        actors = [_part(resource, "beneficiary" if kind == "Coverage" else "subject")]
    said = {_text(one, "reference").removeprefix(base).split("/_history/")[0] for one in actors}
    patients = {one for one in said if one.startswith("Patient/")}
    return patients.pop() if len(patients) == 1 else ""


def _appointment(resource: Resource) -> Appointment | None:
    try:
        start = datetime.fromisoformat(_text(resource, "start"))
    except ValueError:
        return None
    status = _text(resource, "status")
    if start.tzinfo is None or status not in _TO_COME:
        return None
    what = _text(resource, "description") or _first(resource.get("serviceType"))
    return Appointment(
        start, Protected(what or _concept(_part(resource, "appointmentType"))), status
    )


def _coverage(resource: Resource) -> Coverage:
    payers = [_text(one, "display") for one in _dicts(resource.get("payor"))]
    return Coverage(
        payer=Protected(", ".join(one for one in payers if one)),
        member=Protected(_text(resource, "subscriberId")),
        until=Protected(_text(_part(resource, "period"), "end")),
    )


def _medication(resource: Resource) -> Medication:
    concept = _concept(_part(resource, "medicationCodeableConcept"))
    name = concept or _text(_part(resource, "medicationReference"), "display")
    doses = [_text(one, "text") for one in _dicts(resource.get("dosageInstruction"))]
    return Medication(Protected(name), Protected("; ".join(one for one in doses if one)))


def _active(resource: Resource) -> bool:
    return resource.get("status") == "active"


def _name(person: Resource) -> str:
    for one in _dicts(person.get("name")):
        given = one.get("given")
        words = [str(part) for part in given] if isinstance(given, list) else []
        return _text(one, "text") or " ".join([*words, _text(one, "family")]).strip()
    return ""


def _first(value: object) -> str:
    return next((_concept(one) for one in _dicts(value)), "")


def _concept(value: Resource) -> str:
    coded = next((_text(one, "display") for one in _dicts(value.get("coding"))), "")
    return _text(value, "text") or coded


def _part(resource: Resource, key: str) -> Resource:
    found = resource.get(key)
    return found if isinstance(found, dict) else {}


def _text(resource: Resource, key: str) -> str:
    found = resource.get(key)
    return found[:500] if isinstance(found, str) else ""


def _dicts(value: object) -> list[Resource]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
