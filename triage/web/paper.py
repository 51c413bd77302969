"""After a time without a machine: what was done on paper.

Rule of the room: times are typed in the practice's own zone and kept in UTC.
"""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.paper import ON_PAPER, URGENT_ON_PAPER
from triage.desk.queue import OUTCOMES
from triage.domain import Protected, Told
from triage.errors import AlreadyEntered, ChangedUnderneath, NotFound
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/downtime")


@router.get("")
def downtime(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show every time on paper and what is not entered yet."""
    return pages(request).render(
        "downtime.html",
        asking,
        here="/downtime",
        view=desk.paper.view(asking.user),
        outcomes=ON_PAPER,
        urgent_outcomes=URGENT_ON_PAPER,
        banners=desk.banners(asking.user),
    )


@router.post("/begin")
def begin(desk: TheDesk, posting: Posting) -> Response:
    """Say that people worked from the newest list."""
    desk.paper.begin(posting.user)
    return RedirectResponse("/downtime", status_code=303)


@router.post("/{list_id}/nobody")
def nobody(desk: TheDesk, posting: Posting, list_id: str) -> Response:
    """Enter that nothing was done, for all of a list that nobody has entered."""
    desk.paper.nobody(posting.user, list_id)
    return RedirectResponse("/downtime", status_code=303)


@router.post("/{list_id}")
def enter(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    list_id: str,
    *,
    case: Annotated[str, Form(min_length=1, max_length=64)],
    acted_by: Annotated[str, Form(min_length=1, max_length=64)],
    acted_at: Annotated[str, Form(min_length=16, max_length=16)],
    outcome: Annotated[str, Form(min_length=1, max_length=32)],
    who: Annotated[str, Form(max_length=200)] = "",
    said: Annotated[str, Form(max_length=1000)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
    done: Annotated[str, Form(pattern="^(yes|)$")] = "",
) -> Response:
    """Enter what was done with one case; who comes second sees what the first has entered."""
    told = Told(Protected(who), Protected(acted_at.replace("T", " ")), Protected(said))
    try:
        desk.paper.enter(
            posting.user,
            list_id,
            case,
            acted_by=acted_by,
            acted_at=_moment(acted_at, desk.paper.zone(posting.user)),
            outcome=outcome,
            note=Protected(note.strip()),
            told=told if outcome in OUTCOMES else None,
            all_done=done == "yes",
        )
    except (AlreadyEntered, ChangedUnderneath):
        first = desk.paper.entered(posting.user, list_id, case)
        if first is None:
            raise
        shown = {"entry": first, "names": desk.paper.names(posting.user)}
        return pages(request).render(
            "downtime_entered.html", posting, status=409, here="/downtime", **shown
        )
    return RedirectResponse("/downtime", status_code=303)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """Read what a browser's date and time field gives: a moment at the practice."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise NotFound("moment") from None
