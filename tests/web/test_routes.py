"""Every route, every role: denied unless the table of rights says otherwise."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk import Right, may

NOBODY = "0" * 32
#: Reached by anybody, or by anybody signed in; nothing about a patient is on them.
OPEN = {("GET", "/log-in"), ("POST", "/log-in")}
SIGNED_IN = {("GET", "/"), ("GET", "/account"), ("POST", "/log-out")}
CASE = "/case/{case_id}"
RIGHTS: dict[tuple[str, str], Right] = {
    ("GET", "/queue"): Right.SEE_QUEUE,
    ("GET", "/queue/rows"): Right.SEE_QUEUE,
    ("GET", "/queue/version"): Right.SEE_QUEUE,
    ("GET", CASE): Right.SEE_QUEUE,
    ("POST", f"{CASE}/claim"): Right.WORK_CASE,
    ("POST", f"{CASE}/release"): Right.WORK_CASE,
    ("POST", f"{CASE}/take-over"): Right.TAKE_OVER,
    ("POST", f"{CASE}/reroute"): Right.WORK_CASE,
    ("POST", f"{CASE}/tick"): Right.WORK_CASE,
    ("POST", f"{CASE}/close"): Right.WORK_CASE,
    ("POST", f"{CASE}/link"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/patients"): Right.IDENTIFY_PATIENT,
    ("POST", f"{CASE}/verify"): Right.IDENTIFY_PATIENT,
    ("GET", f"{CASE}/attachment/{{attachment_id}}"): Right.SEE_QUEUE,
    ("GET", f"{CASE}/original/{{message_id}}"): Right.SEE_QUEUE,
    ("POST", f"{CASE}/draft"): Right.WRITE_REPLY,
    ("POST", f"{CASE}/approve"): Right.APPROVE_REPLY,
    ("POST", f"{CASE}/recall/{{reply_id}}"): Right.APPROVE_REPLY,
    ("GET", f"{CASE}/reply/{{reply_id}}"): Right.SEE_QUEUE,
    ("GET", f"{CASE}/history"): Right.SEE_AUDIT,
    ("GET", "/audit"): Right.SEE_AUDIT,
    ("POST", "/audit/verify"): Right.SEE_AUDIT,
    ("POST", "/audit/export"): Right.EXPORT_AUDIT,
    ("POST", f"{CASE}/evidence"): Right.EXPORT_EVIDENCE,
    ("POST", "/audit/patient"): Right.SEE_AUDIT,
    ("POST", "/audit/patient/seen"): Right.SEE_AUDIT,
    ("POST", "/audit/patient/export"): Right.EXPORT_AUDIT,
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
}
#: Every field any form has, so that no form is refused before the right is asked.
FORM = {
    "route": "general",
    "urgency": "routine",
    "part": NOBODY,
    "seen": NOBODY,
    "outcome": "answered",
    "contact": f"{NOBODY}:{NOBODY}",
    "words": "nobody",
    "patient": NOBODY,
    "subject": "s",
    "body": "b",
    "digest": "0" * 64,
    "proof": "0" * 64,
    "answer": "routine",
    "name": "no-model",
    "task": "no-task",
    "what": "nothing",
    "read": "yes",
    "one_in": "50",
    "wrong": "10",
    "model": "no-model",
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
    for name in ("case_id", "attachment_id", "message_id", "reply_id", "item_id"):
        path = path.replace(f"{{{name}}}", NOBODY)
    answer = visit.get(path) if method == "GET" else visit.post(path, **FORM)
    return answer.status_code


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    assert routes(app) == set(RIGHTS) | OPEN | SIGNED_IN


def test_nothing_is_shown_to_somebody_not_signed_in(app: FastAPI) -> None:
    stranger = Visit(app)
    for method, path in set(RIGHTS) | SIGNED_IN:
        assert ask(stranger, method, path) == 303, path


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


def test_the_matrix_would_notice_a_desk_that_allows_everything(
    visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: with the desk's check removed a data scientist gets into the queue."""
    monkeypatch.setattr("triage.desk.queue.require", lambda *_: None)
    monkeypatch.setattr("triage.desk.people.require", lambda *_: None)
    assert ask(visit("devi"), "GET", "/queue") == 200


def test_nobody_sees_another_clinic(practice: Practice, visit: Callable[[str], Visit]) -> None:
    eve = visit("eve")
    for case_id in practice.cases.values():
        assert eve.get(f"/case/{case_id}").status_code == 404
        assert eve.get(f"/case/{case_id}/history").status_code == 404
        assert eve.post(f"/case/{case_id}/claim").status_code == 404
    assert "Keane" not in eve.get("/queue").text
    assert "Keane" not in eve.post(f"/case/{NOBODY}/patients", words="Keane", seen=NOBODY).text


def test_the_menu_offers_only_what_is_allowed(visit: Callable[[str], Visit]) -> None:
    menus = {"dana": {"/queue"}, "devi": {"/models"}, "nia": {"/queue", "/sample", "/clinical"}}
    menus["sam"] = {"/queue", "/sample", "/audit", "/models", "/models/promises"}
    for name, expected in menus.items():
        page = visit(name).get("/account").text
        offered = {
            path
            for path in ("/queue", "/sample", "/clinical", "/audit", "/models", "/models/promises")
            if f'href="{path}"' in page
        }
        assert offered == expected
