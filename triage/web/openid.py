"""The way in through the organisation's own log-in, and back.

Rule of the room: whoever comes back is told in plain words why not; what the provider's answer
held stands on no page and in no log.
"""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.errors import NotFound, ProviderRefused, TooManyTries
from triage.web.pages import pages
from triage.web.session import BROWSER, give_token, patience, way_on
from triage.web.visitor import TheDesk

router = APIRouter(prefix="/log-in/openid")
#: Binds a log-in to the browser that began it. Lax: the way back begins on the provider's page.
ERRAND = "errand"
_PATH = "/log-in/openid"
_LASTS = 10 * 60


@router.get("")
def begin(request: Request, desk: TheDesk) -> Response:
    """Go to the provider."""
    try:
        place, secret = desk.openid.begin(address=_address(request))
    except ProviderRefused as refused:
        return _refused(request, desk.openid.label, refused)
    except TooManyTries as tries:
        return _too_many(request, desk.openid.label, tries)
    answer = RedirectResponse(place, status_code=303)
    answer.set_cookie(
        ERRAND,
        secret,
        max_age=_LASTS,
        path=_PATH,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.get("/back")
def back(request: Request, desk: TheDesk) -> Response:
    """Take what the provider says and lead on, or say why not."""
    secret, browser = request.cookies.get(ERRAND, ""), request.cookies.get(BROWSER, "")
    given = dict(request.query_params)
    try:
        entry = desk.openid.come_back(secret, given, address=_address(request), browser=browser)
    except ProviderRefused as refused:
        answer = _refused(request, desk.openid.label, refused)
    else:
        # A page of ours leads on, not a redirect: the session's cookie is not sent along on a way
        # that began on another site.
        path = way_on(desk, entry)
        answer = pages(request).render("going_on.html", None, path=path)
        give_token(request, answer, entry)
    answer.delete_cookie(ERRAND, path=_PATH, httponly=True, samesite="lax")
    return answer


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(request: Request, label: str, refused: ProviderRefused) -> HTMLResponse:
    if not label:
        raise NotFound("provider")
    return _page(request, label, 401, why=refused.why, subject=refused.subject)


def _too_many(request: Request, label: str, tries: TooManyTries) -> HTMLResponse:
    return patience(_page(request, label, 429, wait=tries.seconds), tries)


def _page(
    request: Request, label: str, status: int, *, why: str = "", subject: str = "", wait: int = 0
) -> HTMLResponse:
    return pages(request).render(
        "log_in.html",
        None,
        status=status,
        refused=False,
        wait=wait,
        why=why,
        subject=subject,
        elsewhere=label,
    )
