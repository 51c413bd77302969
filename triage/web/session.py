"""Signing in and out, and the page about oneself.

Rule of the room: the approval code is never posted; a script keeps it in this browser.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk, Right, may
from triage.desk.signing import Entry
from triage.errors import NotSignedIn, TooManyTries
from triage.web.errors import way_in
from triage.web.pages import home, pages
from triage.web.security import csrf_token
from triage.web.visitor import COOKIE, LONGEST_SESSION, Asking, Posting, TheDesk, Visitor

router = APIRouter()
#: Says that somebody signed in with this browser before; it opens nothing.
BROWSER = "browser"
KNOWN_FOR = 180 * 24 * 60 * 60


@router.get("/log-in")
def log_in_form(request: Request, desk: TheDesk) -> HTMLResponse:
    """Ask who is there."""
    return _page(request, desk)


@router.post("/log-in")
def log_in(
    request: Request,
    desk: TheDesk,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Open a session and go to the second factor, or to the first page this person may see."""
    address = request.client.host if request.client else ""
    browser = request.cookies.get(BROWSER, "")
    try:
        entry = desk.signing.sign_in(username.strip(), password, address=address, browser=browser)
    except NotSignedIn:
        return _page(request, desk, status=401, refused=True)
    except TooManyTries as tries:
        return patience(_page(request, desk, status=429, wait=tries.seconds), tries)
    if old := request.cookies.get(COOKIE):
        desk.sign_out(old)
    return take_seat(request, desk, entry)


def take_seat(request: Request, desk: Desk, entry: Entry, *, path: str = "") -> Response:
    """Hand the browser the session's new token and lead on."""
    answer = RedirectResponse(path or way_on(desk, entry), status_code=303)
    give_token(request, answer, entry)
    return answer


def way_on(desk: Desk, entry: Entry) -> str:
    """Return where a session leads: to what is still missing, or to the first page."""
    try:
        return home(Visitor(desk.who(entry.token), csrf_token(entry.token), entry.token))
    except NotSignedIn as missing:
        return way_in(missing)


def give_token(request: Request, answer: Response, entry: Entry) -> None:
    """Put the session's token, and the browser's once there is one, into their cookies."""
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE,
        entry.token,
        max_age=LONGEST_SESSION,
        httponly=True,
        samesite="strict",
        secure=secure,
    )
    if entry.browser:
        answer.set_cookie(
            BROWSER,
            entry.browser,
            max_age=KNOWN_FOR,
            path="/log-in",
            httponly=True,
            samesite="strict",
            secure=secure,
        )


def patience(page: HTMLResponse, tries: TooManyTries) -> HTMLResponse:
    """Say to machines, too, how long to wait."""
    page.headers["Retry-After"] = str(tries.seconds)
    return page


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


@router.post("/account/key", status_code=204)
def proof_key(
    desk: TheDesk,
    posting: Posting,
    *,
    public: Annotated[str, Form(pattern="^04[0-9a-f]{128}$")],
    until: Annotated[int, Form(ge=0, le=2**40)],
    certificate: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
) -> None:
    """Keep the public half of the key this browser made; it can be read by nobody else."""
    moment = datetime.fromtimestamp(until, UTC)
    desk.signing.enrol_proof_key(
        posting.token, public=public, until=moment, certificate=certificate
    )


@router.get("/account")
def account(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show who one is, the approval code kept here, and the keys."""
    return pages(request).render(
        "account.html",
        asking,
        here="/account",
        banners=desk.banners(asking.user),
        standing=desk.signing.arriving(asking.token),
        changed=request.query_params.get("changed") == "password",
        calm_changed=request.query_params.get("changed") == "calm",
        calm=desk.calm.mine(asking.user) if may(asking.user, Right.SEE_QUEUE) else None,
    )


def _page(
    request: Request, desk: Desk, *, status: int = 200, refused: bool = False, wait: int = 0
) -> HTMLResponse:
    return pages(request).render(
        "log_in.html",
        None,
        status=status,
        refused=refused,
        wait=wait,
        why="",
        subject="",
        elsewhere=desk.openid.label,
    )
