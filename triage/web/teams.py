"""Teams, saved views and two approvers: how the practice arranges its work.

Rule of the room: nothing about a patient is on this page.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import Assigned, Lane, Route
from triage.web.colleagues import around
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/teams")
Name = Annotated[str, Form(min_length=1, max_length=60)]
Id = Annotated[str, Form(max_length=64, pattern="^[A-Za-z0-9-]*$")]


@router.get("")
def teams(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show teams with their people, saved views, and where two must approve."""
    return pages(request).render(
        "teams.html",
        asking,
        here="/teams",
        found=desk.teams.teams(asking.user),
        views=desk.teams.views(asking.user),
        two=desk.teams.two_approvers(asking.user),
        banners=desk.banners(asking.user),
        **around(desk, asking.user),
    )


@router.post("")
def put_team(
    *,
    desk: TheDesk,
    posting: Posting,
    name: Name,
    team_id: Id = "",
    member: Annotated[list[str] | None, Form()] = None,
    route: Annotated[list[Route] | None, Form()] = None,
) -> Response:
    """Add a team, or say who is in one and what it works on."""
    people, routes = member or (), route or ()
    desk.teams.put_team(
        posting.user, called=name, members=people, routes=routes, team_id=team_id or None
    )
    return _back()


@router.post("/views")
def put_view(
    *,
    desk: TheDesk,
    posting: Posting,
    name: Name,
    team_id: Id = "",
    route: Annotated[list[Route] | None, Form()] = None,
    lane: Annotated[list[Lane] | None, Form()] = None,
    assigned: Annotated[Assigned, Form()] = Assigned.ANYBODY,
) -> Response:
    """Save a view of the queue."""
    desk.teams.put_view(
        posting.user,
        called=name,
        team_id=team_id or None,
        routes=route or (),
        lanes=lane or (),
        assigned=assigned,
    )
    return _back()


@router.post("/views/{view_id}/remove")
def remove_view(desk: TheDesk, posting: Posting, view_id: str) -> Response:
    """Forget a view; the cases in it stay where they are."""
    desk.teams.remove_view(posting.user, view_id)
    return _back()


@router.post("/two")
def want_two(
    desk: TheDesk, posting: Posting, route: Annotated[list[Route] | None, Form()] = None
) -> Response:
    """Want two approvers for these routes and no others."""
    desk.teams.want_two(posting.user, route or ())
    return _back()


def _back() -> Response:
    return RedirectResponse("/teams", status_code=303)
