"""Signed deliveries: kept before they are answered, once, whole; everything else leaves nothing."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.journeys.served import serving_app
from tests.small_practice import rooms
from tests.web.conftest import HERE, Visit
from tests.web.practice import CLINIC, Practice
from triage.connectors.hook import TOLERANCE, WebhookDoor
from triage.desk.hooks import HookDesk
from triage.domain import Channel, Lane, Mark, RawMessage
from triage.errors import BadSettings, NotAllowed, StoreLocked
from triage.parsing import parse
from triage.pipeline import file
from triage.testing import arrival, mail
from triage.web.app import create_app
from triage.web.hook import MOST_REFUSED, HookDoors, Paces

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_800_000_000
KEY, NEXT_KEY = (f"whsec_{base64.b64encode(os.urandom(32)).decode()}" for _ in range(2))
FORM = {"kind": "form", "name": "Rosalind Keane", "phone": "555 0100", "text": "Please call me."}


def signature(body: bytes, *, key: str = KEY, id: str = "msg_1", moment: int = NOW) -> str:
    secret = base64.b64decode(key.removeprefix("whsec_"))
    digest = hmac.new(secret, f"{id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Sender:
    """A form service with its own clock and key."""

    def __init__(self, app: FastAPI) -> None:
        self.client = TestClient(app, base_url=HERE, raise_server_exceptions=False)

    def send(
        self,
        body: bytes,
        *,
        id: str = "msg_1",
        moment: int = NOW,
        key: str = KEY,
        to: str = "website",
        **changed: str | None,
    ) -> Response:
        headers: dict[str, str | None] = {
            "webhook-id": id,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature(body, key=key, id=id, moment=moment),
            "content-type": "application/json",
        }
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.client.post(f"/hook/{to}", content=body, headers=sent)


def door(secret: str = KEY, **more: object) -> WebhookDoor:
    return WebhookDoor({"name": "website", "kind": "webhook", **more}, secret)


def opened(practice: Practice, hook: WebhookDoor | None = None) -> FastAPI:
    practice.desk.hooks = HookDesk(practice.store, "c1")
    made = hook or door(f"{KEY}\n{NEXT_KEY}\n", megabytes=0.01, per_minute=30)
    app = create_app(practice.desk, clinic_name=CLINIC.name, hooks={"website": made})
    app.state.hooks = HookDoors({"website": made}, clock=lambda: NOW, steady=lambda: 0.0)
    return app


@pytest.fixture
def hooked(practice: Practice) -> FastAPI:
    return opened(practice)


@pytest.fixture
def sender(hooked: FastAPI) -> Sender:
    return Sender(hooked)


def kept(practice: Practice) -> list[RawMessage]:
    """Return what came by the hook and waits to be read."""
    ids = [raw_id for _, raw_id in practice.store.landing.waiting(limit=99, clinic="c1")]
    raws = [practice.store.landing.raw(raw_id, clinic="c1", by="test") for raw_id in ids]
    return [raw for raw in raws if raw.position.inbox == "website"]


def body(**more: object) -> bytes:
    return json.dumps({**FORM, **more}).encode()


@pytest.mark.bar(1)
def test_a_signed_delivery_is_kept_byte_by_byte_before_it_is_answered(
    practice: Practice, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    land, committed = practice.store.landing.land, list[int]()

    def watched(*args: object, **named: object) -> object:
        found = land(*args, **named)  # type: ignore[arg-type]  # Options passed on as they came.
        committed.append(len(kept(practice)))
        return found

    monkeypatch.setattr(practice.store.landing, "land", watched)
    sent = body(note="  two  spaces ") + b" \n"
    answer = sender.send(sent)
    assert (answer.status_code, answer.text, committed) == (200, "stored\n", [1])
    (raw,) = kept(practice)
    assert raw.content == sent
    assert (raw.channel, raw.position.uid) == (Channel.FORM, "msg_1")
    landings = practice.store.audit.events(clinic="c1", by="test", action="message.landed")
    assert [event.detail["inbox"] for event in landings if event.actor == "hook"] == ["website"]


@pytest.mark.bar(1)
def test_a_retry_doubles_nothing_and_other_words_under_one_id_are_both_kept(
    practice: Practice, sender: Sender
) -> None:
    for moment in (NOW, NOW, NOW + 60):
        assert sender.send(body(), moment=moment).status_code == 200
    assert len(kept(practice)) == 1
    assert sender.send(body(text="Other words.")).status_code == 200
    assert sender.send(body(), id="msg_2").status_code == 200
    assert len(kept(practice)) == 3


@pytest.mark.bar(10)
def test_many_retries_at_once_double_nothing(practice: Practice, hooked: FastAPI) -> None:
    senders = [Sender(hooked) for _ in range(4)]
    threads = [threading.Thread(target=one.send, args=(body(),)) for one in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept(practice)) == 1


REFUSED: dict[str, dict[str, object]] = {
    "another key": {"key": f"whsec_{base64.b64encode(bytes(range(32))).decode()}"},
    "another body": {"webhook_signature": signature(b"{}")},
    "another id": {"webhook_id": "msg_2"},
    "another time": {"webhook_timestamp": str(NOW - 1)},
    "too old": {"moment": NOW - TOLERANCE - 1},
    "too new": {"moment": NOW + TOLERANCE + 1},
    "no id": {"webhook_id": None},
    "no time": {"webhook_timestamp": None},
    "a strange time": {"webhook_timestamp": "1e9"},
    "no signature": {"webhook_signature": None},
    "an empty signature": {"webhook_signature": "v1,"},
    "another scheme": {"webhook_signature": signature(body()).replace("v1,", "v1a,")},
    "no such door": {"to": "nobody"},
}


def test_what_is_not_signed_is_refused_and_leaves_nothing(
    practice: Practice, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    for change, how in REFUSED.items():
        answer = sender.send(body(), **how)  # type: ignore[arg-type]  # Options passed on as they came.
        assert answer.status_code == 401, change
        assert "Keane" not in answer.text + caplog.text
    assert kept(practice) == []
    # Sabotage: the same delivery, rightly signed, is taken.
    assert sender.send(body()).status_code == 200


def test_several_keys_hold_while_one_is_replaced_by_another(practice: Practice) -> None:
    sender = Sender(opened(practice))
    assert sender.send(body(), id="1", key=KEY).status_code == 200
    assert sender.send(body(), id="2", key=NEXT_KEY).status_code == 200
    both = f"{signature(body(), id='3', key=NEXT_KEY)} {signature(b'')}"
    assert sender.send(body(), id="3", webhook_signature=both).status_code == 200
    later = Sender(opened(practice, door(NEXT_KEY)))
    assert later.send(body(), id="4", key=KEY).status_code == 401
    assert later.send(body(), id="4", key=NEXT_KEY).status_code == 200


@pytest.mark.parametrize("secret", ["", "whsec_", "short", "whsec_" + "QUFB" * 11, "whsec_ä"])
def test_a_secret_that_was_not_drawn_by_lot_opens_no_door(secret: str) -> None:
    with pytest.raises(BadSettings, match="hook website, its secret"):
        door(secret)


@pytest.mark.bar(6)
def test_what_is_signed_and_cannot_be_read_is_in_front_of_a_person(
    practice: Practice, sender: Sender
) -> None:
    odd = [b"{", b"[1]", b"\xff\xfe", b"", b'{"text": ' + b"[" * 4000]
    for number, content in enumerate(odd):
        assert sender.send(content, id=f"m{number}").status_code == 200
    found = kept(practice)
    assert sorted(raw.content for raw in found) == sorted(odd)
    assert all(Mark.NOT_READ in parse(raw).marks for raw in found)


def test_too_large_too_many_and_a_store_that_fails_are_told_so(
    practice: Practice, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sender.send(b"x" * 10_001).status_code == 413
    assert sender.send(body(), content_length="30000000").status_code == 400

    def locked(*_: object, **__: object) -> None:
        raise StoreLocked("now")

    with monkeypatch.context() as patched:
        patched.setattr(practice.store.beats, "beat", locked)
        assert sender.send(body(), id="m0").status_code == 200, "it is kept all the same"
        assert len(kept(practice)) == 1
        patched.setattr(practice.store.landing, "land", locked)
        answer = sender.send(body())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert len(kept(practice)) == 1
    answers = [sender.send(body(), id=f"m{n}").status_code for n in range(40)]
    assert answers == [200] * 28 + [429] * 12
    assert len(kept(practice)) == 28


@pytest.mark.parametrize("to", ["website", "nobody"])
def test_somebody_who_only_guesses_hears_less_and_keeps_no_signed_delivery_out(
    practice: Practice,
    hooked: FastAPI,
    sender: Sender,
    caplog: pytest.LogCaptureFixture,
    to: str,
) -> None:
    """Behind a proxy that names one address for all, the service has the address of the guesser."""
    wrong = [sender.send(body(), webhook_signature="v1,x", to=to) for _ in range(MOST_REFUSED + 5)]
    assert [one.status_code for one in wrong] == [401] * MOST_REFUSED + [429] * 5
    assert caplog.text.count("a delivery was refused") == MOST_REFUSED
    assert {len(one) for one in hooked.state.hooks.refused._moments.values()} == {MOST_REFUSED}
    assert sender.send(body()).status_code == 200
    assert len(kept(practice)) == 1
    assert sender.send(b"x" * 10_001).status_code == 413, "the limit of a body holds for it too"
    assert sender.send(body(), webhook_signature="v1,x", to=to).status_code == 429


@pytest.mark.parametrize("how", [{"moment": NOW - TOLERANCE - 1}, {}], ids=["clock", "too large"])
def test_staff_see_that_a_delivery_was_refused_until_the_next_is_taken(
    practice: Practice, sender: Sender, hooked: FastAPI, how: dict[str, int]
) -> None:
    """A recording too large, or our clock wrong: the service does not come again with it."""
    dana = Visit(hooked, "dana", practice)
    words = "delivered something that was refused"
    assert sender.send(b"x" * 20_000, to="nobody").status_code == 401
    assert words not in dana.get("/queue").text
    assert sender.send(b"x" * 20_000, **how).status_code in (401, 413)  # type: ignore[arg-type]  # Its moment.
    assert words in dana.get("/queue").text
    assert sender.send(body()).status_code == 200
    assert words not in dana.get("/queue").text


def test_what_is_counted_is_forgotten() -> None:
    now = [0.0]
    paces = Paces(lambda: now[0], most_names=2)
    for name in "aab":
        paces.count(name)
    assert (paces.reached("a", 2), paces.reached("b", 2)) == (True, False)
    now[0] = 61.0
    assert not paces.reached("a", 1)
    for name in "cde":
        paces.count(name)
    assert len(paces._moments) == 2


@pytest.mark.bar(44)
def test_a_session_opens_no_hook_and_a_hook_opens_no_page(
    practice: Practice, hooked: FastAPI
) -> None:
    dana = Visit(hooked, "dana", practice)
    assert dana.post("/hook/website", text="hello").status_code == 401
    sender = Sender(hooked)
    assert sender.client.get("/hook/website").status_code == 405
    for path in ("/queue", "/hook/website/x", "/hook/"):
        assert sender.client.get(path, follow_redirects=False).status_code in (303, 404, 405)
    assert sender.client.post("/log-out", content=b"").status_code == 400
    with pytest.raises(NotAllowed):
        practice.desk.hooks.land(arrival(mail("not by a form"), uid=1))


def test_a_case_says_that_nobody_checked_and_whom_to_call(
    practice: Practice, hooked: FastAPI
) -> None:
    said = {
        "kind": "voicemail",
        "symptoms": "chest pain",
        "phone": "555 0100 4477",
        "recorded_at": "2026-11-23 08:00",
    }
    assert Sender(hooked).send(body(**said)).status_code == 200
    (raw,) = kept(practice)
    (case_id,) = file([raw.id], rooms(), practice.store, clinic="c1", by="test")
    assert practice.store.cases.get(case_id, clinic="c1", by="t").case.lane is Lane.URGENT
    page = Visit(hooked, "dana", practice).get(f"/case/{case_id}").text
    assert "Who is this?" in page
    assert "Machine transcript" in page
    assert "call back" in page
    assert "Phone: 555 0100 4477" in page
    assert "Recorded or sent at: 2026-11-23 08:00" in page
    assert 'name="digest"' not in page


def test_the_example_in_the_documentation_works(
    practice: Practice, tmp_path: Path, hooked: FastAPI
) -> None:
    text = (ROOT / "docs" / "doors.md").read_text()
    (script,) = re.findall(r"```sh\n(# Sign and send.*?)```", text, re.DOTALL)
    (tmp_path / "form.json").write_bytes(body())
    hooked.state.hooks = HookDoors({"website": door()})
    with serving_app(hooked) as address:
        script = script.replace("https://desk.clinic.example", address)
        variables = {**os.environ, "WEBHOOK_SECRET": KEY}
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=variables, capture_output=True, check=False
        )
    assert done.stdout.decode().strip().endswith("stored"), done.stderr
    (raw,) = kept(practice)
    assert raw.content == body()
