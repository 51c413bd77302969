"""Listens for a portal's notifications, which only make us ask sooner.

Rule of the room: nothing a notification says is believed or kept but its number; a jump in the
numbers is an alarm, and what is true is fetched.

For administrators. With `hint_port` the inbox listens on this machine (127.0.0.1) for a FHIR
Subscription of the kind `rest-hook`; your own proxy speaks TLS before it. `triage inbox check` says
the path, which holds a token made from the inbox's secret. The subscription needs no payload.
"""

import contextlib
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from triage.connectors.options import Options
from triage.errors import BadSettings

_MOST_BYTES = 1024 * 1024
_NUMBER = re.compile(r"[0-9]{1,18}")


class Hints:
    """The listener of one inbox; without a port it is only the bell that ends a wait."""

    def __init__(self, options: Options, secret: str) -> None:
        self._port = options.whole("hint_port", 0, least=0, most=65_535)
        words = f"hint {options.name}".encode()
        self.path = f"/hint/{hmac.new(secret.encode(), words, hashlib.sha256).hexdigest()[:32]}"
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        #: The number of the last notification; None before the first.
        self._last: int | None = None
        self._missed = ""
        self.closed = False

    def listen(self, who: str) -> None:
        """Start to listen, unless we do; raise BadSettings when the port is taken."""
        self.closed = False
        if not self._port or self._server is not None:
            return
        try:
            server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        except OSError:
            raise BadSettings(f"{who}, hint_port (taken)") from None
        server.daemon_threads = True
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()

    def heard(self, body: bytes) -> None:
        """Take one notification: ring, and compare its number with the last."""
        with self._lock:
            read = _numbers(body)
            if read is not None:
                number, events = read
                before = self._last
                if before is not None and number > before + events:
                    self._missed = f"{number - before - events} notifications missed"
                # A smaller number is a subscription that began anew.
                self._last = number
            self._bell.set()

    def missed(self) -> str:
        """Return, once, how many notifications never came; empty when none is missing."""
        with self._lock:
            words, self._missed = self._missed, ""
        return words

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as somebody rang."""
        self._bell.wait(seconds)
        self._bell.clear()

    def quiet(self) -> None:
        """Forget that somebody rang: we are asking now."""
        self.closed = False
        self._bell.clear()

    def close(self) -> None:
        """Stop listening and end a wait; the numbers are kept."""
        self.closed = True
        self._bell.set()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def explain(self) -> tuple[str, ...]:
        """Say where the portal may send its notifications."""
        if not self._port:
            return ()
        return (f"Notifications: 127.0.0.1:{self._port}{self.path} (only a hint to ask sooner).",)


def _numbers(body: bytes) -> tuple[int, int] | None:
    """Return (number of the last event, events in this notification), or None where none stands."""
    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError, AttributeError):
        bundle = json.loads(body)
        status = bundle["entry"][0]["resource"]
        if status["resourceType"] == "Parameters":
            values = {one.get("name"): one for one in status["parameter"]}
            number = _value(values["events-since-subscription-start"])
            kind = _value(values.get("type", {}))
            told = sum(one.get("name") == "notification-event" for one in status["parameter"])
        else:
            number, kind = str(status["eventsSinceSubscriptionStart"]), str(status.get("type"))
            told = len(status.get("notificationEvent", []))
        if _NUMBER.fullmatch(number):
            return int(number), max(told, 1) if kind == "event-notification" else told
    return None


def _value(parameter: Mapping[str, Any]) -> str:
    return next((str(value) for key, value in parameter.items() if key.startswith("value")), "")


def _handler(hints: Hints) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            known = hmac.compare_digest(self.path.encode(), hints.path.encode())
            length = self.headers.get("Content-Length", "0")
            size = int(length) if _NUMBER.fullmatch(length) else _MOST_BYTES + 1
            if not known or size > _MOST_BYTES:
                self.send_response(413 if known else 404)
            else:
                hints.heard(self.rfile.read(size))
                self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: the path holds the token."""
            del format, args

    return Handler
