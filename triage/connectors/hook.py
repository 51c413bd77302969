"""Takes signed deliveries from web forms and voicemail services, as Standard Webhooks signs them.

Rule of the room: the signature is over the very bytes that are kept, and is compared before they
are looked at; what is signed is kept whatever it says. Nothing leaves by this door.

For administrators. Settings of a `[[hook]]`: `name`, `kind = "webhook"`, and optionally `megabytes`
(1: the largest delivery), `per_minute` (120: more are asked to come again). The secret is one or
more keys apart by white space, each `whsec_` and base64 of 24 to 64 random bytes; a delivery signed
with any of them is taken, so that a key can be changed without a gap.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Protocol

from triage.connectors.options import Options
from triage.domain import Arrival, Channel, Position
from triage.errors import HookRefused

#: How far the sender's clock may be from ours, in seconds.
TOLERANCE = 300
#: The place of everything that comes by a hook; ids never start anew.
PLACE = "hook"
MEDIA_TYPE = "application/json"
_PREFIX = "whsec_"
_LEAST_KEY, _MOST_KEY = 24, 64
#: A typed key has few different bytes, one drawn by lot has many.
_FEWEST_DIFFERENT = 12
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MOST_SIGNATURES = 10


class Hook(Protocol):
    """A door that others knock at: it says what a signed delivery is, and keeps nothing itself."""

    name: str
    #: The largest body, in bytes.
    largest: int
    per_minute: int

    def expect(self, headers: Mapping[str, str], now: float) -> None:
        """Raise HookRefused for headers that no body could make right."""
        ...

    def take(self, headers: Mapping[str, str], body: bytes, now: float) -> Arrival:
        """Return the delivery to land; raise HookRefused unless it is signed."""
        ...


class WebhookDoor:
    """One sender of forms or transcripts; see the module for its settings."""

    def __init__(self, settings: Mapping[str, object], secret: str = "") -> None:
        options = Options(settings, "hook")
        self.name = options.name
        self.largest = int(options.number("megabytes", 1, least=0.001, most=25) * 1_000_000)
        self.per_minute = options.whole("per_minute", 120, least=1, most=100_000)
        options.done()
        self._keys = tuple(_key(word, options) for word in secret.split())
        if not self._keys:
            raise options.wrong("its secret is missing (docs/doors.md)")

    def expect(self, headers: Mapping[str, str], now: float) -> None:
        """Raise HookRefused for headers that no body could make right."""
        _Knock(headers, now)

    def take(self, headers: Mapping[str, str], body: bytes, now: float) -> Arrival:
        """Return the delivery to land; raise HookRefused unless one of the keys signed it."""
        knock = _Knock(headers, now)
        if not any(knock.signed_with(key, body) for key in self._keys):
            raise HookRefused(401, "no signature of this body holds")
        position = Position(self.name, PLACE, PLACE, _uid(knock.id))
        return Arrival(position, Channel.FORM, MEDIA_TYPE, body)


class _Knock:
    """The three headers of one delivery."""

    def __init__(self, headers: Mapping[str, str], now: float) -> None:
        self.id = headers.get("webhook-id", "")
        self._moment = headers.get("webhook-timestamp", "")
        given = headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]
        self._signatures = [one.partition(",")[2] for one in given if one.startswith("v1,")]
        if not self.id or not self._signatures:
            raise HookRefused(401, "webhook-id or webhook-signature is missing")
        if not re.fullmatch(r"[0-9]{1,12}", self._moment):
            raise HookRefused(401, "webhook-timestamp is not a number of seconds")
        if abs(now - int(self._moment)) > TOLERANCE:
            raise HookRefused(401, "webhook-timestamp is more than five minutes from our clock")

    def signed_with(self, key: bytes, body: bytes) -> bool:
        """Whether one of the signatures is this key's; every one is compared, in constant time."""
        signed = f"{self.id}.{self._moment}.".encode("latin-1", "replace") + body
        right = base64.b64encode(hmac.digest(key, signed, "sha256"))
        return any(hmac.compare_digest(right, one.encode()) for one in self._signatures)


def _key(word: str, options: Options) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST_KEY <= len(key) <= _MOST_KEY or len(set(key)) < _FEWEST_DIFFERENT:
        raise options.wrong("its secret (whsec_ and base64 of 24 to 64 random bytes)")
    return key


def _uid(given: str) -> str:
    """Return an id as it is kept in plain: one that may name somebody is only kept as a digest."""
    if _PLAIN_ID.fullmatch(given):
        return given
    return f"sha256:{hashlib.sha256(given.encode('utf-8', 'replace')).hexdigest()}"
