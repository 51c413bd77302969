"""Working together on a case: notes, handing over, putting off, asking for an approval.

Rule of the room: words for colleagues travel in the body of a form and are shown on the desk only.
"""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.together import LONGEST
from triage.domain import Protected
from triage.errors import NotAnswerable
from triage.web.case import Seen, back_to
from triage.web.colleagues import around
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Watching

router = APIRouter()
CASE = "/case/{case_id}"
Words = Annotated[str, Form(max_length=LONGEST)]


@router.get(f"{CASE}/here")
def here(request: Request, desk: TheDesk, asking: Watching, case_id: str) -> HTMLResponse:
    """Say who else reads this case now; the page asks every twenty seconds."""
    others = desk.together.here(asking.user, case_id)
    return pages(request).render(
        "_here.html", asking, others=others, case_id=case_id, **around(desk, asking.user)
    )


@router.post(f"{CASE}/note")
def note(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    words: Words,
    told: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Put a note beside the case."""
    said = Protected(words.replace("\r\n", "\n").strip())
    desk.together.write(posting.user, case_id, words=said, told=told or ())
    return back_to(case_id, "#notes")


@router.post(f"{CASE}/assign")
def assign(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    to: Annotated[str, Form(max_length=70)],
    reason: Words,
) -> Response:
    """Hand the case to a colleague or a team, who read why."""
    desk.together.assign(posting.user, case_id, to=to, reason=Protected(reason.strip()))
    return back_to(case_id)


@router.post(f"{CASE}/snooze")
def snooze(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    until: Annotated[str, Form(max_length=20)],
    seen: Seen,
) -> Response:
    """Put the case off, until a time as the clinic's clock shows it."""
    zone = ZoneInfo(desk.people.clinic(posting.user).timezone)
    try:
        wanted = datetime.fromisoformat(until).replace(tzinfo=zone)
    except ValueError:
        raise NotAnswerable("Choose a day and a time.") from None
    desk.together.snooze(posting.user, case_id, until=wanted, seen=seen)
    return RedirectResponse("/queue", status_code=303)


@router.post(f"{CASE}/remind")
def remind(desk: TheDesk, posting: Posting, case_id: str, days: Annotated[int, Form()]) -> Response:
    """Bring the case back when the patient has not answered for so many working days."""
    desk.together.remind(posting.user, case_id, days=days)
    return back_to(case_id)


@router.post(f"{CASE}/wake")
def wake(desk: TheDesk, posting: Posting, case_id: str) -> Response:
    """Take the case out of its sleep."""
    desk.together.wake(posting.user, case_id)
    return back_to(case_id)


@router.post(f"{CASE}/ask")
def ask(desk: TheDesk, posting: Posting, case_id: str, words: Words = "") -> Response:
    """Put the saved words on the approvers' list."""
    desk.together.ask(posting.user, case_id, words=Protected(words.strip()))
    return back_to(case_id)


@router.post(f"{CASE}/remark")
def remark(desk: TheDesk, posting: Posting, case_id: str, words: Words) -> Response:
    """Give the saved words back to their writer with a remark."""
    desk.together.give_back(posting.user, case_id, words=Protected(words.strip()))
    return back_to(case_id, "#notes")


@router.get("/for-me")
def for_me(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show what names this person, and what waits for their approval."""
    return pages(request).render(
        "for_me.html",
        asking,
        here="/for-me",
        found=desk.together.mine(asking.user),
        banners=desk.banners(asking.user),
        **around(desk, asking.user),
    )


@router.post("/for-me/{mention_id}")
def tick_off(desk: TheDesk, posting: Posting, mention_id: str) -> Response:
    """Say that a note was read."""
    desk.together.tick_off(posting.user, mention_id)
    return RedirectResponse("/for-me", status_code=303)
