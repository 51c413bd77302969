"""Signing in and out, and the page about oneself.

Rule of the room: the approval code is never posted; a script keeps it in this browser.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.errors import NotSignedIn
from triage.web.pages import home, pages
from triage.web.security import csrf_token
from triage.web.visitor import COOKIE, Asking, Posting, TheDesk, Visitor

router = APIRouter()
#: After this the browser forgets; the store ends idle sessions much earlier.
LONGEST_SESSION = 12 * 60 * 60


@router.get("/log-in")
def log_in_form(request: Request) -> HTMLResponse:
    """Ask who is there."""
    return pages(request).render("log_in.html", None, refused=False)


@router.post("/log-in")
def log_in(
    request: Request,
    desk: TheDesk,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Open a session and go to the first page this person may see."""
    try:
        token = desk.sign_in(username.strip(), password)
    except NotSignedIn:
        return pages(request).render("log_in.html", None, status=401, refused=True)
    visitor = Visitor(desk.who(token), csrf_token(token))
    answer = RedirectResponse(home(visitor), status_code=303)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=LONGEST_SESSION,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/log-out")
def log_out(request: Request, desk: TheDesk, _: Posting) -> Response:
    """End the session here and in the store."""
    desk.sign_out(request.cookies[COOKIE])
    answer = RedirectResponse("/log-in", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@router.get("/")
def front(asking: Asking) -> Response:
    """Go to the first page this person may see."""
    return RedirectResponse(home(asking), status_code=303)


@router.get("/account")
def account(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show who one is, the approval code kept here, and the keys."""
    banners = desk.banners(asking.user)
    return pages(request).render("account.html", asking, here="/account", banners=banners)
