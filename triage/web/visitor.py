"""Who is asking: every page but the log-in needs a session, every form its token.

Rule of the room: a handler that takes neither `Asking`, `Watching` nor `Posting` does not exist
outside `session.py` and `factor.py`; a test walks all routes. What a page asks by itself takes
`Watching`, so that a page left open does not keep its session alive.
"""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Form, Request

from triage.desk import Desk
from triage.domain import User
from triage.errors import ForeignForm, NotSignedIn
from triage.web.access import let_in
from triage.web.security import csrf_holds, csrf_token

COOKIE = "desk"
#: Seconds after which a browser forgets; the store ends idle sessions much earlier.
LONGEST_SESSION = 12 * 60 * 60


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person and the token for the forms of this session."""

    user: User
    csrf: str
    token: str = field(repr=False)


def the_desk(request: Request) -> Desk:
    """Return the one Desk this application was made with."""
    return cast(Desk, request.app.state.desk)


TheDesk = Annotated[Desk, Depends(the_desk)]


def visitor(request: Request, desk: TheDesk) -> Visitor:
    """Return who is asking; raise NotSignedIn, or NotAllowed where the page is not for them."""
    token = _token(request)
    user = _known(request, desk.who(token))
    let_in(user, request.method, request.scope["route"].path)
    return Visitor(user, csrf_token(token), token)


def watcher(request: Request, desk: TheDesk) -> Visitor:
    """Return whose page asks by itself; raise NotSignedIn or NotAllowed."""
    token = _token(request)
    user = _known(request, desk.who(token, watching=True))
    let_in(user, request.method, request.scope["route"].path)
    return Visitor(user, csrf_token(token), token)


def arrival(request: Request, desk: TheDesk) -> Visitor:
    """Return who is on the way in, second factor or not; raise NotSignedIn."""
    token = _token(request)
    user = _known(request, desk.signing.arriving(token).user)
    return Visitor(user, csrf_token(token), token)


def chosen(request: Request) -> str:
    """Return the language that whoever asks has chosen; empty before anybody is known."""
    return str(getattr(request.state, "language", ""))


def _known(request: Request, user: User) -> User:
    # The page that answers speaks the language of its reader, a page about an error too.
    request.state.language = user.language
    return user


def _token(request: Request) -> str:
    token = request.cookies.get(COOKIE)
    if not token:
        raise NotSignedIn
    return token


Asking = Annotated[Visitor, Depends(visitor)]
Watching = Annotated[Visitor, Depends(watcher)]
Arriving = Annotated[Visitor, Depends(arrival)]


def poster(asking: Asking, csrf: Annotated[str, Form()] = "") -> Visitor:
    """Return who is asking for a change; raise ForeignForm unless a page of this session asks."""
    _from_our_form(asking, csrf)
    return asking


def knocker(arriving: Arriving, csrf: Annotated[str, Form()] = "") -> Visitor:
    """Return who sends a form on the way in; raise ForeignForm like `poster`."""
    _from_our_form(arriving, csrf)
    return arriving


def _from_our_form(visitor: Visitor, csrf: str) -> None:
    if not csrf_holds(visitor.token, csrf):
        raise ForeignForm


Knocking = Annotated[Visitor, Depends(knocker)]
Posting = Annotated[Visitor, Depends(poster)]
