"""What the portal knows of one patient, asked for on demand, against a real FHIR server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PASSWORD, FhirServer
from triage.cli.processes import environment_of
from triage.connectors.fhir_context import FhirContext
from triage.domain import PortalFacts, Protected
from triage.errors import PortalShut, PortalSilent
from triage.wiring import House

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with FhirServer() as server:
        yield server


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.clear()
    running.seed(*RESOURCES)
    return running


def appointment(number: int, day: str, status: str, *patients: str) -> dict[str, Any]:
    actors = [*patients, "Practitioner/3"]
    return {
        "resourceType": "Appointment", "id": f"a{number}", "status": status,
        "start": f"{day}T10:00:00Z", "end": f"{day}T10:20:00Z", "description": f"visit {number}",
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in actors],
    }  # fmt: skip


def medication(number: int, status: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": f"m{number}", "status": status,
        "intent": "order", "subject": {"reference": patient},
        "medicationCodeableConcept": {"text": f"drug {number}"},
        "dosageInstruction": [{"text": "once a day"}],
    }  # fmt: skip


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "1", "birthDate": "1980-02-03",
     "name": [{"given": ["Pat1"], "family": "Example"}]},
    appointment(1, "2026-06-09", "booked", "Patient/1"),
    appointment(2, "2026-06-03", "pending", "Patient/1"),
    appointment(3, "2026-06-04", "cancelled", "Patient/1"),
    appointment(4, "2026-05-04", "booked", "Patient/1"),
    appointment(5, "2026-06-05", "booked", "Patient/2"),
    appointment(6, "2026-06-06", "booked", "Patient/1", "Patient/2"),
    {"resourceType": "Coverage", "id": "v1", "status": "active", "subscriberId": "M-1",
     "beneficiary": {"reference": "Patient/1"}, "payor": [{"display": "Acme Health"}],
     "period": {"end": "2026-12-31"}},
    {"resourceType": "Coverage", "id": "v2", "status": "cancelled",
     "beneficiary": {"reference": "Patient/1"}, "payor": [{"display": "Old Health"}]},
    medication(1, "active", "Patient/1"),
    medication(2, "stopped", "Patient/1"),
    medication(3, "active", "Patient/2"),
]  # fmt: skip


def ask(server: FhirServer, patient: str = "Patient/1", **more: object) -> PortalFacts:
    # The inbox's own settings, the lines about polling included.
    settings = {**server.settings, "poll_seconds": 5, "query": {"recipient": "x"}, **more}
    return FhirContext(settings, PASSWORD, clock=lambda: NOW).of(Protected(patient))


def test_only_what_is_to_come_and_active_of_this_very_patient(server: FhirServer) -> None:
    facts = ask(server)
    assert [one.what.reveal() for one in facts.appointments] == ["visit 2", "visit 1"]
    assert [one.status for one in facts.appointments] == ["pending", "booked"]
    (coverage,) = facts.coverages
    assert (coverage.payer.reveal(), coverage.member.reveal()) == ("Acme Health", "M-1")
    assert coverage.until.reveal() == "2026-12-31"
    (drug,) = facts.medications
    assert (drug.name.reveal(), drug.dose.reveal()) == ("drug 1", "once a day")
    assert (facts.name.reveal(), facts.birth_date.reveal()) == ("Pat1 Example", "1980-02-03")
    assert not facts.missing
    assert not facts.more


def test_a_server_that_ignores_the_search_shows_nobody_else(server: FhirServer) -> None:
    """The sabotage is the server's: it answers with everybody's."""
    everybody = {
        "resourceType": "Bundle",
        "entry": [{"resource": one} for one in RESOURCES if one["resourceType"] != "Patient"],
    }
    server.fail("GET", body=RESOURCES[0])
    for _ in range(3):
        server.fail("GET", body=everybody)
    facts = ask(server)
    assert [one.what.reveal() for one in facts.appointments] == ["visit 2", "visit 1"]
    assert [one.name.reveal() for one in facts.medications] == ["drug 1"]
    assert len(facts.coverages) == 1


def test_another_patient_than_asked_for_is_missing(server: FhirServer) -> None:
    server.fail("GET", body={**RESOURCES[0], "id": "2"})
    facts = ask(server)
    assert facts.missing == {"Patient"}
    assert not facts.birth_date


def test_what_is_not_shown_is_missing_and_not_empty(server: FhirServer) -> None:
    server.fail("GET", status=404)
    server.fail("GET", status=403)
    server.fail("GET", body={"resourceType": "OperationOutcome"})
    facts = ask(server)
    assert facts.missing == {"Patient", "Appointment", "Coverage"}
    assert facts.medications


def test_more_than_a_page_is_said(server: FhirServer) -> None:
    server.seed(*(medication(100 + n, "active", "Patient/1") for n in range(30)))
    facts = ask(server)
    assert facts.more == {"MedicationRequest"}
    assert len(facts.medications) == 20


@pytest.mark.parametrize("patient", ["", "pat@example.org", "Patient/1/../2", "RelatedPerson/1"])
def test_only_a_patients_reference_is_asked_about(server: FhirServer, patient: str) -> None:
    with pytest.raises(PortalSilent):
        ask(server, patient)
    assert server.state["requests"] == []


def test_a_failing_portal_is_silent_at_once(server: FhirServer) -> None:
    server.fail("GET", before=True)
    with pytest.raises(PortalSilent) as caught:
        ask(server)
    assert "Patient/1" not in str(caught.value)
    with pytest.raises(PortalSilent):
        ask(server, base_url="http://127.0.0.1:9/fhir")


@pytest.mark.parametrize("place", ["environment", "file"])
def test_the_desk_asks_with_a_secret_of_its_own_and_never_the_inbox_s(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "triage.toml").write_text(
        '[clinic]\nid = "c1"\nname = "C"\n[[inbox]]\nname = "portal"\nkind = "fhir"\n'
        f'auth = "bearer"\nbase_url = "{server.base_url}"\n'
    )
    house = House.at(tmp_path)
    monkeypatch.setenv("TRIAGE_SECRET_PORTAL", PASSWORD)
    given = environment_of("web", house.settings)
    assert "TRIAGE_SECRET_PORTAL" not in given
    ask = house.portal()
    assert ask is not None
    with pytest.raises(PortalShut, match="portal-context"):
        ask(Protected("Patient/1"))
    assert server.state["requests"] == []
    if place == "environment":
        monkeypatch.setenv("TRIAGE_SECRET_PORTAL_CONTEXT", PASSWORD)
        assert "TRIAGE_SECRET_PORTAL_CONTEXT" in environment_of("web", house.settings)
        assert "TRIAGE_SECRET_PORTAL_CONTEXT" not in environment_of("worker", house.settings)
    else:
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "portal-context").write_text(PASSWORD)
    assert ask(Protected("Patient/1")).birth_date.reveal() == "1980-02-03"
