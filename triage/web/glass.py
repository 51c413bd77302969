"""Emergencies: opening one case with a written reason, and the supervisors' look back at it.

Rule of the room: the reason travels in the body of a form and is shown to supervisors only.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.glass import MINUTES
from triage.domain import Protected
from triage.web.case import back_to
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter()
#: The id of a case as it stands in its address.
CaseId = Annotated[str, Form(min_length=1, max_length=64, pattern="^[A-Za-z0-9-]+$")]


@router.get("/emergency")
def ask(request: Request, desk: TheDesk, asking: Asking, case_id: str = "") -> HTMLResponse:
    """Ask which case, why and for how long."""
    return pages(request).render(
        "emergency.html",
        asking,
        here="/emergency",
        case_id=case_id,
        minutes=MINUTES,
        banners=desk.banners(asking.user),
    )


@router.post("/emergency")
def smash(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: CaseId,
    reason: Annotated[str, Form(min_length=10, max_length=1000)],
    minutes: Annotated[int, Form()],
) -> Response:
    """Open the case for reading and tell the supervisors."""
    words = Protected(reason.strip())
    desk.glass.smash(posting.user, case_id, reason=words, minutes=minutes)
    return back_to(case_id)


@router.get("/emergencies")
def emergencies(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show every emergency, those nobody has looked into first."""
    return pages(request).render(
        "emergencies.html",
        asking,
        here="/emergencies",
        found=desk.glass.all(asking.user),
        names={person.id: person.display_name for person in desk.people.users(asking.user)},
        banners=desk.banners(asking.user),
    )


@router.post("/emergencies/{glass_id}")
def review(desk: TheDesk, posting: Posting, glass_id: str) -> Response:
    """Tick one off by name."""
    desk.glass.review(posting.user, glass_id)
    return RedirectResponse("/emergencies", status_code=303)
