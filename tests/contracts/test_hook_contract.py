"""What every door that others knock at promises, for each row of HOOKS.

A new row without a sender to try it with fails here.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

import pytest

from triage.connectors import HOOKS
from triage.connectors.hook import Hook
from triage.domain import Channel
from triage.errors import BadSettings, HookRefused
from triage.plugins import load

NOW = 1_800_000_000
KEY = hashlib.sha256(b"a key of this test").digest()
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = b' {"text": "chest pain\\r\\n"} \n\0\xff'


def webhook(body: bytes, id: str, key: bytes = KEY) -> Mapping[str, str]:
    digest = hmac.digest(key, f"{id}.{NOW}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": id, "webhook-timestamp": str(NOW), "webhook-signature": signature}


#: kind -> how a sender makes the headers of (body, id, key).
SENDERS: dict[str, Callable[..., Mapping[str, str]]] = {"webhook": webhook}


def test_every_hook_is_tested_here() -> None:
    assert set(SENDERS) == set(HOOKS)


def made(kind: str, secret: str = SECRET, **more: object) -> Hook:
    hook: Hook = load("connectors", kind, HOOKS)({"name": "x", "kind": kind, **more}, secret)
    return hook


@pytest.mark.parametrize("kind", sorted(HOOKS))
def test_what_is_signed_comes_with_its_own_bytes_and_a_place_that_stays(kind: str) -> None:
    hook, sign = made(kind), SENDERS[kind]
    found = hook.take(sign(BODY, "id-1"), BODY, NOW)
    assert (found.content, found.channel, found.position.inbox) == (BODY, Channel.FORM, "x")
    assert made(kind).take(sign(BODY, "id-1"), BODY, NOW) == found
    other = hook.take(sign(BODY, "id-2"), BODY, NOW)
    assert other.position != found.position
    named = hook.take(sign(BODY, "Ana Marula"), BODY, NOW)
    assert "Marula" not in repr(named.position)


@pytest.mark.parametrize("kind", sorted(HOOKS))
def test_one_changed_byte_or_another_key_is_refused(kind: str) -> None:
    hook, sign = made(kind), SENDERS[kind]
    for at in range(len(BODY)):
        changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        with pytest.raises(HookRefused):
            hook.take(sign(BODY, "id-1"), changed, NOW)
    with pytest.raises(HookRefused):
        hook.take(sign(BODY, "id-1", KEY[::-1]), BODY, NOW)
    with pytest.raises(HookRefused):
        hook.expect({}, NOW)


@pytest.mark.parametrize("kind", sorted(HOOKS))
def test_a_hook_without_a_secret_or_with_an_unknown_setting_is_not_made(kind: str) -> None:
    with pytest.raises(BadSettings, match="hook x, "):
        made(kind, "")
    with pytest.raises(BadSettings, match="hook x, colour"):
        made(kind, colour="red")
