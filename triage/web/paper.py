"""After a time without a machine: what was done on paper.

Rule of the room: times are typed in the practice's own zone and kept in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.paper import ON_PAPER, URGENT_ON_PAPER
from triage.desk.queue import OUTCOMES
from triage.domain import Protected, Told
from triage.errors import (
    AlreadyClaimed,
    AlreadyEntered,
    ChangedUnderneath,
    NotAnswerable,
    NotFound,
    OpenRequest,
    OutcomeIncomplete,
    TriageError,
)
from triage.web.errors import told as told_of
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/downtime")

#: What keeps an entry out and its words on the page, to be sent again.
_KEPT = (AlreadyClaimed, ChangedUnderneath, NotAnswerable, OpenRequest, OutcomeIncomplete)


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
    except (AlreadyEntered, *_KEPT) as why:
        first = desk.paper.entered(posting.user, list_id, case)
        if first is None:
            words = {"who": Protected(who), "said": Protected(said), "note": Protected(note)}
            given = {"acted_by": acted_by, "acted_at": acted_at, "outcome": outcome, "done": done}
            here = {"list_id": list_id, "case_id": case}
            return _again(request, desk, posting, why, **here, given={**given, **words})
        shown = {"entry": first, "names": desk.paper.names(posting.user)}
        return pages(request).render(
            "downtime_entered.html", posting, status=409, here="/downtime", **shown
        )
    return RedirectResponse("/downtime", status_code=303)


def _again(
    request: Request,
    desk: Desk,
    posting: Visitor,
    why: TriageError,
    *,
    list_id: str,
    case_id: str,
    given: Mapping[str, object],
) -> Response:
    """Say what kept an entry out, above a form with everything this person typed."""
    view = desk.paper.view(posting.user)
    for outage in view.outages:
        item = next((one for one in outage.items if one.case_id == case_id), None)
        if outage.id == list_id and item is not None:
            break
    else:
        raise why
    status, headline, advice = told_of(why)
    return pages(request).render(
        "downtime_again.html",
        posting,
        status=status,
        here="/downtime",
        headline=headline,
        advice=advice,
        ticks=isinstance(why, OpenRequest),
        view=view,
        outage=outage,
        item=item,
        given=given,
        outcomes=ON_PAPER,
        urgent_outcomes=URGENT_ON_PAPER,
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """Read what a browser's date and time field gives: a moment at the practice."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise NotFound("moment") from None
