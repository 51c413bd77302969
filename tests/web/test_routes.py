"""Every route, every role: denied unless the table of rights says otherwise."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from tests.proofs import FORGED
from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk import Right, may
from triage.errors import OpenDoor
from triage.web.access import ROWS, check_doors
from triage.web.app import KEEPERS, ROUTERS, create_app
from triage.web.pages import MENU
from triage.web.visitor import Asking

pytestmark = pytest.mark.bar(44)

NOBODY = "0" * 32
#: Reached by anybody, or by anybody signed in; nothing about a patient is on them.
OPEN = {("GET", "/log-in"), ("POST", "/log-in"), ("GET", "/healthz"), ("GET", "/metrics")}
OPEN |= {("GET", "/log-in/openid"), ("GET", "/log-in/openid/back")}
#: For people on their way in, who have given a password.
ARRIVING = {
    (method, f"/log-in/{page}")
    for method in ("GET", "POST")
    for page in ("code", "enrol", "password")
}
#: For machines, which sign what they deliver.
SIGNED = {("POST", "/hook/{name}")}
SIGNED_IN = {("GET", "/"), ("GET", "/account"), ("POST", "/log-out")}
SIGNED_IN |= {("GET", "/account/password"), ("POST", "/account/password")}
SIGNED_IN |= {("POST", "/account/language")}
CASE = "/case/{case_id}"
RIGHTS: dict[tuple[str, str], Right] = {
    ("GET", "/queue"): Right.SEE_QUEUE,
    ("GET", "/queue/rows"): Right.SEE_QUEUE,
    ("GET", "/queue/version"): Right.SEE_QUEUE,
    ("GET", "/queue/stream"): Right.SEE_QUEUE,
    ("GET", "/urgent"): Right.SEE_QUEUE,
    ("POST", "/account/calm"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/acted"): Right.WORK_CASE,
    ("POST", "/search"): Right.SEE_QUEUE,
    ("GET", "/search/{search_id}"): Right.SEE_QUEUE,
    ("GET", CASE): Right.SEE_QUEUE,
    ("GET", f"{CASE}/portal"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/everything"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/claim"): Right.WORK_CASE,
    ("POST", f"{CASE}/release"): Right.WORK_CASE,
    ("POST", f"{CASE}/take-over"): Right.TAKE_OVER,
    ("POST", f"{CASE}/open-again"): Right.WORK_CASE,
    ("GET", f"{CASE}/here"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/note"): Right.WORK_CASE,
    ("POST", f"{CASE}/assign"): Right.WORK_CASE,
    ("POST", f"{CASE}/snooze"): Right.WORK_CASE,
    ("POST", f"{CASE}/remind"): Right.WORK_CASE,
    ("POST", f"{CASE}/wake"): Right.WORK_CASE,
    ("POST", f"{CASE}/ask"): Right.WRITE_REPLY,
    ("POST", f"{CASE}/remark"): Right.APPROVE_REPLY,
    ("GET", "/for-me"): Right.SEE_QUEUE,
    ("POST", "/for-me/{mention_id}"): Right.SEE_QUEUE,
    ("GET", "/away"): Right.WRITE_REPLY,
    ("POST", "/away"): Right.WRITE_REPLY,
    ("POST", "/away/prepare"): Right.WRITE_REPLY,
    ("GET", "/away/next"): Right.WRITE_REPLY,
    ("GET", "/teams"): Right.MANAGE_TEAMS,
    ("POST", "/teams"): Right.MANAGE_TEAMS,
    ("POST", "/teams/views"): Right.MANAGE_TEAMS,
    ("POST", "/teams/views/{view_id}/remove"): Right.MANAGE_TEAMS,
    ("POST", "/teams/two"): Right.MANAGE_TEAMS,
    ("POST", f"{CASE}/reroute"): Right.WORK_CASE,
    ("POST", f"{CASE}/tick"): Right.WORK_CASE,
    ("POST", f"{CASE}/by-person"): Right.WORK_CASE,
    ("POST", f"{CASE}/close"): Right.WORK_CASE,
    ("POST", f"{CASE}/link"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/unlink"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/own-case"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/patients"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/verify"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/consent"): Right.IDENTIFY_PATIENT,
    ("GET", f"{CASE}/attachment/{{attachment_id}}"): Right.SEE_QUEUE,
    ("GET", f"{CASE}/original/{{message_id}}"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/draft"): Right.WRITE_REPLY,
    ("POST", f"{CASE}/shorter"): Right.WRITE_REPLY,
    ("POST", f"{CASE}/acknowledge"): Right.WRITE_REPLY,
    ("POST", f"{CASE}/hand-over"): Right.WORK_CASE,
    ("POST", f"{CASE}/approve"): Right.APPROVE_REPLY,
    ("POST", f"{CASE}/recall/{{reply_id}}"): Right.APPROVE_REPLY,
    ("GET", f"{CASE}/reply/{{reply_id}}"): Right.SEE_QUEUE,
    ("GET", f"{CASE}/history"): Right.SEE_AUDIT,
    ("POST", "/account/key"): Right.APPROVE_REPLY,
    ("GET", "/audit"): Right.SEE_AUDIT,
    ("POST", "/audit/verify"): Right.SEE_AUDIT,
    ("POST", "/audit/export"): Right.EXPORT_AUDIT,
    ("POST", f"{CASE}/evidence"): Right.EXPORT_EVIDENCE,
    ("POST", "/audit/patient"): Right.SEE_AUDIT,
    ("POST", "/audit/patient/seen"): Right.SEE_AUDIT,
    ("POST", "/audit/patient/export"): Right.EXPORT_AUDIT,
    ("GET", "/score"): Right.SEE_AUDIT,
    ("POST", "/score/export"): Right.EXPORT_AUDIT,
    ("GET", "/forms"): Right.MANAGE_FORMS,
    ("POST", "/forms"): Right.MANAGE_FORMS,
    ("GET", "/forms/{form_id}"): Right.WRITE_REPLY,
    ("POST", "/forms/{form_id}/retire"): Right.MANAGE_FORMS,
    ("GET", "/approvals"): Right.SEE_AUDIT,
    ("GET", "/sample"): Right.JUDGE_SAMPLE,
    ("GET", "/sample/{item_id}"): Right.JUDGE_SAMPLE,
    ("POST", "/sample/{item_id}"): Right.JUDGE_SAMPLE,
    ("GET", "/clinical"): Right.SEE_QUEUE,
    ("POST", "/clinical/sign"): Right.SIGN_CLINICAL,
    ("GET", "/models"): Right.SEE_MODELS,
    ("POST", "/models/promote"): Right.PROMOTE_MODEL,
    ("POST", "/models/rollback"): Right.PROMOTE_MODEL,
    ("POST", "/models/training"): Right.EXPORT_TRAINING,
    ("GET", "/models/promises"): Right.SEE_MODELS,
    ("POST", "/models/promises"): Right.SET_PROMISE,
    ("GET", "/users"): Right.MANAGE_USERS,
    ("POST", "/users"): Right.MANAGE_USERS,
    ("POST", "/users/{user_id}/roles"): Right.MANAGE_USERS,
    ("POST", "/users/{user_id}/active"): Right.MANAGE_USERS,
    ("POST", "/users/{user_id}/password"): Right.MANAGE_USERS,
    ("POST", "/users/{user_id}/authenticator"): Right.MANAGE_USERS,
    ("POST", "/users/{user_id}/account"): Right.MANAGE_USERS,
    ("GET", "/downtime"): Right.SEE_QUEUE,
    ("POST", "/downtime/begin"): Right.WORK_CASE,
    ("POST", "/downtime/{list_id}"): Right.WORK_CASE,
    ("POST", "/downtime/{list_id}/nobody"): Right.WORK_CASE,
    ("GET", "/practice"): Right.SET_PRACTICE,
    ("POST", "/practice/hours"): Right.SET_PRACTICE,
    ("POST", "/practice/targets"): Right.SET_PRACTICE,
    ("POST", "/practice/escalation"): Right.SET_PRACTICE,
    ("GET", "/templates"): Right.RELEASE_TEMPLATE,
    ("GET", "/templates/{place}"): Right.RELEASE_TEMPLATE,
    ("POST", "/templates/look"): Right.RELEASE_TEMPLATE,
    ("POST", "/templates"): Right.WRITE_TEMPLATE,
    ("POST", "/templates/release"): Right.RELEASE_TEMPLATE,
    ("POST", "/templates/retire"): Right.RELEASE_TEMPLATE,
    ("GET", "/contacts"): Right.EDIT_CONTACTS,
    ("POST", "/contacts"): Right.EDIT_CONTACTS,
    ("POST", "/contacts/patient"): Right.EDIT_CONTACTS,
    ("POST", "/contacts/put"): Right.EDIT_CONTACTS,
    ("POST", "/contacts/retire"): Right.EDIT_CONTACTS,
    ("POST", "/contacts/verify"): Right.EDIT_CONTACTS,
    ("POST", "/contacts/consent"): Right.EDIT_CONTACTS,
    ("GET", "/emergency"): Right.BREAK_GLASS,
    ("POST", "/emergency"): Right.BREAK_GLASS,
    ("GET", "/emergencies"): Right.REVIEW_GLASS,
    ("POST", "/emergencies/{glass_id}"): Right.REVIEW_GLASS,
}
#: Every field any form has, so that no form is refused before the right is asked.
FORM = {
    "route": "general",
    "urgency": "routine",
    "part": NOBODY,
    "message": NOBODY,
    "seen": NOBODY,
    "was": NOBODY,
    "outcome": "answered",
    "contact": f"{NOBODY}:{NOBODY}",
    "words": "nobody",
    "patient": NOBODY,
    "subject": "s",
    "body": "b",
    "digest": "0" * 64,
    "proof": FORGED,
    "public": "04" + "0" * 128,
    "certificate": "0" * 64,
    "until": "0",
    "answer": "routine",
    "agreed": "yes",
    "who": "somebody",
    "name": "no-model",
    "task": "no-task",
    "what": "nothing",
    "read": "yes",
    "one_in": "50",
    "wrong": "10",
    "model": "no-model",
    "account": "nobody",
    "language": "en",
    "username": "newcomer",
    "display_name": "New Comer",
    "role": "writer",
    "active": "true",
    "case_id": NOBODY,
    "reason": "nobody can wait",
    "minutes": "15",
    "how": "phoned",
    "version": "0",
    "team": "Front",
    "to": "",
    "days": "3",
    "template_id": NOBODY,
    "address": "ana@example.org",
    "relation": "self",
    "reader": "R. Keane",
}


def routes(app: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for route in _leaves(app.routes):
        found |= {(method, route.path) for method in route.methods}
    return found


def _leaves(found: list) -> list[APIRoute]:
    leaves: list[APIRoute] = []
    for route in found:
        if isinstance(route, APIRoute):
            leaves.append(route)
        leaves += _leaves(getattr(getattr(route, "original_router", None), "routes", []))
    return leaves


def ask(visit: Visit, method: str, path: str) -> int:
    path = re.sub(r"{\w+}", NOBODY, path)
    answer = visit.get(path) if method == "GET" else visit.post(path, **FORM)
    return answer.status_code


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    assert routes(app) == set(RIGHTS) | OPEN | ARRIVING | SIGNED_IN | SIGNED


def test_nothing_is_shown_to_somebody_not_signed_in(app: FastAPI) -> None:
    stranger = Visit(app)
    for method, path in set(RIGHTS) | ARRIVING | SIGNED_IN:
        assert ask(stranger, method, path) == 303, path
    for method, path in SIGNED:
        assert ask(stranger, method, path) == 401, path


@pytest.mark.parametrize("name", sorted(PEOPLE))
def test_every_route_is_denied_unless_the_role_has_the_right(
    name: str, visit: Callable[[str], Visit]
) -> None:
    person = visit(name)
    for (method, path), right in RIGHTS.items():
        allowed = may(PEOPLE[name], right)
        status = ask(person, method, path)
        assert (status != 403) == allowed, (method, path)
        assert status < 500, (method, path)


def test_a_form_without_the_token_of_its_session_opens_no_door(
    app: FastAPI, visit: Callable[[str], Visit]
) -> None:
    for (method, path), right in RIGHTS.items():
        if method == "POST":
            person = visit(next(name for name in PEOPLE if may(PEOPLE[name], right)))
            person.csrf = "0" * 64
            assert ask(person, method, path) == 403, path


def test_a_page_without_a_row_keeps_the_application_from_starting(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: somebody adds a page, and the matrix and the door both say so."""

    def forgotten(_: Asking) -> str:
        return "everything about everybody"

    router = APIRouter()
    router.add_api_route("/forgotten", forgotten)
    monkeypatch.setattr("triage.web.app.ROUTERS", (*ROUTERS, SimpleNamespace(router=router)))
    with pytest.raises(OpenDoor, match="GET /forgotten"):
        create_app(practice.desk, clinic_name="x")
    monkeypatch.setattr("triage.web.app.check_doors", lambda *_, **__: None)
    started = create_app(practice.desk, clinic_name="x")
    assert routes(started) != set(RIGHTS) | OPEN | ARRIVING | SIGNED_IN | SIGNED
    for name in PEOPLE:
        assert ask(Visit(started, name, practice), "GET", "/forgotten") == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_that_asks_nobody_who_they_are_is_found(method: str) -> None:
    router = APIRouter()
    router.add_api_route("/queue" if method == "GET" else "/users", lambda: "", methods=[method])
    with pytest.raises(OpenDoor):
        check_doors(router.routes, KEEPERS)


def test_a_page_that_changes_something_without_a_token_is_found() -> None:
    def change(_: Asking) -> str:
        return ""

    router = APIRouter()
    router.add_api_route("/users", change, methods=["POST"])
    with pytest.raises(OpenDoor, match="POST /users"):
        check_doors(router.routes, KEEPERS)


def test_the_door_and_the_matrix_agree() -> None:
    """An emergency opens three pages more; the Desk decides for which case."""
    emergency = {page for page, rights in ROWS.items() if Right.BREAK_GLASS in rights[1:]}
    assert {page: rights[0] for page, rights in ROWS.items()} == RIGHTS
    assert emergency == {
        ("GET", CASE),
        ("GET", f"{CASE}/attachment/{{attachment_id}}"),
        ("GET", f"{CASE}/original/{{message_id}}"),
    }


def test_the_matrix_would_notice_a_desk_that_allows_everything(
    visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: with door and desk both open a data scientist gets into the queue."""
    monkeypatch.setattr("triage.web.visitor.let_in", lambda *_: None)
    assert ask(visit("devi"), "GET", "/queue") == 403
    for room in ("queue", "calm", "live"):
        monkeypatch.setattr(f"triage.desk.{room}.require", lambda *_: None)
    monkeypatch.setattr("triage.desk.people.require_any", lambda *_: None)
    assert ask(visit("devi"), "GET", "/queue") == 200


def test_nobody_sees_another_clinic(practice: Practice, visit: Callable[[str], Visit]) -> None:
    eve = visit("eve")
    for case_id in practice.cases.values():
        assert eve.get(f"/case/{case_id}").status_code == 404
        assert eve.get(f"/case/{case_id}/history").status_code == 404
        assert eve.post(f"/case/{case_id}/claim").status_code == 404
    assert "Keane" not in eve.get("/queue").text
    shown = {"seen": NOBODY, "was": NOBODY}
    assert "Keane" not in eve.post(f"/case/{NOBODY}/patients", words="Keane", **shown).text


def test_the_menu_offers_only_what_is_allowed(visit: Callable[[str], Visit]) -> None:
    menus = {"dana": {"/queue", "/downtime"}, "devi": {"/models"}}
    menus["nia"] = {"/queue", "/sample", "/clinical", "/downtime"}
    menus["sam"] = {"/queue", "/sample", "/audit", "/models", "/models/promises", "/emergencies"}
    menus["sam"] |= {"/downtime"}
    menus["sam"] |= {"/approvals", "/forms"}
    menus["sam"] |= {"/practice"}
    menus["ada"] = {"/models", "/users", "/emergency", "/practice"}
    for name in ("dana", "nia", "sam"):
        menus[name] |= {"/for-me"}
    menus["sam"] |= {"/teams", "/templates", "/contacts"}
    menus["nia"] |= {"/templates"}
    menus["ada"] |= {"/templates"}
    menus["devi"] |= {"/emergency"}
    for name, expected in menus.items():
        page = visit(name).get("/account").text
        offered = {path for path, *_ in MENU if f'href="{path}"' in page}
        assert offered == expected
