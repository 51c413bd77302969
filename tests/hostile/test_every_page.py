"""Safety-bar 35: no page of the desk runs what stands in any field, whichever fence stands alone.

The vectors stand in subjects, senders, names of files and people, drafts, replies, notes, reasons
and suggestions; the pages are those of the route table, so a new page is tried by being there.
Short form: 56 vectors, four cases; long form (TRIAGE_LONG=1): all of them.
"""

import functools
import html
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright")
from fastapi import FastAPI
from playwright.sync_api import Browser, Error, Page, Route

from tests.hostile.poisoned import FIELDS, Answer, Poisoned, application, inline, poisoned, walked
from tests.hostile.stage import TELL_TALE, UNFOLD
from tests.hostile.vectors import SCRIPTS, scripts, some
from tests.journeys.served import axe
from tests.sizes import LONG, many
from tests.web.conftest import Visit
from tests.web.practice import PASSWORD
from tests.web.test_routes import routes
from triage.store import Keys
from triage.web.security import CONTENT_SECURITY_POLICY, HEADERS

pytestmark = [pytest.mark.bar(35), pytest.mark.timeout(2400 if LONG else 180)]
HOST = "desk.test"
SEED = 350
#: Those of ours are known to run, so that every kind of page has one that would.
LOUD = [*SCRIPTS, "<img src='http://tracker.invalid/x' onerror=alert(1)>"]
VECTORS = [*LOUD, *some(scripts(), 4 * FIELDS - len(LOUD), seed=SEED)]
random.Random(SEED).shuffle(VECTORS)
#: Answers of one page of the route table that are shown.
EACH = many(1, long=10_000)
#: Touches everything on the page and in its frames the way a curious person would.
TOUCH = """() => {
    const touch = ["click", "mouseover", "mouseenter", "pointerover", "focus", "focusin",
        "keydown", "toggle", "input", "change", "wheel", "copy"];
    const documents = [document];
    for (const frame of document.querySelectorAll("iframe"))
        if (frame.contentDocument) documents.push(frame.contentDocument);
    for (const each of documents) for (const element of each.querySelectorAll("main *, body *")) {
        for (const name of touch) {
            try { element.dispatchEvent(new Event(name, {bubbles: false, cancelable: true})); }
            catch {}
        }
        try { element.focus?.(); if (element.closest("form") === null) element.click?.(); } catch {}
    }
}"""


@pytest.fixture(scope="module")
def found(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poisoned]:
    axe()
    made = poisoned(tmp_path_factory.mktemp("poisoned"), keys, VECTORS)
    yield made
    made.practice.store.close()


@pytest.fixture(scope="module")
def fenced(found: Poisoned) -> tuple[FastAPI, list[Answer]]:
    app = application(found, escaping=True)
    return app, list(walked(app, found))


@pytest.fixture(scope="module")
def raw(found: Poisoned, fenced: object) -> tuple[FastAPI, list[Answer]]:
    app = application(found, escaping=False)
    return app, list(walked(app, found))


@dataclass
class Seen:
    """Pages on which something ran, and other machines that were asked."""

    ran: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    shown: int = 0


def show(
    browser: Browser, made: tuple[FastAPI, list[Answer]], *, policy: bool, each: int = EACH,
    wanted: Collection[str] = (),
) -> Seen:  # fmt: skip
    """Show every page with its own headers, or without its policy and its sandbox.

    Of each page of the route table so many answers are shown, with other cases on them. With
    `wanted` those pages come first, and it ends once something ran on them and on five in all.
    """
    app, answers = made
    seen = Seen()
    context = browser.new_context(service_workers="block")
    context.add_init_script(TELL_TALE)
    shown, found = Counter[str](), list[tuple[int, Answer]]()
    for one in answers:
        if one.is_page and shown[one.page] < each and holds_a_vector(one):
            shown[one.page] += 1
            found.append((shown[one.page], one))
    # Of the wanted pages the first of each, then the second of each.
    found.sort(key=lambda nth: (nth[1].page not in wanted, nth[0] if wanted else 0))
    pages = [one for _, one in found]
    for start in range(0, len(pages), 12):
        if wanted and seen.ran >= set(wanted) and len(seen.ran) >= 5 and seen.asked:
            break
        tabs = [(context.new_page(), one) for one in pages[start : start + 12]]
        for tab, one in tabs:
            _open(tab, one, app, seen, policy=policy)
        for act in (UNFOLD, TOUCH):
            tabs[-1][0].wait_for_timeout(80)
            for tab, _ in tabs:
                try:
                    tab.evaluate(act)
                except Error:
                    # A vector without any fence may take its page away; it was told of before.
                    continue
        tabs[-1][0].wait_for_timeout(80)
        for tab, _ in tabs:
            seen.shown += 1
            tab.close()
    context.close()
    return seen


def holds_a_vector(one: Answer) -> bool:
    text = " ".join(html.unescape(one.text).split())
    return any(word in text for word in words(VECTORS))


@functools.cache
def _file(app: FastAPI, path: str) -> tuple[int, str, bytes]:
    file = Visit(app).get(path)
    return file.status_code, file.headers.get("content-type", ""), file.content


def _open(tab: Page, one: Answer, app: FastAPI, seen: Seen, *, policy: bool) -> None:
    address = f"http://{HOST}/shown"
    headers = one.headers if policy else {"content-type": one.headers["content-type"]}
    headers = {name: value for name, value in headers.items() if name != "content-length"}
    text = one.text if policy else one.text.replace(" sandbox ", " ")

    def answer(route: Route) -> None:
        asked = urlsplit(route.request.url)
        if route.request.url == address and route.request.frame == tab.main_frame:
            route.fulfill(status=200, headers=headers, body=text)
        elif asked.hostname == HOST and asked.path.startswith("/static/"):
            status, kind, content = _file(app, asked.path)
            route.fulfill(status=status, headers={"content-type": kind}, body=content)
        else:
            if asked.hostname != HOST:
                seen.asked.append(route.request.url)
            # No content: the page stays where it is, whatever was clicked.
            route.fulfill(status=204)

    def hear(said: str) -> None:
        if said.startswith("RAN "):
            seen.ran.add(one.page)

    tab.on("console", lambda said: hear(said.text))
    tab.on("dialog", lambda dialog: dialog.dismiss())
    tab.on("popup", lambda other: other.close())
    tab.route("**/*", answer)
    try:
        tab.goto(address, wait_until="domcontentloaded")
    except Error:
        # What went elsewhere at once was heard or asked for before.
        return


def everything(made: tuple[FastAPI, list[Answer]]) -> str:
    return "\n".join(one.text for one in made[1] if one.is_page)


@pytest.mark.browser
def test_nothing_runs_or_loads_on_any_page_with_escaping_alone(
    browser: Browser, fenced: tuple[FastAPI, list[Answer]]
) -> None:
    seen = show(browser, fenced, policy=False)
    assert seen.shown >= 8
    assert (seen.ran, seen.asked) == (set(), [])


@pytest.mark.browser
def test_nothing_runs_on_any_page_with_policy_and_sandbox_alone(
    browser: Browser, raw: tuple[FastAPI, list[Answer]]
) -> None:
    seen = show(browser, raw, policy=True)
    assert seen.shown >= 8
    assert seen.ran == set()


@pytest.mark.browser
def test_the_pages_are_seen_to_run_scripts_without_any_fence(
    browser: Browser, raw: tuple[FastAPI, list[Answer]]
) -> None:
    loud = {"GET /case/{case_id}", "GET /queue"}
    # Of the thousands of the long form the few names on the page of users may hold none that runs.
    loud |= set() if LONG else {"GET /users"}
    seen = show(browser, raw, policy=False, each=many(1, long=12), wanted=loud)
    assert loud <= seen.ran
    assert len(seen.ran) >= 5
    assert seen.asked


def test_every_page_is_there_and_carries_its_fences(
    found: Poisoned, fenced: tuple[FastAPI, list[Answer]], raw: tuple[FastAPI, list[Answer]]
) -> None:
    """CSP, headers, nothing inline, sandboxed frames: on every page of the route table."""
    app, answers = fenced
    assert {one.page for one in answers} >= {
        " ".join(page) for page in routes(app) - {("POST", "/log-out")}
    }
    shown = {one.page for one in answers if one.status == 200}
    # Everything that can be looked at was, with something on it.
    unseen = {one.page for one in answers if one.page.startswith("GET ")} - shown
    # Nobody practises, no provider is set up, nothing runs beside the desk, and this browser is no
    # monitor.
    elsewhere = {"GET /log-in/openid", "GET /log-in/openid/back", "GET /healthz", "GET /metrics"}
    elsewhere |= {"GET /score"}
    # Two pages only lead on to another.
    ways = {"GET /", "GET /away/next", "GET /log-in/code", "GET /log-in/enrol"}
    assert unseen <= ways | elsewhere
    for one in answers:
        assert one.status < 500 or one.page == "GET /healthz", one.page
        saved = "attachment" in one.headers.get("content-disposition", "")
        for name, value in HEADERS.items():
            if not (saved and name == "Content-Security-Policy"):
                assert one.headers[name.lower()] == value, (one.page, name)
        assert one.headers["content-security-policy"] in (
            CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox",
        ), one.page  # fmt: skip
        assert one.is_page or saved or one.status != 200 or spoken(one)
        if one.is_page:
            assert inline(one.text) == [], one.page
    assert everything(fenced).count("<iframe") >= len(found.cases)
    # The sabotage: the same pages unescaped hold inline script, and frames without a sandbox show.
    assert len({one.page for one in raw[1] if one.is_page and inline(one.text)}) >= 6
    assert inline(everything(fenced).replace(" sandbox ", " "))


def test_every_cookie_is_for_this_site_and_no_script(found: Poisoned) -> None:
    app = application(found, escaping=True)
    for scheme in ("http", "https"):
        visit = Visit(app)
        origin = f"{scheme}://127.0.0.1"
        form = {"username": "dana", "password": PASSWORD}
        said = visit.client.post(f"{origin}/log-in", data=form, headers={"Origin": origin})
        cookies = said.headers.get_list("set-cookie")
        assert {one.partition("=")[0] for one in cookies} >= {"desk"}
        for one in cookies:
            flags = {part.strip().lower() for part in one.split(";")[1:]}
            assert {"httponly", "samesite=strict"} <= flags
            assert ("secure" in flags) == (scheme == "https")
            assert not any(flag.startswith("domain") for flag in flags)


def spoken(one: Answer) -> bool:
    """Whether only a script of ours reads it, as data."""
    return any(kind in one.headers["content-type"] for kind in ("json", "text/event-stream"))


def words(vectors: Sequence[str]) -> set[str]:
    return {" ".join(one.split())[:30] for one in vectors if one.isascii() and one.isprintable()}


def test_the_vectors_do_stand_on_the_pages(fenced: tuple[FastAPI, list[Answer]]) -> None:
    """Or nothing was tried: unescaped again, most of them are found as they are."""
    text = " ".join(html.unescape(everything(fenced)).split())
    stand = [one for one in words(VECTORS) if one in text]
    assert len(stand) >= 0.7 * len(words(VECTORS))
