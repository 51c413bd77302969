"""An alert door says fixed words to the addresses of the settings and cannot do anything else."""

import ast
import inspect
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_type_hints

import pytest

from tests.servers import SmtpKeeper, free_port
from tests.test_house import HOUSE, imports
from triage.connectors import ALERTS, OUTBOXES, AlertDoor
from triage.connectors.alert_hook import HookAlert, LifeSign
from triage.connectors.alert_mail import MailAlert
from triage.domain import Alarm, Fault, Notice
from triage.domain.watch import FAULT_WORDS
from triage.errors import AlertFailed, BadSettings
from triage.plugins import load

pytestmark = pytest.mark.bar(30)
AT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
NOTICE = Notice("willow", AT, ((Alarm(Fault.PROCESS_SILENT, "worker"), True),))
WELL = Notice("willow", AT, ended=(Alarm(Fault.PROCESS_SILENT, "worker"),))


def mail(port: int, **more: object) -> MailAlert:
    settings = {
        "name": "on-call", "kind": "smtp", "host": "127.0.0.1", "port": port, "security": "plain",
        "sender": "triage@clinic.example", "to": ["it@clinic.example", "lead@clinic.example"],
    }  # fmt: skip
    return MailAlert({**settings, **more}, "")


def test_an_alert_reaches_everybody_of_the_settings_and_nobody_else() -> None:
    with SmtpKeeper() as keeper:
        mail(keeper.port).tell(NOTICE)
        mail(keeper.port).tell(WELL)
    assert [to for to, _ in keeper.mails[:2]] == [["it@clinic.example"], ["lead@clinic.example"]]
    text = keeper.mails[0][1].decode()
    assert "Subject: triage willow: 1 alarm\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text
    assert "NEW: The process worker is dead or stopped." in text
    assert "all well again" in keeper.mails[2][1].decode()


def test_one_address_that_is_refused_keeps_no_other_from_being_told() -> None:
    with SmtpKeeper() as keeper:

        async def handle_RCPT(*given: Any) -> str:
            if given[3].startswith("it@"):
                return "550 nobody of this name"
            given[2].rcpt_tos.append(given[3])
            return "250 ok"

        keeper.handle_RCPT = handle_RCPT  # type: ignore[attr-defined]  # aiosmtpd looks for a method of this name.
        with pytest.raises(AlertFailed) as caught:
            mail(keeper.port).tell(NOTICE)
    assert [to for to, _ in keeper.mails] == [["lead@clinic.example"]]
    assert "it@" not in str(caught.value)
    assert caught.value.reached == 1


def test_a_door_that_cannot_be_used_says_so() -> None:
    with pytest.raises(AlertFailed, match="alert on-call") as caught:
        mail(free_port()).tell(NOTICE)
    assert caught.value.reached == 0
    with pytest.raises(AlertFailed):
        HookAlert({"name": "a", "url": f"http://127.0.0.1:{free_port()}"}, "").tell(NOTICE)


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    heard: list[tuple[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            heard.append((self.headers.get("Authorization", ""), json.loads(body or b"null")))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_web_address_is_told_the_same_facts() -> None:
    with hook() as (url, heard):
        HookAlert({"name": "chat", "url": url}, "token").tell(NOTICE)
        LifeSign({"name": "heartbeat", "url": url}, "").give()
    (token, facts), (_, nothing) = heard
    assert token == "Bearer token"
    assert facts["alarms"] == [{"fault": "process_silent", "part": "worker", "new": True}]
    assert "NEW: The process worker is dead or stopped." in facts["text"]
    assert nothing is None


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with hook(302) as (url, _), pytest.raises(AlertFailed, match="302"):
        HookAlert({"name": "chat", "url": url}, "").tell(NOTICE)


@pytest.mark.parametrize(
    "more",
    [
        {"to": []},
        {"to": ["not an address"]},
        {"to": ["a@b.example\r\nBcc: c@d.example"]},
        {"cc": ["a@b.example"]},
        {"host": "mail.clinic.example"},
        {"sender": "nobody"},
    ],
)
def test_wrong_settings_are_refused_at_the_start(more: dict[str, object]) -> None:
    with pytest.raises(BadSettings):
        mail(25, **more)
    for url in ("http://chat.example/hook", "ftp://127.0.0.1/", "chat.example"):
        with pytest.raises(BadSettings, match="url"):
            HookAlert({"name": "chat", "url": url}, "")


# --- it cannot address or quote a patient ------------------------------------------------------


def test_a_door_is_given_nothing_but_a_notice() -> None:
    """No field of it, at any depth, can hold an address or somebody's words."""
    for path in ALERTS.values():
        kind = load("connectors", path.split(".")[-1], {path.split(".")[-1]: path})
        hints = get_type_hints(kind.tell)
        assert hints == {"notice": Notice, "return": type(None)}
        assert list(inspect.signature(kind.tell).parameters) == ["self", "notice"]
        assert not hasattr(kind, "send")
    assert get_type_hints(AlertDoor.tell) == {"notice": Notice, "return": type(None)}
    assert not set(ALERTS.values()) & set(OUTBOXES.values())


#: What would let a door learn of a patient; the settings and the notice are all it has.
PATIENTS = {"Contact", "Patient", "Outgoing", "Approval", "Message", "Case", "Reply", "RawMessage"}


def strays(source: str) -> list[str]:
    """Return what an alert door's module knows and must not."""
    tree = ast.parse(source)
    names = {
        alias.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names
    }
    rooms = {name for name in imports(tree) if name.startswith(("triage.store", "triage.desk"))}
    return sorted(names & PATIENTS | rooms)


def test_the_doors_know_no_patient_and_no_store() -> None:
    for name in ("alert_mail", "alert_hook"):
        assert strays((HOUSE / "connectors" / f"{name}.py").read_text()) == []
    assert strays("from triage.domain import Contact") == ["Contact"]
    assert strays("import triage.store") == ["triage.store"]


def test_every_word_of_a_notice_is_fixed() -> None:
    """Whatever is wrong, its words are those of the table with an id in them."""
    for fault in Fault:
        for new in (True, False):
            notice = Notice("willow", AT, ((Alarm(fault, "part-1"), new),))
            sentence = FAULT_WORDS[fault].format(part="part-1")
            assert sentence in notice.body
            assert notice.body.isascii()
    assert set(FAULT_WORDS) == set(Fault)
