"""Who saw one patient: across cases, wrongly linked ones and lists included, as page and CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.web.conftest import Visit
from tests.web.practice import MORNING, Practice
from triage.domain import new_id
from triage.store import Keys, open_life

#: What starts a formula in one spreadsheet or another.
FORMULA_STARTS = ("=", "+", "-", "@")

P1 = "p1"


def rows(answer: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer)))


def test_the_report_spans_the_cases_of_a_patient_and_no_others(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    second = practice.receive(replace(MORNING[2], key="again", subject="Another thing"))
    visit("dana").get(f"/case/{practice.cases['refill']}")
    visit("milo").get(f"/case/{second}")
    visit("wim").get(f"/case/{practice.cases['bill']}")
    told = rows(visit("sam").post("/audit/patient/export", patient=P1).text)
    read = {(row["actor"], row["cases"]) for row in told if row["action"] == "case.read"}
    assert read == {("u-dana", practice.cases["refill"]), ("u-milo", second)}
    assert practice.cases["bill"] not in {row["cases"] for row in told}


def test_a_search_and_a_case_linked_by_mistake_count(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    nia, case_id = visit("nia"), practice.cases["stranger"]
    nia.decide(case_id, "patients", words="Keane")
    nia.decide(case_id, "link", contact="p1:p1-mail")
    visit("milo").get(f"/case/{case_id}")
    nia.decide(case_id, "link", contact="p2:p2-mail")
    told = visit("sam").post("/audit/patient/seen", patient=P1).text
    for action in ("patient.searched", "contact.read", "case.linked"):
        assert action in told
    assert "Milo Brandt" in told


def test_the_page_finds_the_patient_and_every_look_is_remembered(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    sam = visit("sam")
    assert "Who saw a patient" in sam.get("/audit").text
    page = sam.post("/audit/patient", words="rosalind").text
    assert 'name="patient" value="p1"' in page
    sam.post("/audit/patient/seen", patient=P1)
    events = practice.store.audit.events(clinic="c1", by="x", action="patient.report")
    assert [(event.actor, event.detail["patient"]) for event in events] == [("u-sam", P1)]
    assert visit("eve").post("/audit/patient/seen", patient=P1).status_code == 404
    assert visit("nia").post("/audit/patient", words="rosalind").status_code == 403


def test_no_cell_of_the_table_is_a_formula(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    """What an outside program could have put into an id or an action runs in no spreadsheet."""
    for start in FORMULA_STARTS:
        detail = {"patient": P1, "evil": f"{start}cmd|' /C calc'!A0"}
        practice.store.audit.record(
            f"patient.{new_id()[:8]}", clinic="c1", by=f"{start}1+1", detail=detail
        )
    told = rows(visit("sam").post("/audit/patient/export", patient=P1).text)
    assert len([row for row in told if "evil" in row["detail"]]) == len(FORMULA_STARTS)
    cells = [cell for row in told for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]


def test_an_erased_patient_is_asked_for_by_id(
    practice: Practice, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    """No name finds who was erased; the id stands in the erasure's own row of the audit."""
    sam, case_id = visit("sam"), practice.cases["refill"]
    visit("dana").get(f"/case/{case_id}")
    life = open_life(
        f"sqlite:///{tmp_path / 'practice' / 'practice.db'}",
        Keys.load(tmp_path / "practice" / "keys"),
        practice.store,
        lists=[tmp_path / "erasures.list"],
    )
    life.erase("patient", P1, clinic="c1", by="u-sam")
    life.close()
    assert "Nobody matches" in sam.post("/audit/patient", words="rosalind").text
    form = sam.get("/audit").text.split('action="/audit/patient/seen"')[1].split("</form>")[0]
    assert '<input name="patient"' in form
    told = sam.post("/audit/patient/seen", patient=P1)
    assert told.status_code == 200
    for words in ("Dana Whitlock", "case.read", "patient.erased"):
        assert words in told.text
    listed = rows(sam.post("/audit/patient/export", patient=P1).text)
    assert case_id in {row["cases"] for row in listed}
    assert sam.post("/audit/patient/seen", patient="nobody").status_code == 404
