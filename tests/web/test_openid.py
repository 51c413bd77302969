"""Signing in through the organisation: the whole dance with oidc-provider, and every lie it tells.

The provider is a real one in a process of its own; its lies are signed with its own key unless
the key is the lie.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from fastapi import FastAPI

from tests.servers import PASSWORD as SECRET
from tests.servers import OpenIdServer
from tests.web.conftest import HERE, Visit
from tests.web.practice import CLINIC, PEOPLE, Practice
from triage.connectors import openid
from triage.connectors.openid import OpenIdProvider
from triage.desk.openid import OpenIdDesk
from triage.domain import AuditEvent
from triage.web.app import create_app
from triage.web.wording import ELSEWHERE

MFA = {"amr": ["pwd", "mfa"]}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIdServer]:
    with OpenIdServer(HERE) as running:
        yield running


@pytest.fixture
def provider(server: OpenIdServer) -> OpenIdProvider:
    server.say()
    return OpenIdProvider(server.settings, SECRET)


@pytest.fixture
def app(practice: Practice, provider: OpenIdProvider) -> FastAPI:
    desk = practice.desk
    desk.openid = OpenIdDesk(
        practice.store, lambda: desk.signing._clock(), desk.signing, provider, CLINIC.id
    )
    for name in ("dana", "wim", "ada"):
        practice.store.accounts.link(
            PEOPLE[name].id, provider.issuer, f"sub-{name}", clinic="c1", by="test"
        )
    return create_app(desk, clinic_name=CLINIC.name)


class Way:
    """One browser on its way through the provider."""

    def __init__(self, app: FastAPI) -> None:
        self.visit = Visit(app)
        self.elsewhere = httpx2.Client()

    def leave(self) -> str:
        """Begin at the desk; return the address at the provider."""
        answer = self.visit.get("/log-in/openid")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def pass_through(self, address: str, account: str, **form: str) -> str:
        """Say there who one is; return the address that leads back."""
        for _ in range(8):
            answer = self.elsewhere.get(address)
            if found := re.search(r'action="(/interaction/[^"]+)"', answer.text):
                there = urljoin(str(answer.url), found.group(1))
                answer = self.elsewhere.post(there, data={"account": account, **form})
            assert answer.is_redirect, answer.text
            address = urljoin(str(answer.url), answer.headers["location"])
            if address.startswith(HERE):
                return address.removeprefix(HERE)
        raise AssertionError("no way back")

    def come(self, account: str, **form: str) -> httpx2.Response:
        """Go all the way."""
        return self.visit.get(self.pass_through(self.leave(), account, **form))

    def led_to(self) -> str:
        """Return where the desk leads this browser now."""
        return self.visit.get("/").headers["location"]


def refusals(practice: Practice) -> list[AuditEvent]:
    return practice.store.audit.events(clinic="c1", by="test", action="session.refused")


def refused(practice: Practice, way: Way, answer: httpx2.Response, why: str) -> None:
    """Hold that nobody was let in, that the page says why, and that the audit does."""
    assert (answer.status_code, ELSEWHERE[why].split(".")[0] in answer.text) == (401, True)
    assert "desk" not in way.visit.client.cookies
    assert refusals(practice)[0].detail["why"] == why


def test_who_is_linked_gets_in_with_the_role_they_have_here(
    app: FastAPI, practice: Practice, server: OpenIdServer
) -> None:
    way = Way(app)
    assert "Sign in with your organisation" in way.visit.get("/log-in").text
    answer = way.come("sub-wim")
    assert (answer.status_code, 'content="0; url=/queue"' in answer.text) == (200, True)
    assert way.visit.get("/queue").status_code == 200
    assert way.visit.get("/users").status_code == 403
    opened = practice.store.audit.events(clinic="c1", by="t", action="session.opened")[0]
    assert (opened.actor, opened.detail) == ("u-wim", {"with": "openid", "factor": "not given"})
    assert "POST /token" in server.requests


def test_what_is_asked_is_a_code_with_pkce_state_nonce_and_a_fresh_log_in(app: FastAPI) -> None:
    asked = [parse_qs(urlsplit(Way(app).leave()).query) for _ in range(2)]
    for one in asked:
        assert one["response_type"] == ["code"]
        assert one["code_challenge_method"] == ["S256"]
        assert one["scope"] == ["openid"]
        assert (one["prompt"], one["max_age"]) == (["login"], ["300"])
    for name in ("state", "nonce", "code_challenge"):
        assert len({one[name][0] for one in asked}) == 2
        assert all(len(one[name][0]) == 43 for one in asked)


def test_our_second_factor_is_asked_unless_theirs_was_given(
    app: FastAPI, practice: Practice, server: OpenIdServer
) -> None:
    way = Way(app)
    way.come("sub-dana")
    assert way.led_to() == "/log-in/code"
    way.visit.csrf = way.visit.token("/log-in/code")
    code = practice.one_time_code("dana")
    assert way.visit.post("/log-in/code", code=code).status_code == 303
    assert way.led_to() == "/queue"
    server.say(**MFA)
    strong = Way(app)
    strong.come("sub-dana")
    assert strong.led_to() == "/queue"
    opened = practice.store.audit.events(clinic="c1", by="t", action="session.opened")[0]
    assert opened.detail == {"with": "openid", "factor": "given"}


def test_acr_decides_where_the_clinic_says_so(
    practice: Practice, server: OpenIdServer, provider: OpenIdProvider, app: FastAPI
) -> None:
    settings = {**server.settings, "acr": ["urn:test:strong"], "amr": []}
    practice.desk.openid._provider = OpenIdProvider(settings, SECRET)
    for said, place in (({"acr": "urn:test:strong"}, "/users"), (MFA, "/log-in/code")):
        server.say(**said)
        way = Way(app)
        way.come("sub-ada")
        # An administrator's first page is the models'.
        assert way.led_to() == {"/users": "/models"}.get(place, place)


def test_nobody_is_made_or_found_by_name_or_address(
    app: FastAPI, practice: Practice, server: OpenIdServer
) -> None:
    before = practice.store.people.users(clinic="c1")
    server.say(claims={"email": "dana@clinic.example", "preferred_username": "dana"})
    for stranger in ("dana", "u-dana", "dana@clinic.example", "SUB-DANA", "sub-dana "):
        way = Way(app)
        answer = way.come(stranger)
        refused(practice, way, answer, "stranger")
    assert "sub-dana " in answer.text
    assert practice.store.people.users(clinic="c1") == before


def test_somebody_shut_out_stays_out(app: FastAPI, practice: Practice) -> None:
    practice.desk.people.set_active(PEOPLE["ada"], "u-wim", False)
    way = Way(app)
    refused(practice, way, way.come("sub-wim"), "shut_out")
    assert refusals(practice)[0].detail["user"] == "u-wim"


LIES: dict[str, tuple[dict[str, object], str]] = {
    "another key": ({"foreign": True}, "not_believed"),
    "no signature": ({"alg": "none"}, "not_believed"),
    "signed with the shared secret": ({"alg": "HS256"}, "not_believed"),
    "another nonce": ({"claims": {"nonce": "somebody-else-s"}}, "not_believed"),
    "no nonce": ({"without": ["nonce"]}, "not_believed"),
    "another issuer": ({"claims": {"iss": "https://evil.example"}}, "not_believed"),
    "another audience": ({"claims": {"aud": "another"}}, "not_believed"),
    "for somebody else too": ({"claims": {"aud": ["desk", "x"], "azp": "x"}}, "not_believed"),
    "expired": ({"claims": {"exp": 1_700_000_000}}, "not_believed"),
    "no end": ({"without": ["exp"]}, "not_believed"),
    "from the future": ({"claims": {"iat": 4_000_000_000}}, "not_believed"),
    "no subject": ({"without": ["sub"]}, "not_believed"),
    "a subject that is no text": ({"claims": {"sub": ["sub-wim"]}}, "not_believed"),
    "an endless subject": ({"claims": {"sub": "x" * 300}}, "not_believed"),
    "no time of log-in": ({"without": ["auth_time"]}, "not_believed"),
    "a log-in of yesterday": ({"claims": {"auth_time": 1_700_000_000}}, "long_ago"),
    "another access token": ({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "not_believed"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_statement_that_does_not_hold_lets_nobody_in(
    lie: str, app: FastAPI, practice: Practice, server: OpenIdServer
) -> None:
    said, why = LIES[lie]
    server.say(**said)
    way = Way(app)
    refused(practice, way, way.come("sub-wim"), why)


@pytest.mark.filterwarnings("ignore:JWS algorithm")
def test_without_the_checks_the_same_lies_get_in(
    app: FastAPI, server: OpenIdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: were claims not validated, a foreign nonce and audience would let somebody in."""
    monkeypatch.setattr("authlib.oidc.core.CodeIDToken.validate", lambda *_, **__: None)
    server.say(claims={"nonce": "somebody-else-s", "aud": "another", "iss": "https://evil.example"})
    way = Way(app)
    way.come("sub-wim")
    assert way.led_to() == "/queue"
    server.say(foreign=True)
    assert Way(app).come("sub-wim").status_code == 401
    # And were the statement to choose its algorithm, it would choose none.
    monkeypatch.setattr(openid, "ALGORITHMS", ("none",))
    server.say(alg="none")
    assert Way(app).come("sub-wim").status_code == 200


def test_a_way_back_is_good_once_in_one_browser_and_for_ten_minutes(
    app: FastAPI, practice: Practice
) -> None:
    way, thief = Way(app), Way(app)
    back = way.pass_through(way.leave(), "sub-wim")
    # Another browser has another secret, or none; a state nobody gave out is no better.
    thief.leave()
    refused(practice, thief, thief.visit.get(back), "stale")
    refused(practice, Way(app), Way(app).visit.get(back), "stale")
    assert way.visit.get(back).status_code == 200
    again = Way(app)
    again.visit.client.cookies = thief.visit.client.cookies
    refused(practice, again, again.visit.get(back), "stale")
    forged = Way(app)
    forged.leave()
    state = re.sub(r"state=[^&]+", "state=made-up", back)
    refused(practice, forged, forged.visit.get(state), "stale")


def test_a_replayed_state_is_refused_even_with_its_secret(app: FastAPI, practice: Practice) -> None:
    way = Way(app)
    place = way.leave()
    secret = way.visit.client.cookies["errand"]
    back = way.pass_through(place, "sub-wim")
    assert way.visit.get(back).status_code == 200
    assert "errand" not in way.visit.client.cookies
    replay = Way(app)
    replay.visit.client.cookies.set("errand", secret, path="/log-in/openid")
    refused(practice, replay, replay.visit.get(back), "stale")


def test_a_slow_log_in_begins_again(app: FastAPI, practice: Practice) -> None:
    way, real = Way(app), practice.desk.signing._clock
    back = way.pass_through(way.leave(), "sub-wim")
    practice.desk.signing._clock = lambda: real() + timedelta(minutes=10)
    refused(practice, way, way.visit.get(back), "stale")


def test_a_code_of_another_log_in_is_refused(app: FastAPI, practice: Practice) -> None:
    """PKCE: a code that was stolen belongs to a verifier that the thief does not have."""
    way, thief = Way(app), Way(app)
    stolen = parse_qs(urlsplit(way.pass_through(way.leave(), "sub-wim")).query)["code"][0]
    own = thief.pass_through(thief.leave(), "sub-dana")
    answer = thief.visit.get(re.sub(r"code=[^&]+", f"code={stolen}", own))
    refused(practice, thief, answer, "not_believed")


def test_an_answer_that_names_another_issuer_is_refused(app: FastAPI, practice: Practice) -> None:
    for change in (r"iss=https%3A%2F%2Fevil.example", ""):
        way = Way(app)
        back = way.pass_through(way.leave(), "sub-wim")
        assert "iss=" in back
        answer = way.visit.get(re.sub(r"iss=[^&]+", change, back))
        refused(practice, way, answer, "not_believed")


def test_cancelled_and_silent_are_told_apart(
    app: FastAPI, practice: Practice, server: OpenIdServer
) -> None:
    way = Way(app)
    refused(practice, way, way.come("sub-wim", cancel="yes"), "declined")
    back = way.pass_through(way.leave(), "sub-wim")
    server.say(down=True)
    refused(practice, way, way.visit.get(back), "silent")
    fresh = Way(app)
    practice.desk.openid._provider = OpenIdProvider(server.settings, SECRET)
    refused(practice, fresh, fresh.visit.get("/log-in/openid"), "silent")
    # The password still opens the door.
    words = {"username": "wim", "password": "correct horse battery staple"}
    assert fresh.visit.client.post("/log-in", data=words).status_code == 303


def test_an_administrator_links_and_unlinks_and_never_themself(
    app: FastAPI, practice: Practice, visit: Callable[[str], Visit]
) -> None:
    ada = visit("ada")
    assert 'value="sub-dana"' in ada.get("/users").text
    dana = visit("dana")
    assert ada.post("/users/u-dana/account", account="sub-wim").status_code == 409
    assert dana.get("/queue").status_code == 200
    assert ada.post("/users/u-dana/account", account="sub-new").status_code == 303
    assert dana.get("/queue").headers["location"] == "/log-in"
    assert Way(app).come("sub-dana").status_code == 401
    assert Way(app).come("sub-new").status_code == 200
    assert ada.post("/users/u-dana/account", account="").status_code == 303
    assert Way(app).come("sub-new").status_code == 401
    assert ada.post("/users/u-ada/account", account="sub-mine").status_code == 409
    for action in ("openid.linked", "openid.unlinked"):
        (event, *_) = practice.store.audit.events(clinic="c1", by="t", action=action)
        assert (event.actor, event.detail["user"]) == ("u-ada", "u-dana")


def test_where_there_is_no_provider_there_is_no_side_door(practice: Practice) -> None:
    way = Way(create_app(practice.desk, clinic_name=CLINIC.name))
    assert "/log-in/openid" not in way.visit.get("/log-in").text
    for path in ("/log-in/openid", "/log-in/openid/back?state=x&code=y"):
        assert way.visit.get(path).status_code == 404


def test_whoever_begins_again_and_again_waits(app: FastAPI) -> None:
    way = Way(app)
    answers = [way.visit.get("/log-in/openid").status_code for _ in range(42)]
    assert (answers[:40], answers[-1]) == ([303] * 40, 429)
