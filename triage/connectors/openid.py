"""Asks an identity provider who is there: OpenID Connect, authorization code with PKCE.

Rule of the room: nothing a browser brings back is believed before the provider itself, over TLS
and with its signature, says the same; which person of ours that is, is not decided here.

Authlib speaks the protocol and checks the claims; joserfc checks the signature.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from triage.connectors.options import Options
from triage.connectors.tls import is_loopback, read_context
from triage.domain import Errand, Vouched
from triage.errors import ProviderRefused

#: Only signatures that nobody but the provider can make: none with a shared secret, never `none`.
ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512")
#: Where the provider sends the browser back to; register it there.
BACK = "/log-in/openid/back"
#: Clocks of two machines may differ by so many seconds.
_LEEWAY = 60
#: What was discovered is asked for again after this; new keys are asked for when one is unknown.
_REMEMBERED = 3600.0
_ANSWER_BYTES = 1024 * 1024
_SECONDS = 10.0
_LONGEST_SUBJECT = 255
_PLACES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OpenIdProvider:
    """One provider and how it knows us."""

    def __init__(
        self, settings: Mapping[str, object], secret: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the settings without asking anybody; raise BadSettings."""
        options = Options({"name": "log-in", **settings}, "openid")
        self.issuer = options.text("issuer")
        self.client_id = options.text("client_id")
        self.label = options.text("label", "Sign in with your organisation")
        self._back = options.text("desk_url").rstrip("/") + BACK
        for key, address in (("issuer", self.issuer), ("desk_url", self._back)):
            if not _safe(address):
                raise options.wrong(f"{key} (https, or http to this machine)")
        self._context = read_context(options, options.text("ca_file", ""))
        self._acr = frozenset(options.texts("acr"))
        self._amr = frozenset(options.texts("amr"))
        self._fresh = int(60 * options.number("fresh_minutes", 5, least=0, most=720))
        self._auth = options.one_of("auth", ["client_secret_basic", "client_secret_post"])
        options.done()
        if not secret:
            raise options.wrong("secret (put it in secrets/openid)")
        self._secret = secret
        self._clock = clock
        self._found: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._until = 0.0

    def address(self, errand: Errand) -> str:
        """Return where to send the browser; raises ProviderRefused, `silent` or `not_believed`."""
        from authlib.oauth2.client import OAuth2Client

        found = self._discovered()
        more: dict[str, str] = {"nonce": errand.nonce, "code_verifier": errand.verifier}
        if self._fresh:
            # The desk's computers are shared: whoever comes says again who they are.
            more |= {"prompt": "login", "max_age": str(self._fresh)}
        if self._acr:
            more["acr_values"] = " ".join(sorted(self._acr))
        client = OAuth2Client(
            None,
            self.client_id,
            scope="openid",
            redirect_uri=self._back,
            code_challenge_method="S256",
        )
        place = found["authorization_endpoint"]
        address, _ = client.create_authorization_url(place, state=errand.state, **more)
        return str(address)

    def vouch(self, code: str, errand: Errand, *, said_by: str = "") -> Vouched:
        """Trade the browser's code for a signed statement of who is there; check all of it.

        `said_by` is the issuer that the browser names (RFC 9207). Raises ProviderRefused.
        """
        found = self._discovered()
        names_itself = found.get("authorization_response_iss_parameter_supported") is True
        if (said_by or names_itself) and said_by != self.issuer:
            raise ProviderRefused("not_believed")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": errand.verifier,
        }
        headers = {}
        if self._auth == "client_secret_post":
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        else:
            pair = f"{quote(self.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        # A refused code was used, is too old, or belongs to another log-in or program.
        token = self._ask("POST", found["token_endpoint"], data=form, headers=headers)
        return self._believe(token, errand)

    def _believe(self, token: Mapping[str, Any], errand: Errand) -> Vouched:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        now = self._clock()
        try:
            signed = jwt.decode(str(token["id_token"]), self._key, algorithms=list(ALGORITHMS))
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
            }
            params = {
                "nonce": errand.nonce,
                "client_id": self.client_id,
                "access_token": token.get("access_token"),
                "max_age": self._fresh,
            }
            claims = CodeIDToken(signed.claims, signed.header, options, params)
            claims.validate(now=int(now), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, LookupError, AttributeError):
            raise ProviderRefused("not_believed") from None
        if self._fresh and now - float(claims["auth_time"]) > self._fresh + _LEEWAY:
            raise ProviderRefused("long_ago")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise ProviderRefused("not_believed")
        return Vouched(self.issuer, subject, self._strong(claims))

    def _strong(self, claims: Mapping[str, Any]) -> bool:
        """Whether the provider says that it asked for more than a password."""
        amr = claims.get("amr")
        methods = {one for one in amr if isinstance(one, str)} if isinstance(amr, list) else set()
        return claims.get("acr") in self._acr or bool(self._amr & methods)

    def _key(self, signed: Any) -> Any:
        """Return the provider's keys, asked for anew when the signature names an unknown one."""
        from joserfc.jwk import KeySet

        wanted = signed.headers().get("kid")
        if wanted is not None and wanted not in {key.get("kid") for key in self._keys["keys"]}:
            self._keys = self._ask("GET", self._found["jwks_uri"])
        return KeySet.import_key_set(self._keys)  # type: ignore[arg-type]  # Any JSON.

    def _discovered(self) -> dict[str, Any]:
        """Return what the provider says of itself, remembered for an hour."""
        if self._clock() < self._until:
            return self._found
        found = self._ask("GET", self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        places = [found.get(key) for key in _PLACES]
        if found.get("issuer") != self.issuer or not all(
            isinstance(place, str) and _safe(place) for place in places
        ):
            raise ProviderRefused("not_believed")
        self._keys = self._ask("GET", found["jwks_uri"])
        self._found, self._until = found, self._clock() + _REMEMBERED
        return found

    def _ask(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        """Return a JSON object from the provider; raises ProviderRefused."""
        try:
            with (
                httpx.Client(verify=self._context, timeout=_SECONDS, trust_env=False) as client,
                client.stream(method, address, follow_redirects=False, **more) as answer,
            ):
                body = _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            raise ProviderRefused("silent") from None
        if answer.status_code >= 500:
            raise ProviderRefused("silent")
        try:
            found = json.loads(body) if answer.status_code == 200 else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProviderRefused("not_believed")
        return found


def _read(answer: httpx.Response) -> bytes:
    end = time.monotonic() + _SECONDS
    body = bytearray()
    for part in answer.iter_bytes():
        body += part
        if len(body) > _ANSWER_BYTES or time.monotonic() > end:
            raise ProviderRefused("silent")
    return bytes(body)


def _safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
