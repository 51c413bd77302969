"""A password of one's own: instead of one that was given, or of the one before.

Rule of the room: no page ever shows a password that somebody typed.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from triage.errors import NotSignedIn, TooManyTries, WeakPassword
from triage.web.pages import pages
from triage.web.session import BROWSER, patience, take_seat
from triage.web.visitor import Arriving, Asking, Knocking, Posting, TheDesk, Visitor

router = APIRouter()
Words = Annotated[str, Form(max_length=1000)]


@router.get("/log-in/password")
def first_form(request: Request, arriving: Arriving) -> HTMLResponse:
    """Ask somebody on the way in for a password of their own."""
    return _first(request, arriving)


@router.post("/log-in/password")
def first(
    request: Request, desk: TheDesk, arriving: Knocking, new: Words = "", again: Words = ""
) -> Response:
    """Take it; the session gets a new token."""
    if new != again:
        return _first(request, arriving, "differ")
    try:
        entry = desk.signing.choose_password(
            arriving.token, new, browser=request.cookies.get(BROWSER, "")
        )
    except WeakPassword as weak:
        return _first(request, arriving, weak.why)
    return take_seat(request, desk, entry)


@router.get("/account/password")
def form(request: Request, asking: Asking) -> HTMLResponse:
    """Ask for the old and the new password."""
    return _own(request, asking)


@router.post("/account/password")
def change(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    old: Words = "",
    new: Words = "",
    again: Words = "",
) -> Response:
    """Take the new password; every other session of this person ends."""
    if new != again:
        return _own(request, posting, "differ")
    try:
        entry = desk.signing.change_password(posting.token, old, new)
    except WeakPassword as weak:
        return _own(request, posting, weak.why)
    except NotSignedIn:
        return _own(request, posting, "wrong")
    except TooManyTries as tries:
        return patience(_own(request, posting, status=429, wait=tries.seconds), tries)
    return take_seat(request, desk, entry, path="/account?changed=password")


def _first(request: Request, arriving: Visitor, why: str = "") -> HTMLResponse:
    return pages(request).render(
        "first_password.html",
        None,
        status=409 if why else 200,
        csrf_token=arriving.csrf,
        username=arriving.user.username,
        why=why,
    )


def _own(
    request: Request, asking: Visitor, why: str = "", *, status: int = 0, wait: int = 0
) -> HTMLResponse:
    return pages(request).render(
        "password.html",
        asking,
        status=status or (409 if why else 200),
        here="/account",
        why=why,
        wait=wait,
    )
