"""A doctor is away: pick the day's appointments, write one text, approve each reply by itself.

Rule of the room: nothing here approves; each case's page does, beside its original.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.bulk import Prepared
from triage.domain import NOTHING, CaseRow, Protected
from triage.web.colleagues import around
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/away")


@router.get("")
def ask(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Ask for words, such as a doctor's name, that the messages hold."""
    return _render(request, desk, asking)


@router.post("")
def pick(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    words: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse:
    """Show the cases that fit and the form for one text."""
    wanted = Protected(words.strip())
    found = desk.bulk.pick(posting.user, wanted)
    return _render(request, desk, posting, words=wanted, found=found)


@router.post("/prepare")
def prepare(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    subject: Annotated[str, Form(max_length=200)],
    body: Annotated[str, Form(max_length=8000)],
    picked: Annotated[list[str] | None, Form()] = None,
) -> HTMLResponse:
    """Save one draft in each picked case and say which were left."""
    text = {"subject": Protected(subject), "body": Protected(body)}
    done = desk.bulk.prepare(posting.user, picked or (), **text)
    return _render(request, desk, posting, done=done)


@router.get("/next")
def go_on(
    desk: TheDesk,
    asking: Asking,
    after: Annotated[str, Query(max_length=64)] = "",
    approved: Annotated[str, Query(pattern="^[0-9a-f]{0,32}$")] = "",
) -> Response:
    """Go to the next case whose words wait for this person's look; at the end, to the queue.

    The reply `approved` before can be taken back on that page: behind the last, on its own.
    """
    found = desk.bulk.next(asking.user, after=after)
    where = f"/case/{found}?run=1#check" if found else "/queue"
    if found and approved:
        where = f"/case/{found}?run=1&approved={approved}#run"
    elif approved:
        where = f"/case/{desk.replies.status(asking.user, approved).case_id}#replies"
    return RedirectResponse(where, status_code=303)


def _render(
    request: Request,
    desk: Desk,
    asking: Visitor,
    *,
    words: Protected = NOTHING,
    found: tuple[CaseRow, ...] | None = None,
    done: Prepared | None = None,
) -> HTMLResponse:
    return pages(request).render(
        "away.html",
        asking,
        here="/away",
        words=words,
        found=found,
        done=done,
        banners=desk.banners(asking.user),
        **around(desk, asking.user),
    )
