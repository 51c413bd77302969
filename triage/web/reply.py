"""A reply: words, their exact preview, a named person's approval, and a moment to take it back.

Rule of the room: one reply at a time; the proof comes from the person's own browser and is
passed on unread.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import Protected
from triage.web.case import Seen, back_to
from triage.web.pages import pages
from triage.web.visitor import Posting, TheDesk, Watching
from triage.web.wording import MOST_ASKED

router = APIRouter(prefix="/case/{case_id}")


@router.post("/draft")
def save(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    subject: Annotated[str, Form()] = "",
    body: Annotated[str, Form()] = "",
) -> Response:
    """Keep the words and show exactly what would leave."""
    desk.replies.save(posting.user, case_id, subject=Protected(subject), body=Protected(body))
    return back_to(case_id, "#check")


@router.post("/approve")
def approve(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    *,
    digest: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    proof: Annotated[str, Form(pattern="^[0-9a-f]{64}:[0-9a-f]{128}$")],
    seen: Seen,
    then: Annotated[str, Form(pattern="^(run)?$")] = "",
) -> Response:
    """Approve the words of this digest; a 409 when they are no longer the saved ones."""
    desk.replies.approve(posting.user, case_id, digest=digest, proof=proof, seen=seen)
    if then:
        return RedirectResponse(f"/away/next?besides={case_id}", status_code=303)
    return back_to(case_id, "#replies")


@router.post("/recall/{reply_id}")
def recall(desk: TheDesk, posting: Posting, case_id: str, reply_id: str) -> Response:
    """Take an approved reply back within the undo window."""
    desk.replies.recall(posting.user, reply_id)
    return back_to(case_id, "#replies")


@router.get("/reply/{reply_id}")
def state(
    *,
    request: Request,
    desk: TheDesk,
    asking: Watching,
    case_id: str,
    reply_id: str,
    attempt: Annotated[int, Query(ge=0, le=MOST_ASKED)] = 0,
) -> HTMLResponse:
    """Say where a reply is; the page asks ever more rarely, and after a while no more."""
    reply = desk.replies.status(asking.user, reply_id)
    return pages(request).render(
        "_reply_state.html", asking, reply=reply, case_id=case_id, attempt=attempt + 1
    )
