"""The second factor: its code at log-in, and enrolling an authenticator app.

Rule of the room: like `session.py` these pages are for people on their way in; the secret is
shown as text on one page until the app proves that it has it, and never again. Who is in already
gives the present password before it is shown.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from triage.desk import Desk
from triage.errors import NotSignedIn, TooManyTries
from triage.web.pages import pages
from triage.web.session import BROWSER, patience, take_seat
from triage.web.visitor import Arriving, Knocking, TheDesk, Visitor

router = APIRouter(prefix="/log-in")
Code = Annotated[str, Form(max_length=40)]
Words = Annotated[str, Form(max_length=1000)]


@router.get("/code")
def code_form(request: Request, arriving: Arriving) -> HTMLResponse:
    """Ask for the six digits."""
    return _ask(request, arriving)


@router.post("/code")
def code(request: Request, desk: TheDesk, arriving: Knocking, code: Code = "") -> Response:
    """Take the code; the session gets a new token."""
    try:
        entry = desk.signing.give_code(arriving.token, code, browser=_browser(request))
    except NotSignedIn:
        return _ask(request, arriving, status=401, refused=True)
    except TooManyTries as tries:
        return patience(_ask(request, arriving, status=429, wait=tries.seconds), tries)
    return take_seat(request, desk, entry)


@router.get("/enrol")
def enrol_form(request: Request, desk: TheDesk, arriving: Arriving) -> HTMLResponse:
    """Show the secret to put into an app, or ask for the present password first."""
    return _offer(request, desk, arriving)


@router.post("/enrol")
def enrol(
    request: Request, desk: TheDesk, arriving: Knocking, code: Code = "", present: Words = ""
) -> Response:
    """Keep the secret once the app shows its code; the session gets a new token.

    With the present password instead of a code: show the secret.
    """
    if present and not code:
        return _offer(request, desk, arriving, present=present)
    try:
        entry = desk.signing.enrol(arriving.token, code, browser=_browser(request))
    except NotSignedIn:
        return _offer(request, desk, arriving, status=401, refused=True)
    except TooManyTries as tries:
        page = _offer(request, desk, arriving, status=429, wait=tries.seconds)
        return patience(page, tries)
    return take_seat(request, desk, entry)


def _ask(
    request: Request, arriving: Visitor, *, status: int = 200, refused: bool = False, wait: int = 0
) -> HTMLResponse:
    return pages(request).render(
        "code.html", None, status=status, csrf_token=arriving.csrf, refused=refused, wait=wait
    )


def _offer(
    request: Request,
    desk: Desk,
    arriving: Visitor,
    *,
    status: int = 200,
    refused: bool = False,
    wait: int = 0,
    present: str = "",
) -> HTMLResponse:
    offer, wrong, tried = "", False, None
    try:
        if present or not desk.signing.wants_password(arriving.token):
            offer = desk.signing.offer(arriving.token, present)
    except NotSignedIn:
        status, wrong = 401, True
    except TooManyTries as tries:
        status, wait, tried = 429, tries.seconds, tries
    page = pages(request).render(
        "enrol.html",
        None,
        status=status,
        csrf_token=arriving.csrf,
        offer=offer,
        username=arriving.user.username,
        refused=refused,
        wrong=wrong,
        wait=wait,
        inside=bool(present) or not offer,
    )
    return patience(page, tried) if tried else page


def _browser(request: Request) -> str:
    return request.cookies.get(BROWSER, "")
