"""Real servers on loopback for the demo: IMAP (pymap), SMTP (aiosmtpd) and a small FHIR portal.

They hold the fictional practice only, die with the demo and are no part of the product.
"""

import imaplib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from email import message_from_bytes
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from triage.errors import InboxUnreachable

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


#: The name under which the practice's mail server says what it found out about a sender.
AUTHSERV_ID = "mx.willow-creek.invalid"


def delivered(mail: bytes) -> bytes:
    """Return a mail the way a mail server hands it on: its verdict on the sender on top."""
    _, address = parseaddr(str(message_from_bytes(mail).get("From", "")))
    domain = address.rpartition("@")[2].encode("ascii", "ignore").decode()
    verdict = f"dmarc=pass header.from={domain}" if domain else "none"
    end = b"\r\n" if b"\r\n" in mail[:1000] else b"\n"
    return f"Authentication-Results: {AUTHSERV_ID}; {verdict}".encode() + end + mail


class Mailbox:
    """An IMAP server with one user, in a process of its own."""

    def __init__(self, user: str, password: str) -> None:
        self.port = free_port()
        self._user, self._password = user, password
        # The package has no __main__; this is what its console script does.
        command = [sys.executable, "-c", "from pymap.main import main; main()"]
        command += ["--host", HOST, "--port", str(self.port), "--no-tls"]
        command += ["--no-service", "managesieve", "--no-service", "admin", "dict"]
        command += ["--demo-user", user, "--demo-password", password]
        self._process = subprocess.Popen(  # noqa: S603  # Our own interpreter and fixed words.
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def fill(self, mails: Iterable[Path], progress: Callable[[], None]) -> None:
        """Put the mails into INBOX, in order."""
        client = self._connect()
        for path in mails:
            mail = delivered(path.read_bytes())
            client.append("INBOX", "", imaplib.Time2Internaldate(time.time()), mail)
            progress()
        client.logout()

    def close(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait(5)

    def _connect(self) -> imaplib.IMAP4:
        for _ in range(100):
            try:
                client = imaplib.IMAP4(HOST, self.port)
            except OSError:
                time.sleep(0.1)
                continue
            client.login(self._user, self._password)
            return client
        raise InboxUnreachable("the demo's IMAP server")


class Sink:
    """An SMTP server that keeps what arrives."""

    def __init__(self) -> None:
        from aiosmtpd.controller import Controller

        self.mails: list[bytes] = []
        self._controller = Controller(self, hostname=HOST, port=free_port())
        self._controller.start()
        self.port = int(self._controller.port)

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802  # aiosmtpd's name.
        """Keep one mail; the name is the one aiosmtpd calls."""
        del server, session
        self.mails.append(bytes(getattr(envelope, "content", b"")))
        return "250 2.0.0 kept by the demo sink"

    def close(self) -> None:
        """Stop the server."""
        self._controller.stop()


def message_id(mail: bytes) -> str:
    """Return the Message-ID of a mail at the sink."""
    return str(message_from_bytes(mail).get("Message-ID", "without Message-ID"))


def addressee(mail: bytes) -> str:
    """Return whom a mail for staff is written to, and what about."""
    read = message_from_bytes(mail)
    return f"{read.get('To', 'nobody')}: {read.get('Subject', 'without subject')}"


class Portal:
    """A FHIR R4 server with the few calls the demo needs: search and create Communication."""

    def __init__(self, resources: Iterable[Path]) -> None:
        self.resources = [json.loads(path.read_text(encoding="utf-8")) for path in resources]
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/fhir/metadata":
                    _answer(self, 200, CAPABILITIES)
                else:
                    _answer(self, 200, portal.search(parse_qs(url.query)))

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                resource = json.loads(self.rfile.read(length))
                status, kept = portal.create(resource, self.headers.get("If-None-Exist", ""))
                _answer(self, status, kept)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_address[1]}/fhir"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def search(self, query: dict[str, list[str]]) -> dict[str, object]:
        """Return every Communication not older than `_lastUpdated=ge…`, oldest first."""
        bound = query.get("_lastUpdated", ["ge"])[0].removeprefix("ge")
        found = [item for item in self.resources if _updated(item) >= bound[:19]]
        entries = [{"resource": item} for item in sorted(found, key=_updated)]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    def create(self, resource: dict[str, object], condition: str) -> tuple[int, dict[str, object]]:
        """Keep a resource unless one with the same identifier exists."""
        for item in self.resources:
            if condition and item.get("identifier") == resource.get("identifier"):
                return 200, item
        number = len(self.resources) + 1
        kept = {**resource, "id": f"reply-{number}"}
        kept["meta"] = {
            "versionId": "1",
            "lastUpdated": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self.resources.append(kept)
        return 201, kept

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()


CAPABILITIES = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": "Communication",
                    "interaction": [{"code": "search-type"}, {"code": "create"}],
                    "conditionalCreate": True,
                }
            ],
        }
    ],
}


def _updated(resource: dict[str, object]) -> str:
    meta = resource.get("meta")
    return str(meta.get("lastUpdated", ""))[:19] if isinstance(meta, dict) else ""


def _answer(handler: BaseHTTPRequestHandler, status: int, content: object) -> None:
    body = json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/fhir+json")
    handler.send_header("Content-Length", str(len(body)))
    if isinstance(content, dict) and status == 201:
        handler.send_header("Location", f"Communication/{content.get('id')}")
    handler.end_headers()
    handler.wfile.write(body)
