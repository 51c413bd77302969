"""One question to one OpenAI-compatible server, and its answer or an error.

Rule of the room: https or loopback, no redirect, no proxy, no tools, an end to the waiting and to
the size of the answer; what is asked is never logged.
"""

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from urllib.parse import urlsplit

from triage.errors import BadSettings

LONGEST_ANSWER = 64_000
MOST_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and how long it may take."""

    scheme: str
    host: str
    port: int | None
    path: str
    model: str
    #: For one whole answer, in seconds.
    seconds: float
    key: str = field(repr=False, default="")

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> "Endpoint":
        """Read `base_url`, `model`, `api_key` and `seconds`; raise BadSettings."""
        url = settings.get("base_url")
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadSettings("drafting base_url") from None
        safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
        if not host or not safe or parts.username or parts.query or parts.fragment:
            raise BadSettings("drafting base_url must be https, or http on this machine")
        model = settings.get("model")
        if not isinstance(model, str) or not model:
            raise BadSettings("drafting model")
        seconds = settings.get("seconds", 10)
        if not isinstance(seconds, int | float) or not 0 < seconds <= 60:
            raise BadSettings("drafting seconds must be between 0 and 60")
        key = settings.get("api_key", "")
        if not isinstance(key, str) or not key.isprintable():
            raise BadSettings("drafting api_key")
        path = f"{parts.path.rstrip('/')}/chat/completions"
        return cls(parts.scheme, host, port, path, model, float(seconds), key)

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the model's words; raise OSError, HTTPException or ValueError without text."""
        # A socket's time-out starts anew with each byte; the waiting here has one end.
        answer: Queue[bytes | Exception] = Queue(1)
        line: list[socket.socket] = []
        Thread(target=self._post, args=(messages, line, answer), daemon=True).start()
        try:
            result = answer.get(timeout=self.seconds)
        except Empty:
            _cut(line)
            raise TimeoutError("the drafting endpoint took too long") from None
        if isinstance(result, Exception):
            raise result
        return _words(result)

    def _post(
        self,
        messages: Sequence[Mapping[str, str]],
        line: list[socket.socket],
        answer: "Queue[bytes | Exception]",
    ) -> None:
        connection = self._connection()
        try:
            connection.connect()
            line.append(connection.sock)
            answer.put(self._talk(connection, messages))
        except Exception as trouble:
            answer.put(trouble)
        finally:
            connection.close()

    def _talk(
        self, connection: http.client.HTTPConnection, messages: Sequence[Mapping[str, str]]
    ) -> bytes:
        question = {
            "model": self.model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request("POST", self.path, json.dumps(question).encode(), headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            # A redirect ends here too: the settings name the only place text may go.
            raise ValueError(f"the drafting endpoint answered {response.status}")
        content = response.read(LONGEST_ANSWER + 1)
        if len(content) > LONGEST_ANSWER:
            raise ValueError("the drafting endpoint answered too much")
        return content

    def _connection(self) -> http.client.HTTPConnection:
        if self.scheme == "https":
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=self.seconds, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=self.seconds)


def _cut(line: Sequence[socket.socket]) -> None:
    """End a connection that another thread is still waiting on."""
    for one in line:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _words(content: bytes) -> str:
    try:
        words = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError("the drafting endpoint's answer is not a chat completion") from None
    if not isinstance(words, str):
        raise ValueError("the drafting endpoint answered without words")
    return words


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
