"""Who saw one patient: the question every patient may ask, answered across all cases.

Rule of the room: whom it is about travels in the body of a form, never in an address.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from triage.domain import Protected
from triage.web.audit import table
from triage.web.pages import pages
from triage.web.visitor import Posting, TheDesk

router = APIRouter(prefix="/audit/patient")


@router.post("")
def find(
    request: Request, desk: TheDesk, posting: Posting, words: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """List the patients that match every word."""
    user, searched = posting.user, bool(words.strip())
    found = desk.supervision.patients(user, Protected(words)) if searched else ()
    return pages(request).render(
        "patients_seen.html",
        posting,
        here="/audit",
        patients=found,
        searched=searched,
        banners=desk.banners(user),
    )


@router.post("/seen")
def seen(
    request: Request, desk: TheDesk, posting: Posting, patient: Annotated[str, Form()]
) -> HTMLResponse:
    """Show who saw or changed what of one patient, in every case, oldest first."""
    user = posting.user
    return pages(request).render(
        "seen.html",
        posting,
        here="/audit",
        found=desk.supervision.seen(user, patient),
        patient=patient,
        names={person.id: person.display_name for person in desk.people.users(user)},
        banners=desk.banners(user),
    )


@router.post("/export")
def export(
    request: Request, desk: TheDesk, posting: Posting, patient: Annotated[str, Form()]
) -> Response:
    """Hand out the same as a table in which no cell is a formula."""
    found = desk.supervision.export_seen(posting.user, patient, pages(request).said)
    return table(found, f"who-saw-{datetime.now(UTC):%Y%m%d-%H%M}.csv")
