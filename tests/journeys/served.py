"""A practice served on loopback and a Chromium that looks at it, as far as journeys need them."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from fastapi import FastAPI

from tests.web.practice import CLINIC, MASTER, PASSWORD, Practice
from triage.domain import Channel
from triage.errors import MissingAssets
from triage.pipeline import send
from triage.testing import MemoryOutbox
from triage.web.app import create_app
from triage.web.assets import install_assets
from triage.web.visitor import COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHECKOUT = Path(__file__).resolve().parents[2]
#: What Chromium must not do by itself: a test that counts requests would count these. And what
#: only costs time where there is no graphics card and nobody installs an extension.
QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-gpu-rasterization",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
)


def absent(what: str) -> None:
    """Skip a journey that cannot be made here; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and in CI nothing may be skipped")
    pytest.skip(what)


def chromium() -> str:
    """Return the path of Debian's chromium."""
    found = shutil.which("chromium")
    if found is None:
        absent("chromium is not installed (apt-get install chromium)")
    return found or ""


def axe() -> str:
    """Return the source of axe-core, fetching the pages' own files and it where they are not."""
    try:
        install_assets()
        folder = install_assets(CHECKOUT / ".cache" / "web-tests", tests=True)
    except MissingAssets as missing:
        absent(str(missing))
    return (folder / "axe.min.js").read_text(encoding="utf-8")


def serious(page: "Page", axe_source: str, *only: str) -> list[str]:
    """Return axe's serious and critical findings, of these rules or of all: rule and place."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_source)
    options = {"resultTypes": ["violations"], "iframes": False}
    if only:
        options["runOnly"] = list(only)
    result = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{found['id']} {node['target']}"
        for found in result["violations"]
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


@dataclass
class Served:
    """A practice and the address its desk answers at."""

    practice: Practice
    address: str

    def case(self, key: str) -> str:
        """Return the address of one of the morning's cases."""
        return f"{self.address}/case/{self.practice.cases[key]}"


def pass_the_moment(served: Served) -> None:
    """Turn the practice's clock past the moment in which a reply can be taken back."""
    transactions = served.practice.store.transactions
    later = timedelta(seconds=served.practice.desk.replies._undo.total_seconds() + 1)
    real = transactions.clock
    transactions.clock = served.practice.desk._clock = lambda: real() + later


def deliver(served: Served) -> MemoryOutbox:
    """Send as the sender does once the moment is over, proof and all; return what left."""
    pass_the_moment(served)
    store, outbox = served.practice.store, MemoryOutbox()
    for _, reply_id in store.replies.due(served.practice.desk._clock() + timedelta(1), limit=9):
        ways = {Channel.EMAIL: outbox, Channel.PORTAL: outbox}
        send(reply_id, store, ways, clinic="c1", by="sender", master=MASTER)
    return outbox


@contextmanager
def serving(practice: Practice) -> Iterator[Served]:
    """Serve a practice on a free port until the block ends."""
    with serving_app(create_app(practice.desk, clinic_name=CLINIC.name)) as address:
        yield Served(practice, address)


@contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port until the block ends; yield its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@dataclass
class Tracker:
    """A server on loopback that remembers which paths somebody asked it for."""

    host: str
    heard: list[str]

    def aimed(self, source: str) -> str:
        """Return hostile HTML that would report to this server."""
        return source.replace("tracker.invalid", self.host).replace("phish.invalid", self.host)


@contextmanager
def tracking() -> Iterator[Tracker]:
    """Listen on a free port until the block ends."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Tracker(f"127.0.0.1:{server.server_port}", heard)
    finally:
        server.shutdown()
        server.server_close()


def sign_in(page: "Page", served: Served, name: str, *, code: str | None = None) -> None:
    """Sign in by the form; with a code, hand it to the browser on the way."""
    page.goto(f"{served.address}/log-in")
    page.locator("html[data-ready]").wait_for()
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    if code:
        page.click("summary")
        page.fill("#code", code)
    page.keyboard.press("Enter")
    if name in served.practice.secrets:
        page.wait_for_url("**/log-in/code")
        page.locator("html[data-ready]").wait_for()
        page.fill("[name=code]", served.practice.one_time_code(name))
        page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "log-in" not in url)
    page.locator("html[data-ready]").wait_for()


def seat(page: "Page", served: Served, name: str) -> None:
    """Open the first page in a session that the store was asked for: the form is tested elsewhere.

    Typing in the form costs two pages more, in every test that has nothing to say about it.
    """
    token = {"name": COOKIE, "value": served.practice.sign_in(name), "url": served.address}
    page.context.add_cookies([{**token, "httpOnly": True, "sameSite": "Strict"}])
    page.goto(served.address)
    page.locator("html[data-ready]").wait_for()
