"""Proves to a FHIR server who we are: with a fixed token, or as a SMART backend service.

Rule of the room: a token is asked for only at the address in the settings, or where the portal's
own configuration says and the settings allow; an assertion lives four minutes and serves once; a
token is renewed before its end; and none of them ever stands in a message or a log.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triage.connectors.options import Options
from triage.domain import new_id

#: SMART Backend Services allows five minutes; one is left for clocks that differ.
_ASSERTION_SECONDS = 240
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: Posts a form; returns the status and the JSON object of the answer, if it is one.
Post = Callable[[str, Mapping[str, str]], tuple[int, dict[str, Any] | None]]


class TokenRefused(Exception):
    """The authorisation server said no; the message is its status code."""


@dataclass(slots=True)
class Credentials:
    """How one FHIR connector logs in; `mode` is `none`, `bearer` or `smart`."""

    mode: str
    secret: str = field(repr=False)
    token_url: str = ""
    client_id: str = ""
    key_id: str = ""
    algorithm: str = "RS384"
    scope: str = ""
    clock: Callable[[], float] = time.time
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    @property
    def wants_address(self) -> bool:
        """Whether the portal has to be asked where its log-in server is."""
        return self.mode == "smart" and not self.token_url

    def header(self, post: Post) -> dict[str, str]:
        """Return the Authorization header, fetching a new token through `post` when due.

        Raises what `post` raises, and TokenRefused when the log-in server refuses.
        """
        if self.mode == "none":
            return {}
        if self.mode == "bearer":
            return {"Authorization": f"Bearer {self.secret}"}
        if self.clock() >= self._until:
            self._fetch(post)
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> bool:
        """Drop a token the server no longer takes; say whether a new one can be had."""
        self._token, self._until = "", 0.0
        return self.mode == "smart"

    def assertion(self) -> str:
        """Return the signed statement of who we are (RFC 7523), good for four minutes."""
        from joserfc import jwt

        now = int(self.clock())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.token_url,
            "jti": new_id(),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.key_id}
        return jwt.encode(header, claims, read_key(self.secret), algorithms=[self.algorithm])

    def _fetch(self, post: Post) -> None:
        form = {
            "grant_type": "client_credentials",
            "scope": self.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }
        asked = self.clock()
        status, found = post(self.token_url, form)
        try:
            if status != 200 or found is None:
                raise ValueError
            self._token = str(found["access_token"])
            if not (self._token.isascii() and self._token.isprintable()):
                # No header can carry it.
                raise ValueError
            lifetime = float(found.get("expires_in", 300))
        except (ValueError, LookupError, TypeError):
            raise TokenRefused(str(status)) from None
        # A tenth early, so that no request sets out with a token that ends on the way.
        self._until = asked + max(lifetime - max(30.0, lifetime / 10), 0)


def read_key(secret: str) -> Any:
    """Read a private RSA or EC key from PEM or JWK; raise ValueError when it is neither."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    for kind in (RSAKey, ECKey):
        try:
            return kind.import_key(json.loads(secret) if secret.startswith("{") else secret)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    raise ValueError("not a private key")


def read_credentials(options: Options, secret: str, *, scope: str) -> Credentials:
    """Read `auth`, `token_url`, `client_id`, `key_id`, `algorithm` and `scope` from settings."""
    modes = ["bearer", "smart", "none"]
    # Without a secret there is nothing to bear.
    mode = options.one_of("auth", modes if secret else ["none", *modes[:2]])
    credentials = Credentials(
        mode=mode,
        secret=secret,
        token_url=options.text("token_url", ""),
        client_id=options.text("client_id", ""),
        key_id=options.text("key_id", ""),
        algorithm=options.one_of("algorithm", ["RS384", "ES384"]),
        scope=options.text("scope", scope),
    )
    if mode != "none" and not secret:
        raise options.wrong("secret")
    if mode == "smart":
        for key in ("client_id", "key_id"):
            if not getattr(credentials, key):
                raise options.wrong(key)
        try:
            credentials.assertion()
        except Exception:
            # Whatever the key library says, it may quote the key.
            raise options.wrong("secret (not a private key for this algorithm)") from None
    return credentials
