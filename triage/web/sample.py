"""The daily re-reading: a random few of what was not ranked urgent, read again by a person.

Rule of the room: an answer is one of two buttons; the miss rate is shown with its interval,
never alone.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.supervision import sampled
from triage.domain import SampleItem, Urgency, User
from triage.errors import NotFound
from triage.web.case import urgency_of
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/sample")


@router.get("")
def sample(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show today's items and how often the ranking missed."""
    return pages(request).render(
        "sample.html",
        asking,
        here="/sample",
        items=desk.supervision.sample(asking.user),
        rate=desk.supervision.miss_rate(asking.user),
        banners=desk.banners(asking.user),
    )


@router.get("/{item_id}")
def item(request: Request, desk: TheDesk, asking: Asking, item_id: str) -> HTMLResponse:
    """Show one message to be read again, without what the machine thought of it."""
    found = _item(desk, asking.user, item_id)
    file = desk.supervision.open_sample(asking.user, found)
    return pages(request).render(
        "sample_item.html",
        asking,
        here="/sample",
        item=found,
        message=sampled(file, found),
        banners=desk.banners(asking.user),
    )


@router.post("/{item_id}")
def judge(
    desk: TheDesk,
    posting: Posting,
    item_id: str,
    answer: Annotated[str, Form()],
) -> Response:
    """Keep the answer and go to the next item nobody has read."""
    found = _item(desk, posting.user, item_id)
    urgency = urgency_of(answer)
    desk.supervision.judge(posting.user, found, right=urgency is Urgency.ROUTINE, urgency=urgency)
    waiting = [other for other in desk.supervision.sample(posting.user) if other.right is None]
    following = f"/sample/{waiting[0].id}" if waiting else "/sample"
    return RedirectResponse(following, status_code=303)


def _item(desk: Desk, user: User, item_id: str) -> SampleItem:
    for found in desk.supervision.sample(user):
        if found.id == item_id:
            return found
    raise NotFound("sample")
