"""A doctor is away: pick the day's appointments, write the text, approve each reply by itself.

Rule of the room: nothing here approves; each case's page does, beside its original.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.bulk import Picked, Prepared, begun
from triage.domain import NOTHING, Protected
from triage.errors import TriageError
from triage.web.colleagues import around
from triage.web.errors import told
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/away")
#: Twice what the page lets anybody type: a browser sends the end of a line as two signs, and a
#: form that is refused for its length would lose the text.
LONGEST = 16_000


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
    return _render(request, desk, posting, words=wanted, found=desk.bulk.pick(posting.user, wanted))


@router.post("/prepare")
def prepare(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    subject: Annotated[str, Form(max_length=200)] = "",
    body: Annotated[str, Form(max_length=LONGEST)] = "",
    subject_es: Annotated[str, Form(max_length=200)] = "",
    body_es: Annotated[str, Form(max_length=LONGEST)] = "",
    words: Annotated[str, Form(max_length=200)] = "",
    picked: Annotated[list[str] | None, Form()] = None,
    offered: Annotated[list[str] | None, Form()] = None,
) -> HTMLResponse:
    """Save one draft in each picked case, say which were left and show who is still to come.

    Whatever goes wrong, what was typed stays on the page.
    """
    text = {
        "subject": Protected(subject),
        "body": Protected(body.replace("\r\n", "\n")),
        # Blanks alone are no second text.
        "subject_es": Protected(subject_es if subject_es.strip() else ""),
        "body_es": Protected(body_es.replace("\r\n", "\n") if body_es.strip() else ""),
    }
    done, trouble = None, None
    try:
        done = desk.bulk.prepare(posting.user, picked or (), **text)
    except TriageError as why:
        trouble = why
    wanted, ticked = Protected(words), frozenset(picked or ())
    # What was offered and is still there was left, by the desk or by whoever took its tick away.
    left = frozenset(offered or ()) - (frozenset() if done else ticked)
    more: dict[str, Any] = {"words": wanted, "text": text, "done": done, "left": left}
    try:
        found = desk.bulk.pick(posting.user, wanted)
        return _render(request, desk, posting, **more, found=found, trouble=trouble)
    except TriageError as why:
        # Not even the list can be read: the words alone, to be copied.
        status, headline, advice = told(trouble or why)
        alone = {"found": None, "words": NOTHING, "status": status}
        shown = more | alone | {"headline": headline, "advice": advice}
        return pages(request).render("away.html", None, here="/away", **shown)


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
    found: Picked | None = None,
    done: Prepared | None = None,
    text: Mapping[str, Protected] | None = None,
    left: frozenset[str] = frozenset(),
    trouble: TriageError | None = None,
) -> HTMLResponse:
    """Show the page; `left` are the cases that are not ticked."""
    status, headline, advice = told(trouble) if trouble else (200, "", "")
    return pages(request).render(
        "away.html",
        asking,
        status=status,
        here="/away",
        words=words,
        found=found,
        done=done,
        text=text,
        begun=begun(),
        left=left,
        headline=headline,
        advice=advice,
        banners=desk.banners(asking.user),
        **around(desk, asking.user),
    )
