"""The evidence script reads what left as a stranger would: other words, other people, no."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from triage.connectors.letter import Letter, compose
from triage.domain import Protected
from triage.web.check_pack import mail_says, portal_says

WORDS = "Hola,\n.\nsu receta está lista.\r\nFrom the desk\n"
MAIL: Mapping[str, Any] = {
    "recipient": "pat@example.org",
    "in_reply_to": "<a@example.org> <b@example.org>",
    "subject": "Re: Su receta está",
    "body": WORDS,
    "message_id": "<1@p.example>",
}
PORTAL: Mapping[str, Any] = {
    "recipient": "Patient/1",
    "in_reply_to": "Communication/7",
    "subject": "Su receta",
    "body": WORDS,
    "message_id": "<1@p.example>",
}


def letter(**changed: str) -> bytes:
    fields = {**MAIL, **changed}
    return compose(
        Letter(
            "Alder Street Practice, Übersee",
            "desk@p.example",
            Protected(fields["recipient"]),
            Protected(fields["subject"]),
            Protected(fields["body"]),
            fields["message_id"],
            Protected(fields["in_reply_to"]),
            datetime(2026, 11, 2, tzinfo=UTC),
        )
    )


def communication(**changed: Any) -> bytes:
    resource = {
        "resourceType": "Communication",
        "identifier": [{"system": "urn:triage", "value": "<1@p.example>"}],
        "recipient": [{"reference": "Patient/1"}],
        "subject": {"reference": "Patient/1"},
        "inResponseTo": [{"reference": "Communication/7"}],
        "topic": {"text": "Su receta"},
        "payload": [{"contentString": WORDS}],
        **changed,
    }
    return json.dumps(resource).encode()


def test_what_was_approved_is_recognised() -> None:
    assert mail_says(letter(), MAIL)
    assert mail_says(letter(in_reply_to=""), {**MAIL, "in_reply_to": ""})
    assert portal_says(communication(), PORTAL)


HEAD = b"MIME-Version: 1.0\r\n"
OTHER_MAILS: Mapping[str, Callable[[], bytes]] = {
    "another recipient": lambda: letter(recipient="eve@example.net"),
    "another subject": lambda: letter(subject="Re: else"),
    "another body": lambda: letter(body=WORDS + "Call 555-0199."),
    "another conversation": lambda: letter(in_reply_to="<c@example.org>"),
    "another name": lambda: letter(message_id="<2@p.example>"),
    "a copy": lambda: letter().replace(HEAD, b"Cc: eve@example.net\r\n" + HEAD),
    "a blind copy": lambda: letter().replace(HEAD, b"Bcc: eve@example.net\r\n" + HEAD),
    "a second To": lambda: letter().replace(HEAD, b"To: eve@example.net\r\n" + HEAD),
    "an unknown header": lambda: letter().replace(HEAD, b"Reply-To: eve@example.net\r\n" + HEAD),
    "two people": lambda: letter().replace(b"pat@example.org", b"pat@example.org, eve@b.example"),
    "a lookalike letter": lambda: letter(body=WORDS.replace("a", "\u0430")),
    "an attachment": lambda: letter().replace(
        b"text/plain; charset=utf-8", b'multipart/mixed; boundary="x"'
    ),
    "nothing": lambda: b"",
}
OTHER_RESOURCES: Mapping[str, dict[str, Any]] = {
    "another recipient": {"recipient": [{"reference": "Patient/2"}]},
    "a second recipient": {"recipient": [{"reference": "Patient/1"}, {"reference": "Patient/2"}]},
    "another subject": {"subject": {"reference": "Patient/2"}},
    "another topic": {"topic": {"text": "else"}},
    "another body": {"payload": [{"contentString": "else"}]},
    "a second payload": {"payload": [{"contentString": WORDS}, {"contentString": "else"}]},
    "another thread": {"inResponseTo": [{"reference": "Communication/8"}]},
    "another name": {"identifier": [{"value": "<2@p.example>"}]},
}


@pytest.mark.parametrize("name", sorted(OTHER_MAILS))
def test_another_mail_is_not_what_was_approved(name: str) -> None:
    assert not mail_says(OTHER_MAILS[name](), MAIL)


@pytest.mark.parametrize("name", sorted(OTHER_RESOURCES))
def test_another_communication_is_not_what_was_approved(name: str) -> None:
    assert not portal_says(communication(**OTHER_RESOURCES[name]), PORTAL)
