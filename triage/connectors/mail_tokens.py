"""Gets the access token a mailbox is opened with, and a new one when it has run out.

Rule of the room: a refresh token goes to the address in the settings and nowhere else, over
verified TLS; no token and no secret stands in a message, a log or a file of ours.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from triage.connectors.options import Options
from triage.connectors.tls import is_loopback, read_context
from triage.errors import InboxRefused, InboxUnreachable

#: A token is replaced this long before it runs out, in seconds.
_EARLY = 120.0
#: What a provider is taken to mean that does not say how long its token lives.
_LIFETIME = 300.0


@dataclass(slots=True)
class Tokens:
    """Access tokens of one mailbox, by refresh token or by the client's own secret (RFC 6749)."""

    who: str
    url: str
    client_id: str
    grant: str
    scope: str
    context: Any
    timeout: float
    secret: str = field(repr=False)
    client_secret: str = field(default="", repr=False)
    clock: Callable[[], float] = time.monotonic
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    def token(self) -> str:
        """Return a token that is still good; raise InboxUnreachable or InboxRefused."""
        if not self._token or self.clock() >= self._until:
            self._fetch()
        return self._token

    def forget(self) -> None:
        """Drop a token the server no longer takes."""
        self._token = ""

    def _form(self) -> dict[str, str]:
        form = {"client_id": self.client_id, "grant_type": self.grant}
        if self.grant == "refresh_token":
            form |= {"refresh_token": self.secret, "client_secret": self.client_secret}
        else:
            form |= {"client_secret": self.secret}
        return {key: value for key, value in (form | {"scope": self.scope}).items() if value}

    def _fetch(self) -> None:
        import httpx

        try:
            with httpx.Client(verify=self.context or True, timeout=self.timeout) as client:
                answer = client.post(self.url, data=self._form(), follow_redirects=False)
        except httpx.HTTPError as trouble:
            where = f"{self.who}, token address ({type(trouble).__name__})"
            raise InboxUnreachable(where) from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise InboxUnreachable(f"{self.who}, token address ({answer.status_code})")
        try:
            found = answer.json()
            token, lifetime = str(found["access_token"]), float(found.get("expires_in", _LIFETIME))
        except (ValueError, LookupError, TypeError):
            # The provider's own words are left out: some quote what they were sent.
            raise InboxRefused(f"{self.who}, token refused ({answer.status_code})") from None
        rotated = found.get("refresh_token")
        if self.grant == "refresh_token" and isinstance(rotated, str) and rotated:
            # Good until we stop; the one in the secret store stays the one to start with.
            self.secret = rotated
        self._token, self._until = token, self.clock() + max(lifetime - _EARLY, lifetime / 2)


def read_tokens(
    options: Options, secret: str, timeout: float, clock: Callable[[], float] = time.monotonic
) -> Tokens | None:
    """Read `token_url`, `client_id`, `grant`, `scope`; None where the secret is the token itself.

    A refresh token whose client has a secret of its own is given as one JSON object:
    `{"refresh_token": "...", "client_secret": "..."}`.
    """
    url, client_id = options.text("token_url", ""), options.text("client_id", "")
    grant = options.one_of("grant", ["refresh_token", "client_credentials"])
    scope, ca_file = options.text("scope", ""), options.text("token_ca_file", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        raise options.wrong("token_url (https only)")
    if not client_id:
        raise options.wrong("client_id")
    if not secret:
        raise options.wrong("secret (the refresh token or the client's secret)")
    secret, client_secret = _parted(secret)
    context = read_context(options, ca_file) if parts.scheme == "https" else None
    return Tokens(
        options.who, url, client_id, grant, scope, context, timeout, secret, client_secret, clock
    )


def _parted(secret: str) -> tuple[str, str]:
    try:
        found = json.loads(secret)
        return str(found["refresh_token"]), str(found.get("client_secret", ""))
    except (ValueError, LookupError, TypeError):
        return secret, ""
