"""Urgent messages on every page: how many wait for somebody to act, and the act.

Rule of the room: every open page asks every few seconds; the answer is numbers and moments, about
nobody, so that watching leaves no audit rows.
"""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import JSONResponse, Response

from triage.web.case import Seen, back_to
from triage.web.visitor import Posting, TheDesk, Watching

router = APIRouter()


@router.get("/urgent")
def urgent(desk: TheDesk, asking: Watching) -> JSONResponse:
    """Say how many urgent messages wait, for how many minutes, and whether that is news."""
    now, at = desk.urgent.now(asking.user)
    minutes = int((at - now.since).total_seconds() // 60) if now.since else 0
    # Whatever is louder than before is another word here, and sounds once more.
    news = f"{now.waiting} {now.newest.isoformat() if now.newest else ''} {now.steps}"
    return JSONResponse({"waiting": now.waiting, "minutes": max(0, minutes), "news": news})


@router.post("/case/{case_id}/acted")
def acted(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    how: Annotated[str, Form(max_length=40)],
    seen: Seen,
    to: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Say what was done about an urgent case."""
    desk.urgent.act(posting.user, case_id, how=how, to=to, seen=seen)
    return back_to(case_id)
