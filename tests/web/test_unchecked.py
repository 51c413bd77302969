"""A case whose draft cannot be checked: it is seen, its words wait, and the log knows no word."""

from collections.abc import Callable

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.domain import Protected
from triage.errors import StoreLocked, UncheckedWords
from triage.web.errors import told

DANA = PEOPLE["dana"]
STOPPED = "These words could not be checked"


def save(practice: Practice, body: str) -> str:
    words = {"subject": Protected("Yours"), "body": Protected(body)}
    return practice.desk.replies.save(DANA, practice.cases["refill"], **words).outgoing.digest


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the check fail the way a missing key does, with words of the draft in the error."""

    def fails(*_: object) -> None:
        raise KeyError("lisinopril for Rosalind")

    monkeypatch.setattr("triage.desk.checking.facts_of", fails)


@pytest.mark.usefixtures("breaking")
def test_a_case_is_shown_whatever_its_draft_does_to_the_check(
    practice: Practice, visit: Callable[[str], Visit], caplog: pytest.LogCaptureFixture
) -> None:
    digest, case_id = save(practice, "Your lisinopril is ready."), practice.cases["refill"]
    dana = visit("dana")
    page = dana.get(f"/case/{case_id}")
    assert page.status_code == 200
    assert "Your lisinopril is ready." in page.text
    assert STOPPED in page.text
    assert 'id="approve"' not in page.text
    # A page that was open before, or a hand-made form: the server refuses in a plain sentence.
    answer = dana.decide(case_id, "approve", digest=digest, proof=f"{'0' * 64}:{'0' * 128}")
    assert answer.status_code == 409
    assert told(UncheckedWords())[2] in " ".join(answer.text.split())
    (event,) = practice.store.audit.events(clinic="c1", by="t", action="approval.stopped")
    assert event.detail["why"] == "UncheckedWords"
    lines = [
        record.getMessage() for record in caplog.records if record.name == "triage.desk.checking"
    ]
    assert lines
    assert all("KeyError" in line and "lisinopril" not in line for line in lines)
    assert "for Rosalind" not in caplog.text


def test_a_database_that_is_busy_stays_what_it_is(
    practice: Practice, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(practice, "Your lisinopril is ready.")

    def fails(*_: object, **__: object) -> None:
        raise StoreLocked("busy")

    monkeypatch.setattr(type(practice.store.bystanders), "among", fails)
    page = visit("dana").get(f"/case/{practice.cases['refill']}")
    assert page.status_code == 503
    assert STOPPED not in page.text


def test_a_dose_in_micrograms_is_a_fact_like_any_other(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    save(practice, "Please take 50 µg a day.")
    page = visit("dana").get(f"/case/{practice.cases['refill']}")
    assert page.status_code == 200
    assert "50 µg" in page.text
    assert STOPPED not in page.text
