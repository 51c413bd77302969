"""The score sheet of whoever practises: one page to look at, print and talk over.

Rule of the room: nothing is here but in a practice for training, where nobody is real.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from triage.domain import Result
from triage.web.audit import table
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/score")


@router.get("")
def score(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show what the trainee did with each exercise, and why it matters."""
    return pages(request).render(
        "score.html",
        asking,
        here="/score",
        sheet=desk.score.sheet(asking.user),
        Result=Result,
        banners=(),
    )


@router.post("/export")
def export(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    kind: Annotated[Literal["csv", "json"], Form()] = "csv",
) -> Response:
    """Hand out the same as a table in which no cell is a formula, or as JSON."""
    name = f"score-{datetime.now(UTC):%Y%m%d-%H%M}.{kind}"
    if kind == "csv":
        return table(desk.score.table(posting.user, pages(request).said), name)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(desk.score.listed(posting.user), media_type="application/json", headers=headers)
