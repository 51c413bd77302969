"""What the portal knows, on a page of its own: audited, and a failing portal holds nothing up."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk.portal import PortalDesk
from triage.domain import Appointment, Channel, Medication, PortalFacts, Protected
from triage.errors import PortalShut, PortalSilent, StoreRefused

FACTS = PortalFacts(
    name=Protected("Somebody Else"),
    birth_date=Protected("1901-01-01"),
    appointments=(
        Appointment(datetime(2030, 1, 2, 9, 30, tzinfo=UTC), Protected("<b>visit</b>"), "booked"),
    ),
    medications=(Medication(Protected("lisinopril"), Protected("once a day")),),
    missing=frozenset({"Coverage"}),
)


def connect(practice: Practice, answer: PortalFacts | Exception) -> list[str]:
    """Let the desk ask a portal that answers this; return what it is asked about."""
    asked: list[str] = []

    def ask(reference: Protected) -> PortalFacts:
        asked.append(reference.reveal())
        if isinstance(answer, Exception):
            raise answer
        return answer

    practice.desk.portal = PortalDesk(practice.store, ask, lambda *_: None)
    return asked


def in_the_portal(practice: Practice) -> tuple[str, str]:
    """Return a case whose patient has a verified place in the portal, and that place."""
    for case_id in practice.cases.values():
        file = practice.store.cases.get(case_id, clinic="c1", by="test")
        for one in (file.contact, *file.contacts):
            if file.patient and one and one.channel is Channel.PORTAL and one.verified_by:
                return case_id, one.address.reveal()
    raise AssertionError("nobody in the practice uses the portal")


def test_the_page_shows_what_the_portal_says(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    asked = connect(practice, FACTS)
    case_id, place = in_the_portal(practice)
    dana = visit("dana")
    assert f'href="/case/{case_id}/portal"' in dana.get(f"/case/{case_id}").text
    assert asked == [], "nothing is asked before somebody wants to know"
    page = dana.get(f"/case/{case_id}/portal").text
    assert asked == [place]
    assert "2030-01-02 09:30 UTC" in page
    assert "lisinopril" in page
    assert "&lt;b&gt;visit" in page
    assert "The portal does not show us this" in page
    assert "Is this the same person?" in page
    assert "portal.read" in visit("sam").get(f"/case/{case_id}/history").text


def test_a_portal_that_fails_says_so(practice: Practice, visit: Callable[[str], Visit]) -> None:
    connect(practice, PortalSilent("x"))
    case_id, _ = in_the_portal(practice)
    answer = visit("dana").get(f"/case/{case_id}/portal")
    assert answer.status_code == 200
    assert "does not answer now" in answer.text


def test_a_desk_without_a_log_in_of_its_own_says_so(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    connect(practice, PortalShut("x"))
    case_id, _ = in_the_portal(practice)
    page = visit("dana").get(f"/case/{case_id}/portal").text
    assert "no log-in of its own for the portal" in page
    assert "does not answer" not in page


def test_nobody_is_asked_about_whom_we_do_not_know(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    asked = connect(practice, FACTS)
    page = visit("dana").get(f"/case/{practice.cases['stranger']}/portal").text
    assert "no verified place in the portal" in page
    assert visit("ada").get(f"/case/{practice.cases['bill']}/portal").status_code == 403
    assert asked == []
    assert practice.desk.portal.known(PEOPLE["dana"], practice.cases["stranger"]).facts is None


def test_a_disk_that_takes_nothing_is_a_page_that_says_so(
    practice: Practice, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    dana = visit("dana")

    def full(*_: object, **__: object) -> None:
        raise StoreRefused("the disk is full")

    monkeypatch.setattr(practice.store.cases, "get", full)
    answer = dana.get(f"/case/{practice.cases['bill']}")
    assert answer.status_code == 503
    assert "Nothing can be kept just now" in answer.text
