"""The model's drafter: redacted text out, screened words in, otherwise nothing."""

import json
import logging
import re
import socket
import threading
import time

import pytest
from drafting_cast import (
    CANARY,
    CLINIC,
    ENGLISH,
    SPANISH,
    ModelServer,
    completion,
    message,
    model_server,
    priority,
    redacted,
)
from drafting_injections import INJECTIONS

from triage.domain import Protected, Route, Urgency
from triage.drafting import openai
from triage.drafting.endpoint import Endpoint
from triage.drafting.facts import reachable
from triage.drafting.openai import OpenAIDrafter
from triage.drafting.screen import objection
from triage.errors import BadSettings

HARMLESS = [
    "The front desk has your message.",
    "You can reach us at (503) 555-0100, or in the portal: https://portal.testvalley.example.",
    "The billing office (503) 555-0102 can help. Our hours are Monday to Friday 8:00-17:00.",
    "Nuestro teléfono es (503) 555-0100. ¿Qué día le conviene? Abrimos a las 8:00.",
    "Refills usually take 2 business days. We are at 12 Long Road, Fairhaven, OR 97398.",
    "If this is an emergency, call 911.",
]


@pytest.fixture
def server():
    with model_server() as running:
        yield running


def drafter(server: ModelServer, **more: object) -> OpenAIDrafter:
    settings = {**CLINIC, "enabled": True, "base_url": server.url, "model": "m", **more}
    return OpenAIDrafter(settings)


def draft(one: OpenAIDrafter, body: str, route: Route = Route.GENERAL, **how: object):
    return one.draft(message(), redacted(body), priority(route, **how), language="en")


def test_it_is_off_unless_turned_on(server):
    off = OpenAIDrafter({**CLINIC, "base_url": server.url, "model": "m"})
    assert draft(off, ENGLISH) is None
    assert (
        OpenAIDrafter({}).draft(message(), redacted(""), priority(Route.REFILL), language="en")
        is None
    )
    assert server.asked == []


@pytest.mark.parametrize("words", HARMLESS)
def test_harmless_words_are_let_through_in_our_frame(server, words):
    server.answer = lambda _: words
    suggestion = draft(drafter(server), ENGLISH + "\n\n[NAME_1]")
    assert suggestion.body.startswith("Hello [NAME_1],\n\n" + words)
    assert suggestion.body.endswith("If this is an emergency, call 911.")
    assert suggestion.template == "openai:m"
    assert suggestion.subject == "Your message"


def test_spanish_is_answered_in_spanish(server):
    suggestion = draft(drafter(server), SPANISH)
    assert suggestion.language == "es"
    assert "Spanish" in server.asked[0]


def test_only_redacted_text_and_facts_leave(server, monkeypatch):
    """Protected stays closed, and the request carries neither originals nor the key of anything."""

    def closed(self):
        raise AssertionError("a drafter read protected text")

    monkeypatch.setattr(Protected, "reveal", closed)
    one = drafter(server, api_key="key-of-the-endpoint")
    assert draft(one, "Please call [NAME_1] about the form.") is not None
    asked = server.asked[0]
    assert CANARY not in asked
    assert "key-of-the-endpoint" not in asked
    assert server.headers[0]["Authorization"] == "Bearer key-of-the-endpoint"
    data = json.loads(json.loads(asked)["messages"][1]["content"])
    assert data["message"] == "Please call [NAME_1] about the form."
    assert "tools" not in json.loads(asked)


def test_a_drafter_that_sends_the_original_is_caught(server, monkeypatch):
    honest = openai._conversation

    def leaking(redacted, *rest):
        data = redacted.redactions[0].original.reveal()
        return [*honest(redacted, *rest), {"role": "user", "content": data}]

    monkeypatch.setattr(openai, "_conversation", leaking)
    draft(drafter(server), ENGLISH)
    assert CANARY in server.asked[0]


@pytest.mark.parametrize(("text", "obedient"), INJECTIONS, ids=[row[0][:40] for row in INJECTIONS])
def test_an_obedient_model_gets_nothing_through(server, text, obedient):
    server.answer = lambda _: obedient
    assert draft(drafter(server), text) is None
    assert len(server.asked) == 1


@pytest.mark.parametrize(("text", "obedient"), INJECTIONS, ids=[row[0][:40] for row in INJECTIONS])
def test_an_evil_sentence_amid_harmless_ones_is_refused_whole(text, obedient):
    allowed = reachable(CLINIC)
    for good in HARMLESS:
        if obedient.strip():
            assert objection(f"{good} {obedient} {good}", allowed=allowed)
            assert objection(f"{obedient}\n{good}", allowed=allowed)


def test_there_are_enough_injections_and_without_the_screen_they_get_through(server, monkeypatch):
    assert len(INJECTIONS) >= 30
    monkeypatch.setattr(openai, "objection", lambda *_, **__: "")
    let_through = 0
    for text, obedient in INJECTIONS:
        server.answer = lambda _, words=obedient: words
        let_through += bool(re.search(r"\w", draft(drafter(server), text).body))
    assert let_through == len(INJECTIONS)


def test_the_endpoint_itself_is_no_address_for_patients(server):
    server.answer = lambda _: f"Please go to {server.url} now."
    assert draft(drafter(server), ENGLISH) is None
    assert server.url not in server.asked[0]


def test_urgent_and_unwanted_messages_never_reach_the_model(server):
    one = drafter(server, urgent_texts_signed=True)
    assert draft(one, ENGLISH, Route.URGENT_CLINICAL, urgency=Urgency.EMERGENCY) is None
    assert draft(one, ENGLISH, Route.REFILL, urgency=Urgency.TODAY) is None
    assert draft(one, ENGLISH, Route.NOT_FOR_US) is None
    assert (
        one.draft(message(automatic=True), redacted(""), priority(Route.REFILL), language="en")
        is None
    )
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"not json", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"content":7}}]}',
     b"[" * 100_000, b'{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}',
     completion("word " * 20_000)],
)  # fmt: skip
def test_a_broken_answer_gives_nothing(server, answer):
    server.answer = lambda _: answer
    assert draft(drafter(server), ENGLISH) is None


@pytest.mark.parametrize("status", [301, 302, 307, 401, 429, 500])
def test_errors_and_redirects_give_nothing(server, status):
    with model_server() as elsewhere:
        server.status, server.location = status, elsewhere.url
        assert draft(drafter(server), ENGLISH) is None
        assert elsewhere.asked == []


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert draft(drafter(server), ENGLISH) is not None


def test_a_server_that_is_gone_gives_nothing():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"enabled": True, "base_url": f"http://127.0.0.1:{port}", "model": "m"}
    assert draft(OpenAIDrafter(settings), ENGLISH) is None


def test_a_server_that_drips_is_left_in_time():
    """One byte at a time keeps every socket time-out from firing; the whole still ends."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip():
            line, _ = listener.accept()
            with line:
                while not stop.wait(0.02):
                    try:
                        line.sendall(b"H")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        one = OpenAIDrafter({"enabled": True, "base_url": url, "model": "m", "seconds": 0.3})
        started = time.monotonic()
        assert draft(one, ENGLISH) is None
        assert time.monotonic() - started < 3
        stop.set()


@pytest.mark.parametrize(
    "url",
    [None, "", "ftp://127.0.0.1", "http://model.example/v1", "http://10.0.0.1", "file:///etc/passwd",
     "http://127.0.0.1.evil.example", "https://user:secret@model.example", "https://", "//x",
     "http://169.254.169.254/", "https://model.example/?q=1", "https://model.example:port"],
)  # fmt: skip
def test_only_https_or_loopback_is_accepted(url):
    with pytest.raises(BadSettings):
        OpenAIDrafter({"enabled": True, "base_url": url, "model": "m"})


@pytest.mark.parametrize(
    "url", ["https://model.example/v1", "http://[::1]:8000", "http://localhost"]
)
def test_https_and_loopback_are_accepted_and_the_key_is_not_printed(url):
    settings = {"enabled": True, "base_url": url, "model": "m", "api_key": "secret"}
    assert "secret" not in repr(Endpoint.of(settings))
    assert vars(OpenAIDrafter(settings))["_endpoint"] == Endpoint.of(settings)


@pytest.mark.parametrize(
    "wrong", [{"model": ""}, {"seconds": 0}, {"seconds": "9"}, {"api_key": "a\nb"}]
)
def test_other_settings_are_checked(wrong):
    settings = {"enabled": True, "base_url": "https://model.example", "model": "m", **wrong}
    with pytest.raises(BadSettings):
        OpenAIDrafter(settings)


def test_nothing_of_the_message_is_logged(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: "Go to http://evil.example with marmalade."
    assert draft(drafter(server), ENGLISH + " marmalade") is None
    assert "refused" in caplog.text
    assert "marmalade" not in caplog.text
    assert "evil" not in caplog.text
