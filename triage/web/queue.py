"""The queue: what to do next, urgent on top.

Rule of the room: the page asks `/queue/version` every few seconds and fetches rows only when
something changed, so that watching the queue writes no audit rows.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from triage.desk import Desk
from triage.domain import Lane, User
from triage.web.pages import pages
from triage.web.visitor import Asking, TheDesk, Visitor, Watching

router = APIRouter(prefix="/queue")
#: Rows on one page.
PAGE = 50

Start = Annotated[int, Query(ge=0, le=1_000_000)]


@router.get("")
def queue(
    request: Request, desk: TheDesk, asking: Asking, lane: Lane | None = None, start: Start = 0
) -> HTMLResponse:
    """Show one page of the queue."""
    return _render(request, desk, asking, "queue.html", lane=lane, start=start)


@router.get("/rows")
def rows(
    request: Request, desk: TheDesk, asking: Watching, lane: Lane | None = None, start: Start = 0
) -> HTMLResponse:
    """Return the rows alone, for a page that is already open."""
    return _render(request, desk, asking, "_rows.html", lane=lane, start=start)


@router.get("/version")
def version(desk: TheDesk, asking: Watching) -> JSONResponse:
    """Say whether anything changed, how full each lane is and what is wrong; about nobody."""
    pulse = desk.queue.pulse(asking.user)
    counts = {lane.value: pulse.counts.get(lane, 0) for lane in Lane}
    found = [{"level": banner.level, "text": banner.text} for banner in pulse.banners]
    return JSONResponse({"version": pulse.version, "counts": counts, "banners": found})


def _render(
    request: Request, desk: Desk, asking: Visitor, name: str, *, lane: Lane | None, start: int
) -> HTMLResponse:
    view = desk.queue.view(asking.user, lane=lane, limit=PAGE, offset=start)
    return pages(request).render(
        name,
        asking,
        here="/queue",
        view=view,
        banners=view.banners,
        names=_names(desk, asking.user),
        start=start,
        page=PAGE,
    )


def _names(desk: Desk, user: User) -> dict[str, str]:
    return {person.id: person.display_name for person in desk.people.users(user)}
