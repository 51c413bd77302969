"""A reply: words, their exact preview, a named person's approval, and a moment to take it back.

Rule of the room: one reply at a time; the proof comes from the person's own browser and is
passed on unread.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import Protected, ReplyState
from triage.errors import AlreadyClaimed, ChangedUnderneath, NotAnswerable, UnwritableWords
from triage.web.case import Seen, Was, back_to
from triage.web.counting import MOST_ASKED
from triage.web.pages import pages
from triage.web.unsaved import unsaved
from triage.web.visitor import Posting, TheDesk, Watching

router = APIRouter(prefix="/case/{case_id}")

#: `run` while somebody goes from draft to draft of a day that has to be moved.
Then = Annotated[str, Form(pattern="^(run)?$")]

#: The digest of the saved words on the page; empty where there were none. The store compares.
Had = Annotated[str, Form(pattern="^([0-9a-f]{64})?$")]

#: A colleague saved other words since, or has the case.
_QUICKER = (ChangedUnderneath, AlreadyClaimed)


def _check(case_id: str, then: str) -> Response:
    return back_to(case_id, "?run=1#check" if then else "#check")


@router.post("/draft")
def save(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    *,
    had: Had = "",
    subject: Annotated[str, Form()] = "",
    body: Annotated[str, Form()] = "",
    form: Annotated[list[str] | None, Form()] = None,
    then: Then = "",
) -> Response:
    """Keep the words and show exactly what would leave; show both where a colleague was quicker."""
    words = {"subject": Protected(subject), "body": Protected(body)}
    try:
        desk.replies.save(posting.user, case_id, **words, forms=form or (), had=had)
    except (*_QUICKER, NotAnswerable, UnwritableWords) as why:
        return unsaved(
            request, desk, posting, case_id, why, **words, forms=form or (), run=bool(then)
        )
    return _check(case_id, then)


@router.post("/shorter")
def shorter(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    *,
    had: Had = "",
    subject: Annotated[str, Form()] = "",
    body: Annotated[str, Form()] = "",
    agreed: Annotated[str, Form(pattern="^(yes|)$")] = "",
    form: Annotated[list[str] | None, Form()] = None,
    then: Then = "",
) -> Response:
    """Keep the words without their courtesies, and the forms that are ticked."""
    words = {"subject": Protected(subject), "body": Protected(body)}
    own = agreed == "yes"
    try:
        desk.rewriting.shorter(
            posting.user, case_id, **words, forms=form or (), agreed=own, had=had
        )
    except (*_QUICKER, UnwritableWords) as why:
        return unsaved(
            request, desk, posting, case_id, why, **words, forms=form or (), run=bool(then)
        )
    return _check(case_id, then)


@router.post("/acknowledge")
def acknowledge(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    *,
    had: Had = "",
    then: Then = "",
) -> Response:
    """Put the clinic's acknowledgement in the place of clinical advice."""
    try:
        desk.rewriting.acknowledge(posting.user, case_id, had=had)
    except _QUICKER as why:
        return unsaved(request, desk, posting, case_id, why)
    return _check(case_id, then)


@router.post("/hand-over")
def hand_over(desk: TheDesk, posting: Posting, case_id: str, seen: Seen, was: Was) -> Response:
    """Give the case to those who may advise."""
    desk.rewriting.hand_over(posting.user, case_id, seen=seen, was=was)
    return back_to(case_id)


@router.post("/approve")
def approve(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    *,
    digest: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    proof: Annotated[str, Form(pattern="^[0-9a-f]{64}:[0-9a-f]{128}$")],
    seen: Seen,
    confirmed: Annotated[list[str] | None, Form()] = None,
    then: Then = "",
) -> Response:
    """Approve the words of this digest; a 409 when they are no longer the saved ones."""
    answered = frozenset(confirmed or ())
    reply = desk.replies.approve(
        posting.user,
        case_id,
        digest=digest,
        proof=proof,
        seen=seen,
        confirmed=answered,
        run=bool(then),
    )
    if then:
        # It can be taken back for a moment only: the next page of the run shows it on top.
        shown = f"&approved={reply.id}" if reply.state is ReplyState.QUEUED else ""
        return RedirectResponse(f"/away/next?after={case_id}{shown}", status_code=303)
    return back_to(case_id, "#replies")


@router.post("/recall/{reply_id}")
def recall(
    desk: TheDesk, posting: Posting, case_id: str, reply_id: str, then: Then = ""
) -> Response:
    """Take an approved reply back within the undo window; the run it is of goes on from there."""
    desk.replies.recall(posting.user, reply_id)
    return back_to(case_id, "?run=1#replies" if then else "#replies")


@router.get("/reply/{reply_id}")
def state(
    *,
    request: Request,
    desk: TheDesk,
    asking: Watching,
    case_id: str,
    reply_id: str,
    attempt: Annotated[int, Query(ge=0, le=MOST_ASKED)] = 0,
    run: bool = False,
) -> HTMLResponse:
    """Say where a reply is; the page asks ever more rarely, and after a while no more."""
    reply = desk.replies.status(asking.user, reply_id)
    return pages(request).render(
        "_reply_state.html", asking, reply=reply, case_id=case_id, attempt=attempt + 1, run=run
    )
