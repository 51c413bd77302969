"""The clinic's forms and how approving goes: two pages of a supervisor.

Rule of the room: a file is handed out for saving and never opened on our pages.
"""

from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import Protected
from triage.web.case import saved
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter()
#: How far back the page about approvals looks.
DAYS = 30


@router.get("/forms")
def forms(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show the list, with what was taken off it."""
    return pages(request).render(
        "forms.html",
        asking,
        here="/forms",
        forms=desk.forms.all(asking.user, retired=True),
        names={one.id: one.display_name for one in desk.people.users(asking.user)},
        banners=desk.banners(asking.user),
    )


@router.post("/forms")
def add(desk: TheDesk, posting: Posting, file: Annotated[UploadFile, File()]) -> Response:
    """Put a file on the list."""
    desk.forms.add(posting.user, Protected(file.filename or ""), file.file.read())
    return RedirectResponse("/forms", status_code=303)


@router.get("/forms/{form_id}")
def form(desk: TheDesk, asking: Asking, form_id: str) -> Response:
    """Hand out a form for saving."""
    found = desk.forms.content(asking.user, form_id)
    return saved(found.content, found.name.reveal())


@router.post("/forms/{form_id}/retire")
def retire(desk: TheDesk, posting: Posting, form_id: str) -> Response:
    """Take a form off the list."""
    desk.forms.retire(posting.user, form_id)
    return RedirectResponse("/forms", status_code=303)


@router.get("/approvals")
def approvals(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show how approving went."""
    return pages(request).render(
        "approvals.html",
        asking,
        here="/approvals",
        counts=desk.supervision.approvals(asking.user, days=DAYS),
        days=DAYS,
        banners=desk.banners(asking.user),
    )
