"""Finding a patient, so that a case gets one, and all else that is known of them.

Rule of the room: what is searched for travels in the body of a form, never in an address.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import Protected
from triage.web.case import Seen, Was, back_to
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/case/{case_id}")


@router.post("/patients")
def find(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    seen: Seen,
    was: Was,
    words: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Return the patients that match every word, each with the contacts one may answer."""
    searched = bool(words.strip())
    found = desk.people.find_patients(posting.user, Protected(words)) if searched else ()
    contacts = {patient.id: desk.people.contacts(posting.user, patient.id) for patient in found}
    return pages(request).render(
        "_patients.html",
        posting,
        case_id=case_id,
        patients=found,
        contacts=contacts,
        searched=searched,
        seen=seen,
        was=was,
    )


@router.post("/verify")
def verify(
    desk: TheDesk, posting: Posting, case_id: str, contact: Annotated[str, Form()]
) -> Response:
    """Record that this person checked an address with its owner."""
    desk.people.verify_contact(posting.user, contact)
    return back_to(case_id)


@router.post("/consent")
def consent(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    contact: Annotated[str, Form()],
    agreed: Annotated[str, Form(pattern="^(yes|no)$")],
) -> Response:
    """Record what the patient said when this person asked whether e-mail is all right."""
    desk.people.record_consent(posting.user, contact, agreed == "yes")
    return back_to(case_id)


@router.post("/everything")
def everything(desk: TheDesk, posting: Posting, case_id: str) -> Response:
    """Go to the page with all cases of the patient, open and closed, whatever way they came."""
    return RedirectResponse(f"/search/{desk.search.of_patient(posting.user, case_id)}", 303)


@router.get("/portal")
def portal(request: Request, desk: TheDesk, asking: Asking, case_id: str) -> HTMLResponse:
    """Show what the portal knows of the patient of a case, asked for just now."""
    view = desk.portal.known(asking.user, case_id)
    return pages(request).render(
        "portal.html", asking, here="/queue", view=view, case=view.file.case, facts=view.facts
    )
