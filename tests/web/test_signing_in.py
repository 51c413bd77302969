"""The way in as a browser walks it: password, code, enrolment, patience, and going idle."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi import FastAPI

from tests.web.conftest import Visit
from tests.web.practice import CLINIC, PASSWORD, PEOPLE, Practice
from tests.web.test_routes import RIGHTS, SIGNED_IN, ask, routes
from triage.desk.signing import SignInDesk
from triage.domain import Role, User
from triage.store.totp import code_at, unspelled
from triage.web.app import create_app
from triage.web.assets import STATIC
from triage.web.pages import TEMPLATES
from triage.web.visitor import watcher

NEW = User("u-new", "c1", "nora", "Nora Quist", frozenset({Role.NURSE}))


def half_way(app: FastAPI, name: str) -> Visit:
    """A browser that has given a password and no more."""
    visit = Visit(app)
    answer = visit.client.post("/log-in", data={"username": name, "password": PASSWORD})
    assert answer.status_code == 303
    return visit


def test_a_password_alone_opens_no_page(app: FastAPI, practice: Practice) -> None:
    practice.store.people.add_user(NEW, PASSWORD)
    for name, only in (("dana", "/log-in/code"), ("nora", "/log-in/enrol")):
        visit = half_way(app, name)
        visit.csrf = visit.token(only)
        for method, path in (set(RIGHTS) | SIGNED_IN) & routes(app):
            assert ask(visit, method, path) == 303, path
            answer = visit.get(path) if method == "GET" else visit.post(path)
            assert answer.headers["location"] == only, path
        polled = visit.get("/queue/version", Accept="application/json")
        assert (polled.status_code, polled.headers["HX-Redirect"]) == (401, only)


def test_enrolling_leads_in_and_the_key_is_never_shown_again(
    app: FastAPI, practice: Practice
) -> None:
    practice.store.people.add_user(NEW, PASSWORD)
    visit = half_way(app, "nora")
    page = visit.get("/log-in/enrol").text
    (shown,) = re.findall(r'id="secret">([A-Z2-7 ]+)<', page)
    visit.csrf, before = visit.token("/log-in/enrol"), visit.client.cookies["desk"]
    refused = visit.post("/log-in/enrol", code="000000")
    assert (refused.status_code, shown in refused.text) == (401, True)
    code = code_at(unspelled(shown), practice.desk.signing._clock())
    done = visit.post("/log-in/enrol", code=code)
    assert (done.status_code, done.headers["location"]) == (303, "/queue")
    assert visit.client.cookies["desk"] != before
    assert visit.get("/queue").status_code == 200
    assert visit.get("/log-in/enrol").status_code == 403
    assert shown not in visit.get("/account").text


def test_who_is_in_gives_the_present_password_before_a_key_is_shown(
    app: FastAPI, practice: Practice
) -> None:
    visit, way = half_way(app, "wim"), "/log-in/enrol"
    asked = visit.get(way).text
    assert ('id="secret"' in asked, 'name="present"' in asked) == (False, True)
    visit.csrf = visit.token(way)
    wrong = visit.post(way, present="not it")
    assert (wrong.status_code, 'id="secret"' in wrong.text) == (401, False)
    assert "The present password is not right" in wrong.text
    page = visit.post(way, present=PASSWORD).text
    assert PASSWORD not in page
    (shown,) = re.findall(r'id="secret">([A-Z2-7 ]+)<', page)
    refused = visit.post(way, code="000000")
    assert (refused.status_code, shown in refused.text) == (401, False)
    assert visit.post(way, present=PASSWORD).text.count(shown) == 1
    code = code_at(unspelled(shown), practice.desk.signing._clock())
    assert visit.post(way, code=code).headers["location"] == "/queue"
    assert half_way(app, "wim").get("/queue").headers["location"] == "/log-in/code"


def test_a_code_leads_in_once(app: FastAPI, practice: Practice) -> None:
    first, second = half_way(app, "dana"), half_way(app, "dana")
    code, before = practice.one_time_code("dana"), first.client.cookies["desk"]
    for visit in (first, second):
        visit.csrf = visit.token("/log-in/code")
    assert first.post("/log-in/code", code=f"{code[:3]} {code[3:]}").status_code == 303
    assert first.client.cookies["desk"] != before
    assert first.get("/queue").status_code == 200
    again = second.post("/log-in/code", code=code)
    assert (again.status_code, "used already" in again.text) == (401, True)
    assert second.get("/queue").headers["location"] == "/log-in/code"


def test_the_way_in_takes_no_form_from_elsewhere(app: FastAPI, practice: Practice) -> None:
    visit = half_way(app, "dana")
    code = practice.one_time_code("dana")
    for csrf in ("", "0" * 64):
        visit.csrf = csrf
        assert visit.post("/log-in/code", code=code).status_code == 403
        assert visit.post("/log-in/enrol", code=code).status_code == 403


def test_a_new_log_in_ends_the_session_this_browser_had(app: FastAPI) -> None:
    visit = half_way(app, "wim")
    old = visit.client.cookies["desk"]
    visit.client.post("/log-in", data={"username": "wim", "password": PASSWORD})
    assert visit.client.cookies["desk"] != old
    thief = Visit(app)
    thief.client.cookies.set("desk", old)
    assert thief.get("/queue").headers["location"] == "/log-in"


def test_too_many_tries_are_told_to_wait_alike_for_every_name(app: FastAPI) -> None:
    pages = []
    for name in ("dana", "nobody-at-all"):
        visit = Visit(app)
        tries = [
            visit.client.post("/log-in", data={"username": name, "password": "no"})
            for _ in range(6)
        ]
        assert [answer.status_code for answer in tries] == [401] * 5 + [429]
        assert 1 <= int(tries[-1].headers["Retry-After"]) <= 3
        pages.append((tries[0].text, re.sub(r"\d+ seconds?", "", tries[-1].text)))
    assert pages[0] == pages[1]
    assert "Too many tries" in pages[0][1]


def test_a_known_browser_is_remembered_on_the_way_in_only(
    app: FastAPI, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    (kept,) = [cookie for cookie in dana.client.cookies.jar if cookie.name == "browser"]
    assert kept.path == "/log-in"
    for _ in range(30):
        Visit(app).client.post("/log-in", data={"username": "dana", "password": "no"})
    words = {"username": "dana", "password": PASSWORD}
    assert Visit(app).client.post("/log-in", data=words).status_code == 429
    assert dana.client.post("/log-in", data=words).status_code == 303


def test_polling_does_not_keep_an_idle_page_signed_in(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana, later = visit("dana"), timedelta()
    real = practice.desk.signing._clock
    practice.desk.signing._clock = lambda: real() + later
    polls = ("/queue/version", "/queue/rows", f"/case/{'0' * 32}/reply/{'0' * 32}")
    assert dana.get("/queue").status_code == 200
    for minute in (5, 10, 14):
        later = timedelta(minutes=minute)
        assert [dana.get(path).status_code for path in polls] == [200, 200, 404]
    later = timedelta(minutes=15)
    assert dana.get("/queue/version", Accept="application/json").status_code == 401
    # Somebody who does something is not idle.
    later = timedelta()
    milo = visit("milo")
    for minute in (10, 20, 30):
        later = timedelta(minutes=minute)
        assert milo.get("/queue").status_code == 200


def test_everything_a_page_asks_by_itself_is_a_watching_route(app: FastAPI) -> None:
    """A new poll in a script or template must not silently keep sessions alive."""
    asked = set()
    for path in STATIC.glob("*.js"):
        asked |= set(re.findall(r"(?:fetch|EventSource)\([\"'`]([^\"'`?]+)", path.read_text()))
    for path in TEMPLATES.glob("*.html"):
        for line in re.findall(r'hx-get="[^"]+" hx-trigger="(?:load|every)[^>]*', path.read_text()):
            found = re.findall(r'hx-get="([^"?]+)', line)[0]
            asked.add(
                found.replace("{{ case_id }}", "{case_id}").replace("{{ reply.id }}", "{reply_id}")
            )
    # Once in a session, after the person typed a code: no poll.
    asked.remove("/account/key")
    assert asked == {
        *("/queue/version", "/queue/rows", "/queue/stream", "/urgent"),
        *("/case/{case_id}/reply/{reply_id}", "/case/{case_id}/here"),
    }
    assert watching(app) == asked


def watching(app: FastAPI) -> set[str]:
    from tests.web.test_routes import _leaves

    return {
        route.path
        for route in _leaves(app.routes)
        if any(needed.call is watcher for needed in route.dependant.dependencies)
    }


def test_a_person_shut_out_is_out_with_the_next_request(
    practice: Practice, visit: Callable[[str], Visit]
) -> None:
    dana = visit("dana")
    assert dana.get("/queue").status_code == 200
    practice.desk.people.set_active(PEOPLE["ada"], PEOPLE["dana"].id, False)
    for path in ("/queue", "/queue/version", "/account"):
        assert dana.get(path).headers["location"] == "/log-in"


def test_the_door_would_be_seen_to_stand_open(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: were the second factor not asked for, a password alone would open the queue."""
    monkeypatch.setattr("triage.desk.signing._complete", lambda _: True)
    assert half_way(app, "dana").get("/queue").status_code == 200
    assert isinstance(app.state.desk.signing, SignInDesk)


def test_a_demonstration_says_so_on_the_way_in(practice: Practice) -> None:
    for shown in (True, False):
        app = create_app(practice.desk, clinic_name=CLINIC.name, demonstration=shown)
        assert ("Demonstration:" in Visit(app).get("/log-in").text) == shown
        assert ("Demonstration:" in half_way(app, "dana").get("/log-in/code").text) == shown
