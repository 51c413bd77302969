"""Who may open which page: denied unless a row here lets them in.

Rule of the room: a page without a row is never served, and an application with one does not
start. The Desk asks for the right again, and knows more; this is the door before it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from triage.desk import Right, may
from triage.domain import User
from triage.errors import NotAllowed, OpenDoor

Page = tuple[str, str]
Asked = Callable[..., Any]

#: For anybody; nothing about anybody is on them. `/metrics` asks for a token by itself.
ANYBODY: frozenset[Page] = frozenset(
    {
        ("GET", "/log-in"),
        ("POST", "/log-in"),
        ("GET", "/log-in/openid"),
        ("GET", "/log-in/openid/back"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
    }
)
#: For machines: each delivery is signed, carries no session and is shown nothing.
SIGNED: frozenset[Page] = frozenset({("POST", "/hook/{name}")})
#: For those whose password was right, before their second factor; only about that.
ARRIVING: frozenset[Page] = frozenset(
    (method, f"/log-in/{page}")
    for method in ("GET", "POST")
    for page in ("code", "enrol", "password")
)
#: For everybody who is signed in; only about themselves.
SIGNED_IN: frozenset[Page] = frozenset(
    {
        ("GET", "/"),
        ("GET", "/account"),
        ("GET", "/account/password"),
        ("POST", "/account/password"),
        ("POST", "/account/language"),
        ("POST", "/log-out"),
    }
)

_CASE = "/case/{case_id}"
#: One of these rights opens the page.
ROWS: Mapping[Page, tuple[Right, ...]] = {
    ("GET", "/queue"): (Right.SEE_QUEUE,),
    ("GET", "/queue/rows"): (Right.SEE_QUEUE,),
    ("GET", "/queue/version"): (Right.SEE_QUEUE,),
    ("GET", "/queue/stream"): (Right.SEE_QUEUE,),
    ("GET", "/urgent"): (Right.SEE_QUEUE,),
    ("POST", "/account/calm"): (Right.SEE_QUEUE,),
    ("POST", f"{_CASE}/acted"): (Right.WORK_CASE,),
    ("POST", "/search"): (Right.SEE_QUEUE,),
    ("GET", "/search/{search_id}"): (Right.SEE_QUEUE,),
    # The Desk lets a person in by the second right only while an emergency opens this very case.
    ("GET", _CASE): (Right.SEE_QUEUE, Right.BREAK_GLASS),
    ("GET", f"{_CASE}/attachment/{{attachment_id}}"): (Right.SEE_QUEUE, Right.BREAK_GLASS),
    ("GET", f"{_CASE}/original/{{message_id}}"): (Right.SEE_QUEUE, Right.BREAK_GLASS),
    ("GET", f"{_CASE}/portal"): (Right.SEE_QUEUE,),
    ("POST", f"{_CASE}/everything"): (Right.SEE_QUEUE,),
    ("POST", f"{_CASE}/claim"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/release"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/take-over"): (Right.TAKE_OVER,),
    ("POST", f"{_CASE}/open-again"): (Right.WORK_CASE,),
    ("GET", f"{_CASE}/here"): (Right.SEE_QUEUE,),
    ("POST", f"{_CASE}/note"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/assign"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/snooze"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/remind"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/wake"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/ask"): (Right.WRITE_REPLY,),
    ("POST", f"{_CASE}/remark"): (Right.APPROVE_REPLY,),
    ("GET", "/for-me"): (Right.SEE_QUEUE,),
    ("POST", "/for-me/{mention_id}"): (Right.SEE_QUEUE,),
    ("GET", "/away"): (Right.WRITE_REPLY,),
    ("POST", "/away"): (Right.WRITE_REPLY,),
    ("POST", "/away/prepare"): (Right.WRITE_REPLY,),
    ("GET", "/away/next"): (Right.WRITE_REPLY,),
    ("GET", "/teams"): (Right.MANAGE_TEAMS,),
    ("POST", "/teams"): (Right.MANAGE_TEAMS,),
    ("POST", "/teams/views"): (Right.MANAGE_TEAMS,),
    ("POST", "/teams/views/{view_id}/remove"): (Right.MANAGE_TEAMS,),
    ("POST", "/teams/two"): (Right.MANAGE_TEAMS,),
    ("POST", f"{_CASE}/reroute"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/tick"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/by-person"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/close"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/link"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/unlink"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/own-case"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/patients"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/verify"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/consent"): (Right.IDENTIFY_PATIENT,),
    ("POST", f"{_CASE}/draft"): (Right.WRITE_REPLY,),
    ("POST", f"{_CASE}/shorter"): (Right.WRITE_REPLY,),
    ("POST", f"{_CASE}/acknowledge"): (Right.WRITE_REPLY,),
    ("POST", f"{_CASE}/hand-over"): (Right.WORK_CASE,),
    ("POST", f"{_CASE}/approve"): (Right.APPROVE_REPLY,),
    ("POST", f"{_CASE}/recall/{{reply_id}}"): (Right.APPROVE_REPLY,),
    ("GET", f"{_CASE}/reply/{{reply_id}}"): (Right.SEE_QUEUE,),
    ("GET", f"{_CASE}/history"): (Right.SEE_AUDIT,),
    ("POST", f"{_CASE}/evidence"): (Right.EXPORT_EVIDENCE,),
    ("POST", "/account/key"): (Right.APPROVE_REPLY,),
    ("GET", "/audit"): (Right.SEE_AUDIT,),
    ("POST", "/audit/patient"): (Right.SEE_AUDIT,),
    ("POST", "/audit/patient/seen"): (Right.SEE_AUDIT,),
    ("POST", "/audit/patient/export"): (Right.EXPORT_AUDIT,),
    ("POST", "/audit/verify"): (Right.SEE_AUDIT,),
    ("POST", "/audit/export"): (Right.EXPORT_AUDIT,),
    # Nothing is there but in a practice for training.
    ("GET", "/score"): (Right.SEE_AUDIT,),
    ("POST", "/score/export"): (Right.EXPORT_AUDIT,),
    ("GET", "/forms"): (Right.MANAGE_FORMS,),
    ("POST", "/forms"): (Right.MANAGE_FORMS,),
    ("GET", "/forms/{form_id}"): (Right.WRITE_REPLY,),
    ("POST", "/forms/{form_id}/retire"): (Right.MANAGE_FORMS,),
    ("GET", "/approvals"): (Right.SEE_AUDIT,),
    ("GET", "/sample"): (Right.JUDGE_SAMPLE,),
    ("GET", "/sample/{item_id}"): (Right.JUDGE_SAMPLE,),
    ("POST", "/sample/{item_id}"): (Right.JUDGE_SAMPLE,),
    ("GET", "/clinical"): (Right.SEE_QUEUE,),
    ("POST", "/clinical/sign"): (Right.SIGN_CLINICAL,),
    ("GET", "/models"): (Right.SEE_MODELS,),
    ("POST", "/models/promote"): (Right.PROMOTE_MODEL,),
    ("POST", "/models/rollback"): (Right.PROMOTE_MODEL,),
    ("POST", "/models/training"): (Right.EXPORT_TRAINING,),
    ("GET", "/models/promises"): (Right.SEE_MODELS,),
    ("POST", "/models/promises"): (Right.SET_PROMISE,),
    ("GET", "/users"): (Right.MANAGE_USERS,),
    ("POST", "/users"): (Right.MANAGE_USERS,),
    ("POST", "/users/{user_id}/roles"): (Right.MANAGE_USERS,),
    ("POST", "/users/{user_id}/active"): (Right.MANAGE_USERS,),
    ("POST", "/users/{user_id}/password"): (Right.MANAGE_USERS,),
    ("POST", "/users/{user_id}/authenticator"): (Right.MANAGE_USERS,),
    ("POST", "/users/{user_id}/account"): (Right.MANAGE_USERS,),
    ("GET", "/downtime"): (Right.SEE_QUEUE,),
    ("POST", "/downtime/begin"): (Right.WORK_CASE,),
    ("POST", "/downtime/{list_id}"): (Right.WORK_CASE,),
    ("POST", "/downtime/{list_id}/nobody"): (Right.WORK_CASE,),
    ("GET", "/practice"): (Right.SET_PRACTICE,),
    ("POST", "/practice/hours"): (Right.SET_PRACTICE,),
    ("POST", "/practice/targets"): (Right.SET_PRACTICE,),
    ("POST", "/practice/escalation"): (Right.SET_PRACTICE,),
    ("GET", "/templates"): (Right.RELEASE_TEMPLATE, Right.WRITE_TEMPLATE),
    ("GET", "/templates/{place}"): (Right.RELEASE_TEMPLATE, Right.WRITE_TEMPLATE),
    ("POST", "/templates/look"): (Right.RELEASE_TEMPLATE, Right.WRITE_TEMPLATE),
    ("POST", "/templates"): (Right.WRITE_TEMPLATE,),
    ("POST", "/templates/release"): (Right.RELEASE_TEMPLATE,),
    ("POST", "/templates/retire"): (Right.RELEASE_TEMPLATE, Right.WRITE_TEMPLATE),
    ("GET", "/contacts"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts/patient"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts/put"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts/retire"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts/verify"): (Right.EDIT_CONTACTS,),
    ("POST", "/contacts/consent"): (Right.EDIT_CONTACTS,),
    ("GET", "/emergency"): (Right.BREAK_GLASS,),
    ("POST", "/emergency"): (Right.BREAK_GLASS,),
    ("GET", "/emergencies"): (Right.REVIEW_GLASS,),
    ("POST", "/emergencies/{glass_id}"): (Right.REVIEW_GLASS,),
}


def let_in(user: User, method: str, path: str) -> None:
    """Raise NotAllowed unless a row lets this person open this page; no row, nobody."""
    if (method, path) in SIGNED_IN:
        return
    if not any(may(user, right) for right in ROWS.get((method, path), ())):
        raise NotAllowed(f"{method} {path}")


@dataclass(frozen=True, slots=True)
class Doorkeepers:
    """What pages ask: who is there, whose page asks by itself, who is on the way in.

    The knocker is asked by a page that changes something; the signer, who signed, where no person
    is there at all.
    """

    visitor: Asked
    watcher: Asked
    poster: Asked
    arrival: Asked
    knocker: Asked
    signer: Asked

    def for_page(self, page: Page) -> tuple[Asked, ...]:
        """Return those of which a page has to ask one."""
        if page in SIGNED:
            return (self.signer,)
        looks = page[0] == "GET"
        if page in ARRIVING:
            return (self.arrival,) if looks else (self.knocker,)
        return (self.visitor, self.watcher) if looks else (self.poster,)


def check_doors(routes: Iterable[object], keepers: Doorkeepers) -> None:
    """Raise OpenDoor for a page that has no row or does not ask who is there."""
    for route in routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                _check(route, (method, route.path), keepers)


def _check(route: APIRoute, page: Page, keepers: Doorkeepers) -> None:
    if page in ANYBODY:
        return
    asks = any(_asks(route.dependant, asked) for asked in keepers.for_page(page))
    if page not in ARRIVING | SIGNED_IN | SIGNED | ROWS.keys() or not asks:
        raise OpenDoor(" ".join(page))


def _asks(dependant: Dependant, asked: Asked) -> bool:
    return dependant.call is asked or any(_asks(one, asked) for one in dependant.dependencies)
