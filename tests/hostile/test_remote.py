"""Safety-bar 36: nothing is fetched when a mail is read, opened, printed or quoted.

Short form: 60 mails. Long form (TRIAGE_LONG=1): 300. Requests are counted by Chromium itself; names
looked up and connections made are read from its own network log.
"""

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser

from tests.hostile.stage import Fences, watch
from tests.hostile.vectors import some
from tests.journeys.served import QUIET, chromium
from tests.sizes import LONG
from triage.parsing.mail import read_mail

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200 if LONG else 180), pytest.mark.bar(36)]
WHERE = "tracker-{n}.invalid"
#: Every way a layout may ask for something; `{u}` is an address, `{h}` its host.
WAYS = (
    "<img src='{u}'>",
    "<img srcset='{u} 2x'>",
    "<picture><source srcset='{u}'><img></picture>",
    "<link rel=stylesheet href='{u}'>",
    "<link rel=prefetch href='{u}'>",
    "<base href='{u}'><img src=x>",
    "<link rel=dns-prefetch href='//{h}'>",
    "<link rel=preconnect href='{u}'>",
    "<link rel=icon href='{u}'>",
    "<link rel=preload as=image href='{u}'>",
    "<link rel=modulepreload href='{u}'>",
    "<style>@import '{u}';</style>",
    "<style>p{{background:url({u})}}</style><p>p</p>",
    "<style>@font-face{{font-family:x;src:url({u})}}p{{font-family:x}}</style><p>p</p>",
    "<style>p::before{{content:url({u})}}</style><p>p</p>",
    "<p style='background:url({u})'>p</p>",
    "<p style='border-image:url({u})'>p</p>",
    "<ul style='list-style:url({u})'><li>l</ul>",
    "<p style='cursor:url({u}),auto'>p</p>",
    "<style>@media print{{p{{background:url({u})}}}}</style><p>p",
    "<svg><image href='{u}'/></svg>",
    "<svg><use href='{u}#x'/></svg>",
    "<svg><feImage href='{u}'/></svg>",
    "<video src='{u}' autoplay></video>",
    "<video poster='{u}'></video>",
    "<audio src='{u}' autoplay></audio>",
    "<video><track default src='{u}'></video>",
    "<iframe src='{u}'></iframe>",
    "<embed src='{u}'>",
    "<object data='{u}'></object>",
    "<table background='{u}'><td>t</table>",
    "<body background='{u}'>b",
    "<form action='{u}'><button autofocus>b</button></form>",
    "<input type=image src='{u}'>",
    "<meta http-equiv=refresh content='0;url={u}'>",
    "<a href='{u}' ping='{u}'>a</a>",
    "<script src='{u}'></script>",
    "<frameset><frame src='{u}'></frameset>",
    "<portal src='{u}'></portal>",
    "<blockquote cite='{u}'>q</blockquote>",
)
SCHEMES = ("http://{h}/x", "https://{h}/x", "//{h}/x", "HTTP:\\\\{h}\\x", "http://{h}:8080/?d=patient",
           "ws://{h}/x", "ftp://{h}/x", "http://{h}/x#y")  # fmt: skip


def layouts() -> list[str]:
    """Return 320 layouts that ask for something, each of a host of its own."""
    pairs = itertools.product(WAYS, SCHEMES)
    return [
        way.format(u=scheme.format(h=WHERE.format(n=number)), h=WHERE.format(n=number))
        for number, (way, scheme) in enumerate(pairs)
    ]


def opened(layout: str) -> str:
    """Return the layout as our own reading hands it on."""
    head = b"From: Ana <ana@example.org>\nContent-Type: text/html; charset=utf-8\n\n"
    return read_mail(head + layout.encode()).html


LAYOUTS = some(layouts(), 60, seed=36)


@pytest.fixture
def logged(browser: Browser, tmp_path: Path) -> Iterator[tuple[Browser, Path]]:
    """A Chromium of its own that writes down every name it looks up."""
    log = tmp_path / "net.json"
    words = [*QUIET, f"--log-net-log={log}", "--net-log-capture-mode=Everything"]
    own = browser.browser_type.launch(executable_path=chromium(), args=words)
    yield own, log
    own.close()


def test_there_are_enough_ways() -> None:
    assert len(set(layouts())) >= 300


def test_nothing_leaves_when_a_mail_is_opened(logged: tuple[Browser, Path]) -> None:
    own, log = logged
    mails = [opened(layout) for layout in LAYOUTS]
    for fences in (Fences(sanitiser=True, policy=True), Fences(sanitiser=True, policy=False)):
        assert watch(own, mails, fences).asked == []
    own.close()
    assert b"tracker-" not in log.read_bytes()


def test_without_a_fence_the_log_is_seen_to_name_trackers(logged: tuple[Browser, Path]) -> None:
    own, log = logged
    seen = watch(own, LAYOUTS, Fences(sanitiser=False, policy=False))
    assert len(seen.asked) > len(LAYOUTS) / 3
    own.close()
    assert b"tracker-" in log.read_bytes()


def test_the_reading_itself_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise AssertionError("somebody was asked")

    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, nobody)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    for layout in layouts():
        assert opened(layout)
