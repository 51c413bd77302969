"""A password of one's own: asked for after a given one, changed with the old one, hard to guess."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi import FastAPI

from tests.web.conftest import Visit
from tests.web.practice import PASSWORD, PEOPLE, Practice
from tests.web.test_routes import RIGHTS, SIGNED_IN, ask
from tests.web.test_users import NEW, shown
from triage.desk.signing import HALF_OPEN
from triage.store.passwords import refuse_weak
from triage.web.wording import WEAK

Visits = Callable[[str], Visit]
GOOD = "lavender otter brisk nine"


def came_with(app: FastAPI, username: str, password: str) -> Visit:
    visit = Visit(app)
    answer = visit.client.post("/log-in", data={"username": username, "password": password})
    assert answer.status_code == 303
    return visit


def change(visit: Visit, old: str, new: str = GOOD, again: str = "") -> int:
    form = {"old": old, "new": new, "again": again or new}
    return visit.post("/account/password", **form).status_code


def test_a_given_password_opens_nothing_but_its_own_change(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    given = shown(visit("ada").post("/users", **NEW).text)
    lena = came_with(app, "lena", given)
    only = "/log-in/password"
    lena.csrf = lena.token(only)
    for method, path in set(RIGHTS) | SIGNED_IN:
        assert ask(lena, method, path) == 303, path
    assert lena.get("/queue").headers["location"] == only
    for new, again, why in ((given, given, "same"), (GOOD, "x", "differ"), ("x", "x", "short")):
        refused = lena.post(only, new=new, again=again)
        assert (refused.status_code, WEAK[why][:20] in refused.text) == (409, True)
        assert lena.get("/queue").headers["location"] == only
    before = lena.client.cookies["desk"]
    assert lena.post(only, new=GOOD, again=GOOD).headers["location"] == "/queue"
    assert lena.client.cookies["desk"] != before
    assert lena.get("/queue").status_code == 200
    # Once only: from now on the old one is asked for.
    lena.csrf = lena.token("/account")
    assert lena.post(only, new="something else entirely", again="").status_code == 409
    assert lena.post(only, new=GOOD + "!", again=GOOD + "!").status_code == 403
    assert came_with(app, "lena", GOOD).get("/queue").status_code == 200
    actions = [e.action for e in practice.store.audit.events(clinic="c1", by="t")]
    assert "password.chosen" in actions


def test_whoever_got_a_new_password_gives_the_second_factor_first(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    given = shown(visit("ada").post("/users/u-dana/password").text)
    dana = came_with(app, "dana", given)
    dana.csrf = dana.token("/log-in/code")
    skipped = dana.post("/log-in/password", new=GOOD, again=GOOD)
    assert skipped.headers["location"] == "/log-in"
    assert dana.get("/queue").headers["location"] == "/log-in/code"
    dana.post("/log-in/code", code=practice.one_time_code("dana"))
    assert dana.get("/queue").headers["location"] == "/log-in/password"
    real = practice.desk.signing._clock
    practice.desk.signing._clock = lambda: real() + HALF_OPEN
    assert dana.get("/queue").headers["location"] == "/log-in"


def test_changing_it_asks_the_old_one_and_ends_every_other_session(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    here, elsewhere = visit("wim"), visit("wim")
    assert change(here, "wrong") == 409
    assert change(here, PASSWORD, again="another one altogether") == 409
    assert elsewhere.get("/queue").status_code == 200
    before = here.client.cookies["desk"]
    assert change(here, PASSWORD) == 303
    assert here.client.cookies["desk"] != before
    assert here.get("/queue").status_code == 200
    assert elsewhere.get("/queue").headers["location"] == "/log-in"
    for password, status in ((PASSWORD, 401), (GOOD, 303)):
        form = {"username": "wim", "password": password}
        assert Visit(app).client.post("/log-in", data=form).status_code == status
    events = practice.store.audit.events(clinic="c1", by="t", actor="u-wim")
    assert {"password.refused", "password.chosen"} <= {event.action for event in events}
    assert GOOD not in repr(events)


def test_guessing_the_old_one_at_an_open_session_waits(visit: Visits) -> None:
    wim = visit("wim")
    assert [change(wim, "wrong") for _ in range(6)] == [409] * 5 + [429]
    # Also with the right one, until the wait is over.
    assert change(wim, PASSWORD) == 429


def test_a_session_left_open_ends_before_a_password_is_changed(
    practice: Practice, visit: Visits
) -> None:
    wim, real = visit("wim"), practice.desk.signing._clock
    practice.desk.signing._clock = lambda: real() + timedelta(minutes=15)
    answer = wim.post("/account/password", old=PASSWORD, new=GOOD, again=GOOD)
    assert answer.headers["location"] == "/log-in"


ABOUT = ("wim", "Wim Achterberg", "Alder Street Practice")
#: Password -> why it is refused.
TRIED = {
    "": "short",
    "elevenchars": "short",
    "password1234": "common",
    "qwertyuiop12": "common",
    "Summer2026!!": "common",
    "aaaaaaaaaaaaaaaa": "common",
    "123456789012": "common",
    "letmeinletmein": "common",
    "AlderStreet2026": "about",
    "Achterberg-Practice-Alder": "about",
    "x" * 129: "long",
}


@pytest.mark.parametrize("password", TRIED, ids=lambda word: word[:20] or "nothing")
def test_what_is_easy_to_guess_is_refused_with_the_reason(password: str) -> None:
    from triage.errors import WeakPassword

    with pytest.raises(WeakPassword) as refused:
        refuse_weak(password, about=ABOUT, same=False)
    assert refused.value.why == TRIED[password]
    assert refused.value.why in WEAK


@pytest.mark.parametrize("password", [GOOD, PASSWORD, "кот ест синюю ложку", "h7#kPq2!vRz9mL"])
def test_what_is_hard_to_guess_is_taken(password: str) -> None:
    refuse_weak(password, about=ABOUT, same=False)


def test_an_administrator_takes_a_lost_app_from_somebody_else_only(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    ada, dana = visit("ada"), visit("dana")
    assert "of Dana Whitlock" in ada.get("/users").text
    assert ada.post("/users/u-ada/authenticator").status_code == 409
    assert ada.post("/users/u-eve/authenticator").status_code == 404
    assert ada.post("/users/u-dana/authenticator").status_code == 303
    assert dana.get("/queue").headers["location"] == "/log-in"
    assert came_with(app, "dana", PASSWORD).get("/queue").headers["location"] == "/log-in/enrol"
    (event,) = practice.store.audit.events(clinic="c1", by="t", action="factor.forgotten")
    assert (event.actor, event.detail) == (PEOPLE["ada"].id, {"user": "u-dana"})
