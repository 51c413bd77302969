"""Who is asking: every page but the log-in needs a session, every form its token.

Rule of the room: a handler that takes neither `Asking` nor `Posting` does not exist outside
`session.py`; a test walks all routes.
"""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Form, Request

from triage.desk import Desk
from triage.domain import User
from triage.errors import ForeignForm, NotSignedIn
from triage.web.access import let_in
from triage.web.security import csrf_holds, csrf_token

COOKIE = "desk"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person and the token for the forms of this session."""

    user: User
    csrf: str


def the_desk(request: Request) -> Desk:
    """Return the one Desk this application was made with."""
    return cast(Desk, request.app.state.desk)


TheDesk = Annotated[Desk, Depends(the_desk)]


def visitor(request: Request, desk: TheDesk) -> Visitor:
    """Return who is asking; raise NotSignedIn, or NotAllowed where the page is not for them."""
    token = request.cookies.get(COOKIE)
    if not token:
        raise NotSignedIn
    user = desk.who(token)
    let_in(user, request.method, request.scope["route"].path)
    return Visitor(user, csrf_token(token))


Asking = Annotated[Visitor, Depends(visitor)]


def poster(request: Request, asking: Asking, csrf: Annotated[str, Form()] = "") -> Visitor:
    """Return who is asking for a change; raise ForeignForm unless a page of this session asks."""
    if not csrf_holds(request.cookies[COOKIE], csrf):
        raise ForeignForm
    return asking


Posting = Annotated[Visitor, Depends(poster)]
