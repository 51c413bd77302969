"""How quiet the desk is for oneself.

Rule of the room: a person sets their own and nobody else's; no form here names anybody.
"""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from triage.domain import DAYS
from triage.web.visitor import Posting, TheDesk

router = APIRouter()
Hour = Annotated[str, Form(max_length=5)]


@router.post("/account/calm")
def calm(
    *,
    desk: TheDesk,
    posting: Posting,
    loud: Annotated[bool, Form()] = False,
    day: Annotated[list[str] | None, Form()] = None,
    begin: Hour = "08:00",
    end: Hour = "17:00",
) -> Response:
    """Keep whether it may sound and move, and when this person works; no day means always."""
    spans = {one: f"{begin}-{end}" for one in DAYS if one in (day or ())}
    desk.calm.wish(posting.user, quiet=not loud, spans=spans)
    return RedirectResponse("/account?changed=calm#calm", status_code=303)
