"""The page of people: a password is seen once, the last administrator stays, all is on record."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from tests.web.conftest import Visit
from tests.web.practice import PEOPLE, Practice
from triage.desk.people import SIGNS, first_password
from triage.domain import Role

Visits = Callable[[str], Visit]
NEW = {"username": "lena", "display_name": "Lena Marsh", "role": "writer"}
PASSWORD = re.compile(rf"<code>((?:[{SIGNS}]{{4}}-){{3}}[{SIGNS}]{{4}})</code>")


def shown(page: str) -> str:
    found = PASSWORD.search(page)
    assert found
    return found.group(1)


def enters(app: FastAPI, username: str, password: str) -> bool:
    form = {"username": username, "password": password}
    return Visit(app).client.post("/log-in", data=form).status_code == 303


def actions(practice: Practice, action: str) -> list[tuple[str, str]]:
    events = practice.store.audit.events(clinic="c1", by="test", action=action)
    return [(event.actor, event.detail["user"]) for event in events]


def test_an_administrator_sees_everybody_and_no_patient(visit: Visits) -> None:
    page = visit("ada").get("/users").text
    for person in PEOPLE.values():
        assert (person.display_name in page) == (person.clinic == "c1")
    assert "Keane" not in page
    assert "argon2" not in page


def test_a_first_password_is_shown_once_and_lets_the_person_in(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    ada = visit("ada")
    made = ada.post("/users", **NEW)
    assert made.headers["Cache-Control"] == "no-store"
    password = shown(made.text)
    assert password not in ada.get("/users").text
    assert enters(app, "lena", password)
    (lena,) = [one for one in practice.store.people.users(clinic="c1") if one.username == "lena"]
    assert lena.roles == {Role.WRITER}
    assert ("u-ada", lena.id) in actions(practice, "user.added")
    again = ada.post(f"/users/{lena.id}/password")
    assert shown(again.text) != password
    assert not enters(app, "lena", password)
    assert enters(app, "lena", shown(again.text))
    assert actions(practice, "user.password") == [("u-ada", lena.id)]


def test_a_password_is_hard_to_guess_and_in_no_word_of_an_object(practice: Practice) -> None:
    assert len({first_password() for _ in range(200)}) == 200
    made = practice.desk.people.add_user(
        PEOPLE["ada"], username="lena", display_name="Lena", roles={Role.NURSE}
    )
    assert made.password.reveal() not in repr(made)


def test_somebody_shut_out_is_out_at_once_and_may_come_back(
    app: FastAPI, practice: Practice, visit: Visits
) -> None:
    ada, milo = visit("ada"), visit("milo")
    assert ada.post("/users/u-milo/active", active="false").status_code == 303
    assert milo.get("/queue").headers["location"] == "/log-in"
    assert not enters(app, "milo", "correct horse battery staple")
    assert "shut out" in ada.get("/users").text
    ada.post("/users/u-milo/active", active="true")
    assert enters(app, "milo", "correct horse battery staple")
    assert actions(practice, "user.disabled") == [("u-ada", "u-milo")]
    assert actions(practice, "user.enabled") == [("u-ada", "u-milo")]


def test_roles_are_changed_and_hold_at_once(practice: Practice, visit: Visits) -> None:
    ada = visit("ada")
    answer = ada.post("/users/u-milo/roles", role=["nurse", "supervisor"])
    assert answer.status_code == 303
    assert practice.store.people.user("u-milo").roles == {Role.NURSE, Role.SUPERVISOR}
    assert visit("milo").get("/audit").status_code == 200
    assert actions(practice, "user.roles") == [("u-ada", "u-milo")]


def test_the_last_administrator_and_oneself_stay(practice: Practice, visit: Visits) -> None:
    ada = visit("ada")
    refusals = [
        ("Not for yourself", ada.post("/users/u-ada/roles", role="nurse")),
        ("Not for yourself", ada.post("/users/u-ada/roles", role=["administrator", "supervisor"])),
        ("Not for yourself", ada.post("/users/u-ada/active", active="false")),
        ("Not for yourself", ada.post("/users/u-ada/password")),
        ("taken", ada.post("/users", **NEW | {"username": "milo"})),
    ]
    for words, answer in refusals:
        assert answer.status_code == 409
        assert words in answer.text
    assert practice.store.people.user("u-ada") == PEOPLE["ada"]
    ada.post("/users/u-sam/roles", role=["supervisor", "administrator"])
    assert ada.post("/users/u-ada/active", active="false").status_code == 409
    sam = visit("sam")
    assert sam.post("/users/u-ada/roles", role="nurse").status_code == 303
    last = sam.post("/users/u-sam/roles", role="supervisor")
    assert last.status_code == 409
    assert "Somebody must administer" in last.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "Lena"},
        {"username": "l na"},
        {"username": "\u0430da"},
        {"username": ""},
        {"display_name": " "},
        {"display_name": "x" * 121},
        {"role": "boss"},
        {"role": ""},
    ],
    ids=str,
)
def test_what_nobody_could_type_or_read_is_refused(
    wrong: dict[str, str], practice: Practice, visit: Visits
) -> None:
    before = practice.store.people.users(clinic="c1")
    assert visit("ada").post("/users", **NEW | wrong).status_code == 422
    assert practice.store.people.users(clinic="c1") == before


def test_every_field_and_button_can_be_reached_by_keyboard_and_told_apart(visit: Visits) -> None:
    page = visit("ada").get("/users").text.partition("<main")[2]
    forms = re.findall(r"<form\b.*?</form>", page, re.DOTALL)
    assert all(len(re.findall(r"<button\b", form)) == 1 for form in forms)
    buttons = [re.sub(r"<[^>]+>", "", one) for one in re.findall(r"<button.*?</button>", page)]
    assert len(buttons) == len(set(buttons))
    assert not re.search(r'tabindex="[1-9]|onclick', page)
    for field in re.findall(r"<input(?![^>]*hidden)[^>]*>", page):
        before = page[: page.index(field)]
        assert before.rfind("<label") > before.rfind("</label>"), field
