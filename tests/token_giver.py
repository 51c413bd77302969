"""A provider of access tokens: what Google and Microsoft do, on loopback, and as it is told to."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import OctKey

from tests.servers import Server

#: What the mail server checks tokens with; both know it.
KEY = "0123456789abcdef0123456789abcdef"
REFRESH, CLIENT = "refresh-kV7-oqPw2zLm", "client-kV7-oqPw2zLm"


def token(user: str, *, lives: float = 3600.0, key: str = KEY) -> str:
    """Return a signed token for `user`."""
    now = int(time.time())
    claims = {"sub": user, "iat": now - 10, "nbf": now - 10, "exp": int(now + lives)}
    header = {"alg": "HS256", "typ": "JWT"}
    return str(jwt.encode(header, claims, OctKey.import_key(key), algorithms=["HS256"]))


@dataclass
class TokenGiver(Server):
    """An HTTP server with one address, `/token`."""

    user: str = "clinic"
    #: Seconds a token is said to live.
    expires_in: float = 3600.0
    #: The next answers, instead of a good one: (status, body).
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    #: How many of the next tokens the mail server will not take.
    stale: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        giver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                status, body = giver.answer(dict(parse_qsl(self.rfile.read(length).decode())))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/token"

    @property
    def settings(self) -> Mapping[str, object]:
        return {"token_url": self.url, "client_id": "triage"}

    def answer(self, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        if REFRESH not in form.values() and CLIENT not in form.values():
            return 400, json.dumps({"error": "invalid_grant", "you_sent": form}).encode()
        self.stale -= 1
        key = KEY if self.stale < 0 else KEY[::-1]
        found = {"access_token": token(self.user, key=key), "expires_in": self.expires_in}
        return 200, json.dumps(found).encode()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
