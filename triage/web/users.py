"""The people of the clinic: let in, shut out, given roles and passwords by an administrator.

Rule of the room: a password is on the one page that answers the form, and nowhere after that.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk import Desk
from triage.desk.views import FirstPassword
from triage.domain import Role
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/users")

#: What people type at the log-in: plain letters, so that nobody looks like somebody else.
Username = Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9._@-]{1,63}$")]
DisplayName = Annotated[str, Form(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*\S.*$")]
#: As the provider writes it; printable, so that it can be compared by eye.
Account = Annotated[str, Form(max_length=255, pattern=r"^[\x20-\x7e]*$")]
Roles = Annotated[list[Role], Form(min_length=1)]


@router.get("")
def users(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show everybody of the clinic."""
    return _page(request, desk, asking)


@router.post("")
def add(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    username: Username,
    display_name: DisplayName,
    role: Roles,
) -> HTMLResponse:
    """Add a person and show the first password, this once."""
    made = desk.people.add_user(
        posting.user, username=username, display_name=display_name.strip(), roles=role
    )
    return _page(request, desk, posting, made)


@router.post("/{user_id}/password")
def password(request: Request, desk: TheDesk, posting: Posting, user_id: str) -> HTMLResponse:
    """Make a new password and show it, this once."""
    made = desk.people.new_password(posting.user, user_id)
    return _page(request, desk, posting, made)


@router.post("/{user_id}/authenticator")
def authenticator(desk: TheDesk, posting: Posting, user_id: str) -> Response:
    """Take a lost authenticator app from a person."""
    desk.people.forget_authenticator(posting.user, user_id)
    return RedirectResponse("/users", status_code=303)


@router.post("/{user_id}/account")
def account(desk: TheDesk, posting: Posting, user_id: str, account: Account = "") -> Response:
    """Link a person to an account at the organisation's log-in; without one, to none."""
    if account.strip():
        desk.openid.link(posting.user, user_id, account.strip())
    else:
        desk.openid.unlink(posting.user, user_id)
    return RedirectResponse("/users", status_code=303)


@router.post("/{user_id}/roles")
def roles(desk: TheDesk, posting: Posting, user_id: str, role: Roles) -> Response:
    """Give a person these roles and no others."""
    desk.people.set_roles(posting.user, user_id, role)
    return RedirectResponse("/users", status_code=303)


@router.post("/{user_id}/active")
def active(
    desk: TheDesk, posting: Posting, user_id: str, active: Annotated[bool, Form()]
) -> Response:
    """Let a person in or shut them out."""
    desk.people.set_active(posting.user, user_id, active)
    return RedirectResponse("/users", status_code=303)


def _page(
    request: Request, desk: Desk, asking: Visitor, made: FirstPassword | None = None
) -> HTMLResponse:
    return pages(request).render(
        "users.html",
        asking,
        here="/users",
        people=desk.people.users(asking.user),
        enrolled=desk.people.enrolled(asking.user),
        elsewhere=desk.openid.label,
        accounts=desk.openid.subjects(asking.user),
        made=made,
        banners=desk.banners(asking.user),
    )
