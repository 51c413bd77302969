"""The queue: what to do next, urgent on top.

Rule of the room: the page hears by `/queue/stream`, or asks `/queue/version` every few seconds,
and fetches rows only when something changed, so that watching the queue writes no audit rows.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from triage.desk import Desk
from triage.domain import Lane
from triage.web.colleagues import around
from triage.web.filters import Part, Parts
from triage.web.pages import pages
from triage.web.visitor import Asking, TheDesk, Visitor, Watching

router = APIRouter(prefix="/queue")
#: Rows on one page.
PAGE = 50

Start = Annotated[int, Query(ge=0, le=1_000_000)]


@router.get("")
def queue(
    *, request: Request, desk: TheDesk, asking: Asking, part: Parts, start: Start = 0
) -> HTMLResponse:
    """Show one page of the queue."""
    return _render(request, desk, asking, "queue.html", part=part, start=start)


@router.get("/rows")
def rows(
    *, request: Request, desk: TheDesk, asking: Watching, part: Parts, start: Start = 0
) -> HTMLResponse:
    """Return the rows alone, for a page that is already open."""
    return _render(request, desk, asking, "_rows.html", part=part, start=start)


@router.get("/version")
def version(request: Request, desk: TheDesk, asking: Watching) -> JSONResponse:
    """Say whether anything changed, how full each lane is and what is wrong; about nobody."""
    pulse = desk.queue.pulse(asking.user)
    counts = {lane.value: pulse.counts.get(lane, 0) for lane in Lane}
    said = pages(request).said
    found = [{"level": banner.level, "text": said(banner.text)} for banner in pulse.banners]
    views = dict(pulse.in_views)
    for_me, announces = desk.live.for_me(asking.user), desk.calm.announces(asking.user)
    news = {"version": pulse.version, "counts": counts, "views": views, "banners": found}
    return JSONResponse({**news, "for_me": for_me, "announces": announces})


def _render(
    request: Request, desk: Desk, asking: Visitor, name: str, *, part: Part, start: int
) -> HTMLResponse:
    view = desk.queue.view(
        asking.user,
        lane=part.lane,
        saved=part.view,
        filters=part.filters(asking.user),
        limit=PAGE,
        offset=start,
    )
    return pages(request).render(
        name,
        asking,
        here="/queue",
        view=view,
        banners=view.banners,
        **around(desk, asking.user),
        start=start,
        page=PAGE,
        part=part,
        calm=desk.calm.mine(asking.user),
        announces=desk.calm.announces(asking.user),
    )
