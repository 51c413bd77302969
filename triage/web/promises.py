"""Promises: how much may be missed and missorted, and what that costs, before anybody says yes.

Rule of the room: showing a price changes nothing; a promise can be made only where its price is
shown, and for the model it was shown for.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.views import PromiseView
from triage.domain import User
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/models/promises")

#: "1 in N" missed, and the percentage of routed messages that are wrong.
FEWEST, MOST = 2, 10_000
LEAST_WRONG, MOST_WRONG = 0.1, 50.0


@router.get("")
def promises(
    request: Request,
    desk: TheDesk,
    asking: Asking,
    one_in: Annotated[int | None, Query(ge=FEWEST, le=MOST)] = None,
    wrong: Annotated[float | None, Query(ge=LEAST_WRONG, le=MOST_WRONG)] = None,
) -> HTMLResponse:
    """Show what is promised and its price; with both numbers, the price of those too."""
    return pages(request).render(
        "promises.html",
        asking,
        here="/models/promises",
        view=_view(desk, asking.user, one_in, wrong),
        banners=desk.banners(asking.user),
    )


@router.post("")
def promise(
    desk: TheDesk,
    posting: Posting,
    one_in: Annotated[int, Form(ge=FEWEST, le=MOST)],
    wrong: Annotated[float, Form(ge=LEAST_WRONG, le=MOST_WRONG)],
    model: Annotated[str, Form(min_length=1)],
) -> Response:
    """Promise it from now on."""
    desk.models.set_promise(posting.user, 1 / one_in, _share(wrong), model=model)
    return RedirectResponse("/models/promises", status_code=303)


def _view(desk: Desk, user: User, one_in: int | None, wrong: float | None) -> PromiseView:
    if one_in is None or wrong is None:
        return desk.models.promises(user)
    return desk.models.try_promise(user, 1 / one_in, _share(wrong))


def _share(percent: float) -> float:
    return round(percent / 100, 6)
