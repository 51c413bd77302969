"""Safety-bar 44: thousands of requests with the ids of another clinic, in every shape, get nothing.

Somebody who may do everything in the second clinic knows every id of the first and tries them in
every place of every page: the requests are made from the route table, so a new page is tried by
being there. Short form: 250 requests; long form (TRIAGE_LONG=1): 5,000.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from httpx2 import Response

from tests.sizes import LONG, many
from tests.web.conftest import Visit
from tests.web.neighbours import NEIGHBOUR, Neighbours, move_in, told
from tests.web.practice import CLINIC
from tests.web.test_routes import ARRIVING, routes
from tests.web.test_two_clinics import OWN, WITHOUT_ID, forms
from triage.desk import Desk
from triage.store import Keys
from triage.web.access import ANYBODY
from triage.web.app import create_app

pytestmark = [pytest.mark.bar(44), pytest.mark.timeout(2400 if LONG else 180)]
SEED = 44
#: Signing in and out would end the walk, and a refused log-in is written down where it was tried;
#: tests/web/test_signing_in.py and test_openid.py attack these.
LEFT_OUT = ARRIVING | {("GET", "/log-in"), ("POST", "/log-in"), ("POST", "/log-out")}
LEFT_OUT |= {("GET", "/log-in/openid"), ("GET", "/log-in/openid/back")}
#: What a request that names ids of the first clinic may come to.
REFUSED = frozenset({400, 401, 403, 404, 405, 409, 410, 422, 429})


@pytest.fixture(scope="module")
def both(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    folder = tmp_path_factory.mktemp("guessing")
    found = move_in(folder, f"sqlite:///{folder / 'two.db'}", keys)
    yield found
    found.practice.store.close()


@pytest.fixture(scope="module")
def app(both: Neighbours) -> FastAPI:
    return create_app(both.practice.desk, clinic_name=CLINIC.name)


@dataclass
class Guess:
    """One request: a page, what stands in its path and in its form, and how it is spelled."""

    method: str
    path: str
    where: str
    form: dict[str, str | list[str]]
    #: Whether an id of the first clinic stands in the path, as it is.
    named: bool
    spelling: str


SPELLINGS = ("plain", "plain", "plain", "quoted", "capitals", "slashes", "dots", "query", "twice")


def guesses(app: FastAPI, both: Neighbours, count: int) -> Iterator[Guess]:
    """Yield requests for every page in turn, each with other ids in other places."""
    chance = random.Random(SEED)
    # Words a person types, such as a model's name, come back in their own audit; ids tell nothing.
    ids_of = [name for name in both.first if name == "seen" or name.endswith("_id")]
    foreign = sorted({both.first[name] for name in ids_of} | {contact(both)})
    own = {"case_id": both.own_case, "message_id": both.own_message, "seen": both.own_message}
    pages = sorted(routes(app) - LEFT_OUT)
    was = {
        case_id: both.practice.was(case_id) for case_id in (both.own_case, both.first["case_id"])
    }
    for number in range(count):
        method, path = pages[number % len(pages)]
        form, named = dict[str, str | list[str]](forms(both)), False
        ids = {}
        for name in re.findall(r"{(\w+)}", path):
            # Now and then an id of another kind, and beside an own case one of the first clinic.
            right = both.first[name] if chance.random() < 0.7 else chance.choice(foreign)
            ids[name] = own[name] if name in own and chance.random() < 0.3 else right
            named = named or ids[name] != own.get(name)
        for name in ("seen", "contact", "part", "patient", "case_id", "contact_id"):
            form[name] = chance.choice([str(form.get(name, "")), *foreign, both.own_message])
        form["was"] = was.get(ids.get("case_id", ""), "")
        if path.endswith("/link"):
            form["contact"] = contact(both)
        spelling = chance.choice(SPELLINGS)
        where = path.format_map({name: spelled(one, spelling) for name, one in ids.items()})
        if spelling == "query":
            where += "?" + "&".join(f"{name}={value}" for name, value in both.first.items())
        if spelling == "twice":
            form["seen"] = [both.own_message, both.first["seen"]]
        yield Guess(method, path, where, form, named and spelling != "dots", spelling)


def contact(both: Neighbours) -> str:
    return f"{both.first['patient_id']}:{both.first['contact_id']}"


def spelled(value: str, how: str) -> str:
    match how:
        case "quoted":
            return "".join(f"%{ord(one):02x}" for one in value)
        case "capitals":
            return value.upper()
        case "slashes":
            return f"{value}%2f{quote(value)}"
        case "dots":
            return f"x/../{value}"
        case _:
            return value


@dataclass
class Tally:
    """What the requests came to."""

    asked: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)


def walk(app: FastAPI, both: Neighbours, count: int) -> Tally:
    """Send the requests as the neighbour and as nobody; return what got through."""
    visit, tally = Visit(app, NEIGHBOUR.username, both.practice), Tally()
    stranger = Visit(app)
    for guess in guesses(app, both, count):
        who = stranger if tally.asked % 10 == 9 else visit
        answer = send(who, guess)
        tally.asked += 1
        tally.statuses[answer.status_code] = tally.statuses.get(answer.status_code, 0) + 1
        if wrong := judged(guess, answer, signed_in=who is visit):
            tally.trouble.append(f"{guess.method} {guess.path} ({guess.spelling}): {wrong}")
    return tally


def send(visit: Visit, guess: Guess) -> Response:
    if guess.method == "GET":
        return visit.client.request("GET", guess.where)
    return visit.client.post(guess.where, data={"csrf": visit.csrf, **guess.form})


def judged(guess: Guess, answer: Response, *, signed_in: bool) -> str:
    # What somebody typed comes back to them on one page.
    away = guess.path in ("/away", "/away/prepare")
    typed = f'value="{guess.form["words"]}"' if away else ""
    if said := told(answer.text.replace(typed, "") if typed else answer.text):
        return f"tells {said[0]}"
    page = (guess.method, guess.path)
    # Where nothing runs beside the desk, this is what it is asked for.
    unwell = page == ("GET", "/healthz") and answer.status_code == 503
    if answer.status_code >= 500 and not unwell:
        return str(answer.status_code)
    led = answer.headers.get("location", "")
    if not signed_in:
        # Without a token a form is refused, without a session everything leads to the door.
        turned_away = led == "/log-in" or answer.status_code in REFUSED or page in ANYBODY
        return "" if turned_away else "let a stranger in"
    if led.startswith("/log-in"):
        return "the neighbour was signed out, so nothing was tried"
    if guess.named and page not in WITHOUT_ID | OWN and answer.status_code not in REFUSED:
        return f"{answer.status_code} for an id of the first clinic"
    return ""


def test_no_guess_of_thousands_gets_anything(app: FastAPI, both: Neighbours) -> None:
    before = both.rows()
    count = many(250, long=5000)
    tally = walk(app, both, count)
    assert tally.asked == count
    assert tally.trouble == [], f"seed {SEED}"
    assert both.rows() == before
    # Both were met: pages of the neighbour's own that answer, and refusals.
    assert tally.statuses.get(200, 0) >= count / 50, tally.statuses
    assert tally.statuses.get(404, 0) >= count / 5, tally.statuses


def test_every_page_is_guessed_at(app: FastAPI, both: Neighbours) -> None:
    """A page that is new in the route table is tried without anybody writing it down here."""
    asked = {(one.method, one.path) for one in guesses(app, both, 250)}
    assert asked == routes(app) - LEFT_OUT


def test_the_guesses_are_seen_to_succeed_where_nobody_asks_for_the_clinic(
    app: FastAPI, both: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the neighbour is taken for somebody of the first clinic, for reading only."""
    visit, who = Visit(app, NEIGHBOUR.username, both.practice), Desk.who
    monkeypatch.setattr(
        Desk, "who", lambda desk, token, **more: replace(who(desk, token, **more), clinic="c1")
    )
    reading = {"GET /case/{case_id}": "tells", "GET /audit": "tells"}
    found = [
        f"{one.method} {one.path}: {wrong}"
        for one in guesses(app, both, 600)
        if one.method == "GET" and (wrong := judged(one, send(visit, one), signed_in=True))
    ]
    for page, word in reading.items():
        assert any(line.startswith(f"{page}: {word}") for line in found), page
    assert len(found) >= 20
