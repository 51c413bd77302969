"""Settings a practice manager edits: opening hours, targets, who is told of urgent messages.

Rule of the room: each form carries the version it was made from; what somebody else changed
meanwhile is a 409, as everywhere.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import DAYS, Route, Setting, Step
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/practice")
Number = Annotated[int, Form(ge=0)]
Words = Annotated[list[str] | None, Form()]
#: The two halves of the plan.
PARTS = ("in_hours", "out_of_hours")


def _back(part: str) -> Response:
    return RedirectResponse(f"/practice#{part}", status_code=303)


@router.get("")
def practice(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show every setting, who made it so, and when."""
    view = desk.practice.view(asking.user)
    return pages(request).render(
        "practice.html",
        asking,
        here="/practice",
        view=view,
        Setting=Setting,
        days=DAYS,
        routes=tuple(Route),
        steps=tuple(Step),
        parts=PARTS,
        names={one.id: one.display_name for one in view.staff},
        banners=desk.banners(asking.user),
    )


@router.post("/hours")
def hours(
    *,
    desk: TheDesk,
    posting: Posting,
    version: Number,
    span: Words = None,
    holidays: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Say when the practice is open: one span for each day, Monday first, empty where closed."""
    spans = dict(zip(DAYS, span or (), strict=False))
    days = {day: words.strip() for day, words in spans.items() if words.strip()}
    plain = {"days": days, "holidays": sorted(set(holidays.split()))}
    desk.practice.set_hours(posting.user, plain, version=version)
    return _back("hours")


@router.post("/targets")
def targets(
    *,
    desk: TheDesk,
    posting: Posting,
    version: Number,
    target: Annotated[list[float] | None, Form()] = None,
) -> Response:
    """Say after how many hours each route is due, in the order of the routes."""
    given = zip(Route, target or (), strict=False)
    plain = {route.value: round(60 * number) for route, number in given}
    desk.practice.set_targets(posting.user, plain, version=version)
    return _back("targets")


@router.post("/escalation")
def escalation(
    *, desk: TheDesk, posting: Posting, version: Number, who: Words = None, door: Words = None
) -> Response:
    """Say who is told: six names in order, and `part.step.door` for each door ticked."""
    places = [(part, step) for part in PARTS for step in Step]
    named = dict(zip(places, who or (), strict=False))
    plain: dict[str, dict[str, object]] = {part: {} for part in PARTS}
    for part, step in places:
        mark = f"{part}.{step.value}."
        doors = [one.removeprefix(mark) for one in door or () if one.startswith(mark)]
        plain[part][step.value] = {"who": named.get((part, step), ""), "doors": doors}
    desk.practice.set_plan(posting.user, plain, version=version)
    return _back("escalation")
