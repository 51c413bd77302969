"""Talks HTTP to one FHIR server and to no other machine.

Rule of the room: a link is followed only within the configured address, redirects never; answers
are read up to a limit in bytes and seconds; a fault of the server is retried with growing pauses.
"""

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from triage.connectors import Leaving
from triage.connectors.cutting import cut_after
from triage.connectors.fhir_allowed import Allowed, Elsewhere, origin
from triage.connectors.fhir_auth import Credentials, TokenRefused
from triage.connectors.options import Options
from triage.connectors.tls import read_context

#: Marks the Communications we created; its value is the reply's Message-ID.
REPLY_SYSTEM = "urn:triage:reply"

_FHIR = "application/fhir+json"
_JSON = {"Accept": "application/json"}
#: Longest answer that is read, in bytes; and of one message alone.
_ANSWER_BYTES, _MESSAGE_BYTES = 64 * 1024 * 1024, 256 * 1024 * 1024
_ATTEMPTS = 4
_LONGEST_PAUSE = 30.0
#: What the library says of an address with signs that none may have, or of one without end.
_NO_ADDRESS = (httpx.InvalidURL, UnicodeError)


class Unreachable(Exception):
    """Nobody answered, or only with faults; `sent` says whether our request had been written."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class Refused(Exception):
    """The server does not know us: 401, 403, or no token."""


class Nonsense(Exception):
    """The answer is not FHIR JSON, is too long, or points somewhere else."""


class TooLong(Nonsense):
    """The answer was not read to its end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `resource` is None when the body is not a JSON object."""

    status: int
    resource: dict[str, Any] | None
    location: str


class FhirClient:
    """One FHIR base address with its credentials."""

    def __init__(
        self,
        options: Options,
        credentials: Credentials,
        *,
        sleep: Callable[[float], object] = time.sleep,
        once: bool = False,
    ) -> None:
        """Talk to `base_url`; `once` makes every request on a fresh line and without repeating."""
        self._allowed = Allowed(options)
        self.base = self._allowed.base
        self._context = read_context(options, options.text("ca_file", ""))
        self._seconds = options.number("timeout_seconds", 30, least=0.1, most=600)
        try:
            if credentials.token_url:
                self._allowed.name(credentials.token_url)
        except Elsewhere:
            raise options.wrong("token_url (https, or http to this machine)") from None
        self._credentials = credentials
        self._sleep = sleep
        self.most_bytes = _ANSWER_BYTES
        #: Without idle lines, no request meets one that the server has just closed.
        self._idle_lines = 0 if once else 4
        self._attempts = 1 if once else _ATTEMPTS
        #: One for each server: a line that was opened to one name serves no other.
        self._open: dict[tuple[str, str, int], httpx.Client] = {}
        #: What is cut where an answer takes too long and may come on a line that was idle; a fresh
        #: line is known to its own request alone, whatever others ask at the same time.
        self._lines: dict[tuple[str, str, int], _Line] = {}

    def get(self, address: str, query: Mapping[str, str] | None = None) -> Answer:
        """GET `address` (relative to the base, or absolute within it), retrying faults.

        Raises Unreachable, Refused or Nonsense.
        """
        url = self.within(address)
        pause, why = 0.5, ""
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, no secret
            try:
                answer, later = self._once("GET", url, params=query)
            except Unreachable as trouble:
                why, later = str(trouble), 0.0
            else:
                if answer.status not in (408, 425, 429) and answer.status < 500:
                    return answer
                why = str(answer.status)
            pause = min(max(pause * 2, later), _LONGEST_PAUSE)
        raise Unreachable(why, sent=True)

    def post(
        self,
        address: str,
        resource: Mapping[str, Any],
        headers: Mapping[str, str],
        leaving: Leaving = lambda _: None,
    ) -> Answer:
        """POST `resource` once, never repeated here; raises Unreachable, Refused or Nonsense.

        `leaving` is shown the body before its first byte leaves, once.
        """
        body = json.dumps(resource, ensure_ascii=False).encode("utf-8")
        typed = {"Content-Type": _FHIR, "Prefer": "return=representation", **headers}
        typed["Content-Length"] = str(len(body))
        shown = _Shown(body, leaving)
        return self._once("POST", self.within(address), content=shown, headers=typed)[0]

    def within(self, address: str) -> str:
        """Return `address` as an absolute URL; raise Nonsense unless it lies under the base."""
        try:
            return self._allowed.within(address)
        except Elsewhere as trouble:
            raise Nonsense(str(trouble)) from None

    def allow_one_long_message(self) -> None:
        """From now on read longer answers: each is asked to hold one message only."""
        self.most_bytes = _MESSAGE_BYTES

    def close(self) -> None:
        """Let go of the connections; the next request opens new ones."""
        clients, self._open = self._open, {}
        for client in clients.values():
            client.close()

    def _http(self, url: str) -> httpx.Client:
        server = origin(url)
        if server not in self._open:
            self._open[server] = httpx.Client(
                verify=self._context,
                timeout=self._seconds,
                limits=httpx.Limits(max_keepalive_connections=self._idle_lines),
                follow_redirects=False,
                trust_env=False,
            )
        return self._open[server]

    def _once(self, method: str, url: str, **more: Any) -> tuple[Answer, float]:
        """Ask once, and once more with a fresh token if the old one is no longer taken."""
        answer, later = self._ask(method, url, **more)
        if answer.status == 401 and self._credentials.forget():
            answer, later = self._ask(method, url, **more)
        if answer.status in (401, 403):
            raise Refused(str(answer.status))
        return answer, later

    def _ask(self, method: str, url: str, **more: Any) -> tuple[Answer, float]:
        headers = {"Accept": _FHIR, "Accept-Encoding": "identity", **more.pop("headers", {})}
        try:
            if self._credentials.wants_address:
                self._credentials.token_url = self._discover()
            headers |= self._credentials.header(self._post_form)
        except TokenRefused as trouble:
            raise Refused(f"token {trouble}") from None
        except Nonsense as trouble:
            # Of the request itself nothing has left, whatever the log-in server answers.
            raise Refused(f"token, {trouble}") from None
        except Unreachable as trouble:
            raise Unreachable(str(trouble), sent=False) from None
        answer, body = self._talk(method, url, headers=headers, **more)
        location = answer.headers.get("location", "")
        return Answer(answer.status_code, _resource(body), location), _wish(answer.headers)

    def _talk(
        self, method: str, url: str, *, headers: Mapping[str, str], **more: Any
    ) -> tuple[httpx.Response, bytes]:
        """Ask once at the address that was judged; the next one only if nobody took the call."""
        try:
            ways = self._allowed.ways(url)
        except Elsewhere as trouble:
            raise Nonsense(str(trouble)) from None
        except (OSError, UnicodeError):
            raise Unreachable("NameNotFound", sent=False) from None
        line = self._lines.setdefault(origin(url), _Line()) if self._idle_lines else _Line()
        # As much as a step of the other doors, and time for a long body on a slow line.
        seconds = self._seconds * 3 + int(headers.get("Content-Length", "0")) / 32_768
        for left, way in zip(reversed(range(len(ways))), ways, strict=True):
            try:
                asked = self._http(url).build_request(
                    method,
                    way.url,
                    headers={**headers, **way.headers},
                    extensions={**way.extensions, "trace": line.heard},
                    **more,
                )
            except _NO_ADDRESS:
                raise Nonsense("an address that cannot be read") from None
            try:
                # Until the headers are whole each byte has a time-out of its own, and no more.
                with cut_after(lambda: line.socket, seconds):
                    answer = self._http(url).send(asked, stream=True)
                with contextlib.closing(answer):
                    return answer, self._read(answer)
            except httpx.InvalidURL:
                # The library reads a redirect's address although nobody follows it.
                raise Nonsense("a redirect that cannot be read") from None
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                if not left:
                    raise Unreachable(type(error).__name__, sent=False) from None
            except (httpx.HTTPError, httpx.StreamError) as error:
                # `from None`: the address in the library's error carries a message id.
                raise Unreachable(type(error).__name__, sent=True) from None
        raise Unreachable("NameNotFound", sent=False)

    def _discover(self) -> str:
        """Ask the portal where its log-in server is; only a server on the list is believed."""
        url = self.within(".well-known/smart-configuration")
        answer, body = self._talk("GET", url, headers={"Accept": "application/json"})
        if answer.status_code >= 500:
            raise Unreachable(str(answer.status_code), sent=False)
        found = (_resource(body) or {}).get("token_endpoint")
        if answer.status_code != 200 or not isinstance(found, str):
            raise Refused("token, the portal does not say where; set token_url")
        try:
            # Looked at before it is kept, so that the portal is asked again once it is mended.
            httpx.URL(found)
            return self._allowed.permit(found)
        except Elsewhere as trouble:
            raise Refused(f"token, {trouble}") from None
        except _NO_ADDRESS:
            raise Refused("token, an address that cannot be read") from None

    def _post_form(self, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any] | None]:
        answer, body = self._talk("POST", url, headers=_JSON, data=form)
        if answer.status_code >= 500:
            raise Unreachable(str(answer.status_code), sent=False)
        return answer.status_code, _resource(body)

    def _read(self, answer: Any) -> bytes:
        end = time.monotonic() + self._seconds * 4
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > self.most_bytes:
                raise TooLong("an answer without end")
            if time.monotonic() > end:
                raise Unreachable("a dripping answer", sent=True)
        return bytes(body)


class _Line:
    """The line that a server was last reached on."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None

    def heard(self, event: str, facts: Mapping[str, Any]) -> None:
        """Remember a line that has just been opened, or secured."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.socket = facts["return_value"].get_extra_info("socket")


class _Shown:
    """A body that is shown to somebody when the line is up and its first byte is asked for."""

    def __init__(self, body: bytes, leaving: Leaving) -> None:
        self._body, self._leaving, self._seen = body, leaving, False

    def __iter__(self) -> Iterator[bytes]:
        # Asked for again when an old token was refused: the bytes are the same.
        if not self._seen:
            self._leaving(self._body)
            self._seen = True
        yield self._body


def _resource(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _wish(headers: Mapping[str, str]) -> float:
    """Return the seconds of Retry-After, 0 when it is absent or a date."""
    words = headers.get("retry-after", "")
    return float(words) if words.isascii() and words.isdecimal() else 0.0
