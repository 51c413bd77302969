"""A secretary's morning in real Chromium, on the real desk and store.

Set TRIAGE_SCREENSHOTS to a folder to keep the pictures of every page.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.served import (
    Served,
    Tracker,
    axe,
    deliver,
    pass_the_moment,
    seat,
    serious,
    serving,
    sign_in,
    tracking,
)
from tests.newcomers.trainees import teach
from tests.web.practice import (
    HOSTILE_HTML,
    MORNING,
    PASSWORD,
    PEOPLE,
    open_copy,
    open_practice,
)
from tests.web.test_portal_page import FACTS, connect, in_the_portal
from triage.domain import CaseState, Protected, ReplyState, Wanted
from triage.web.access import ANYBODY, ARRIVING, ROWS, SIGNED_IN

pytestmark = pytest.mark.browser
#: The last is a desktop window zoomed to 400 %, as WCAG asks.
DESKTOP, PHONE, ZOOMED = (1280, 800), (390, 844), (320, 256)
#: Milliseconds after which an open page asks what became of a reply: the moment, and a little.
WAIT = 40_000
#: A promise that can be kept, and one that cannot.
ASKED = ("?one_in=50&wrong=5", "?one_in=500&wrong=1")
#: Where the desk shows something, and who may see it.
PAGES = (
    *(("dana", page) for page in ("queue", "queue?lane=sorted", "account", "log-in", "nowhere")),
    ("dana", "account/password"),
    *(("dana", page) for page in ("for-me", "away", "downtime")),
    *(("nia", page) for page in ("sample", "clinical")),
    *(("sam", page) for page in ("audit", "models", "emergencies", "approvals", "forms")),
    *(("sam", page) for page in ("teams", "practice", "downtime")),
    *(("sam", page) for page in ("templates", "templates/refill.en", "contacts")),
    *(("ada", page) for page in ("users", "emergency")),
    *(("sam", f"models/promises{asked}") for asked in ("", *ASKED)),
    *(("devi", page) for page in ("models", "models/promises")),
)
CASES = ("chest", "fever", "refill", "unsorted", "hostile", "stranger", "broken", "move")


@pytest.fixture(scope="session")
def axe_source() -> str:
    return axe()


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("morning")
    open_practice(folder).store.close()
    return folder


@pytest.fixture
def served(morning: Path, tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "practice"
    shutil.copytree(morning, folder)
    practice = open_copy(folder)
    with serving(practice) as answering:
        yield answering
    practice.store.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, axe_source: str, served: Served) -> Iterator[Opened]:
    """Return a way to open a signed-in page in a browser of its own."""
    contexts = []

    def make(name: str = "", *, size: tuple[int, int] = DESKTOP, code: bool = False) -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        if code:
            sign_in(page, served, name, code=served.practice.code(name))
        elif name:
            seat(page, served, name)
        return page

    yield make
    for context in contexts:
        context.close()


def press(page: Page, key: str) -> None:
    """Press a key once the page's scripts listen."""
    page.locator("html[data-ready]").wait_for()
    page.keyboard.press(key)


def words(page: Page) -> Locator:
    """Return the editor of a case page."""
    return page.get_by_role("textbox", name="Words")


def test_from_the_queue_to_an_arrived_reply_by_keyboard(served: Served, opened: Opened) -> None:
    page = opened("dana", code=True)
    page.clock.install()
    first = page.locator(".row").first
    expect(first).to_contain_text("Emergency")
    expect(page.locator(".row").nth(1)).to_contain_text("Today")
    target = page.get_by_role("link", name="Refill of lisinopril")
    while not target.evaluate("link => link === document.activeElement"):
        press(page, "j")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Rosalind Keane")).to_be_visible()
    expect(page.get_by_text("1957-08-14").first).to_be_visible()
    press(page, "e")
    words(page).press_sequentially("Hello. ")
    press(page, "Control+Enter")
    expect(page.get_by_text("Exactly this leaves")).to_be_visible()
    expect(page.locator('[data-field="body"]')).to_contain_text("Dear Rosalind Keane")
    press(page, "Control+Enter")
    expect(page.get_by_role("button", name="Take it back")).to_be_visible()
    left = deliver(served)
    assert [words.recipient.reveal() for _, words in left.sent] == ["rosalind.keane@example.org"]
    # Nobody reloads: the page asks by itself until the reply is settled.
    press(page, "x")
    close = page.locator("#close button")
    expect(close).to_be_disabled()
    expect(page.locator("#leaving")).to_contain_text("A reply is on its way")
    page.clock.fast_forward(WAIT)
    expect(page.get_by_text("Accepted by the mail server")).to_be_visible()
    # Closing it is the last of the work: what it asked for, and the outcome that is true by now.
    expect(close).to_be_enabled()
    press(page, "x")
    expect(page.get_by_label("Answered")).to_be_checked()
    expect(page.get_by_label("Everything it asked for is done")).to_be_focused()
    press(page, "Space")
    press(page, "Control+Enter")
    page.wait_for_url("**/queue")
    file = served.practice.desk.queue.open(PEOPLE["dana"], served.practice.cases["refill"]).file
    assert (file.case.state, file.case.outcome) == (CaseState.CLOSED, "answered")
    assert all(request.done for request in file.case.requests)


def test_a_routine_case_takes_at_most_four_keys_from_opened_to_approved(
    served: Served, opened: Opened
) -> None:
    page = opened("dana", code=True)
    page.goto(served.case("bill"))
    steps = (
        ("e", words(page)),
        ("Control+Enter", page.get_by_role("button", name="Approve and send")),
        ("Control+Enter", page.get_by_role("button", name="Take it back")),
    )
    for key, next_thing in steps:
        press(page, key)
        expect(next_thing).to_be_visible()
    assert len(steps) <= 4


def test_a_second_press_approves_nothing_of_the_next_case_in_a_run(
    served: Served, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, dana = served.practice.desk, PEOPLE["dana"]
    cases = [served.practice.cases[key] for key in ("refill", "bill")]
    for case in cases:
        desk.queue.claim(dana, case)
        desk.replies.save(dana, case, subject=Protected("Yours"), body=Protected("We will call."))
    # The server's own second is looked at in test_bulk.py; waited for it would take a true one.
    monkeypatch.setattr("triage.desk.checking.AT_ONCE", timedelta())
    page = opened("dana", code=True)
    page.clock.install()
    button = page.get_by_role("button", name="Approve and send")
    says = page.get_by_text("Read it first")
    page.goto(f"{served.address}/away/next")
    expect(says).to_be_visible()
    place, before = page.url, button.bounding_box()
    expect(button).to_have_accessible_description("Read it first: approving opens in a moment.")
    page.clock.fast_forward(2000)
    expect(button).to_be_enabled()
    expect(says).to_be_hidden()
    assert button.bounding_box() == before
    press(page, "Control+Enter")
    page.wait_for_url(lambda url: url != place)
    # Twice by key, by mouse, and by key where the button would have the focus.
    place = page.url
    press(page, "Control+Enter")
    button.click(force=True, click_count=2)
    page.keyboard.press("Enter")
    expect(button).to_be_disabled()
    assert sorted(len(desk.queue.open(dana, case).replies) for case in cases) == [0, 1]
    # The one just approved can be taken back here; what becomes of it moves no button below it.
    (first,) = [case for case in cases if desk.queue.open(dana, case).replies]
    sent_to = desk.queue.open(dana, first).replies[0].outgoing.recipient.reveal()
    strip, here = page.locator("#before"), button.evaluate("button => button.offsetTop")
    expect(strip).to_contain_text(sent_to)
    expect(strip.get_by_role("button", name="Take it back")).to_be_in_viewport()
    expect(page.locator("#approve button")).to_be_in_viewport()
    # Whoever does anything else is at work on this page.
    page.mouse.wheel(0, 1)
    expect(button).to_be_enabled()
    deliver(served)
    page.clock.fast_forward(WAIT)
    expect(strip).to_contain_text("Accepted by the mail server")
    assert button.evaluate("button => button.offsetTop") == here
    press(page, "Control+Enter")
    # Behind the last it is shown on its own page.
    page.wait_for_url("**#replies")
    assert all(desk.queue.open(dana, case).replies for case in cases)
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Taken back")).to_be_visible()


def test_a_reply_is_taken_back_within_the_moment(served: Served, opened: Opened) -> None:
    page = opened("dana", code=True)
    page.goto(served.case("bill"))
    page.click("text=Save and check")
    page.click("text=Approve and send")
    page.click("text=Take it back")
    expect(page.get_by_text("Taken back")).to_be_visible()
    assert deliver(served).sent == []


def test_the_code_never_leaves_the_browser_and_cannot_be_read_back(
    served: Served, opened: Opened
) -> None:
    page, code = opened(), served.practice.code("dana")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
    sign_in(page, served, "dana", code=code)
    page.goto(served.case("refill"))
    page.click("text=Save and check")
    page.click("text=Approve and send")
    page.get_by_role("button", name="Take it back").wait_for()
    assert any("proof=" in request for request in asked)
    assert not [request for request in asked if code in request]
    kept = page.evaluate(
        """async () => {
            const open = indexedDB.open("triage");
            await new Promise((done) => { open.onsuccess = done; });
            const get = open.result.transaction("keys").objectStore("keys").get("dana");
            await new Promise((done) => { get.onsuccess = done; });
            const raw = await crypto.subtle.exportKey("raw", get.result).catch(() => "refused");
            return [get.result.extractable, raw];
        }"""
    )
    assert kept == [False, "refused"]


def test_without_a_code_the_page_asks_for_it_and_a_wrong_one_sends_nothing(
    served: Served, opened: Opened
) -> None:
    page = opened("dana")
    page.clock.install()
    page.goto(served.case("bill"))
    page.click("text=Save and check")
    page.click("text=Approve and send")
    expect(page.locator("#approve-trouble")).to_contain_text("does not have your approval code")
    page.fill("#code", "12")
    page.click("text=Approve and send")
    expect(page.locator("#approve-trouble")).to_contain_text("64 digits")
    page.fill("#code", "ab" * 32)
    page.click("text=Approve and send")
    page.get_by_role("button", name="Take it back").wait_for()
    assert deliver(served).sent == []
    page.clock.fast_forward(WAIT)
    expect(page.get_by_text("Not sent")).to_be_visible()


def test_words_changed_on_the_screen_are_not_approved(served: Served, opened: Opened) -> None:
    page = opened("dana", code=True)
    page.goto(served.case("bill"))
    page.click("text=Save and check")
    page.locator("[data-field=body]").evaluate("body => body.append('!')")
    page.click("text=Approve and send")
    expect(page.locator("#approve-trouble")).to_contain_text("not what was saved")
    page.reload()
    page.click("text=Change the words")
    words(page).fill("Something else")
    expect(page.get_by_role("button", name="Approve and send")).to_be_disabled()
    press(page, "Control+Enter")
    expect(page.locator('[data-field="body"]')).to_have_text("Something else")
    assert (
        served.practice.desk.queue.open(PEOPLE["dana"], served.practice.cases["bill"]).replies == ()
    )


STRANGE = (
    "Grüße 你好 🙂\n\n  indented\ttabbed\n\u202eesrever\u202c a\u200bb <b>&amp;</b> \u00e9 e\u0301"
)


def test_the_browser_digests_strange_words_as_the_sender_does(
    served: Served, opened: Opened
) -> None:
    page = opened("dana", code=True)
    page.goto(served.case("bill"))
    page.get_by_label("Subject").fill("Ünïcode \u2066 & <i>")
    words(page).fill(STRANGE)
    page.click("text=Save and check")
    expect(page.locator(".unseen").first).to_be_attached()
    page.click("text=Approve and send")
    page.get_by_role("button", name="Take it back").wait_for()
    assert [words.body.reveal() for _, words in deliver(served).sent] == [STRANGE]


def test_words_saved_by_another_meanwhile_are_refused(served: Served, opened: Opened) -> None:
    page = opened("dana", code=True)
    page.goto(served.case("bill"))
    page.click("text=Save and check")
    expect(page.get_by_role("button", name="Approve and send")).to_be_enabled()
    other = opened("sam")
    other.goto(served.case("bill"))
    other.click("text=Change the words")
    words(other).fill("Other words")
    other.click("text=Save and check")
    expect(other.locator('[data-field="body"]')).to_have_text("Other words")
    page.click("text=Approve and send")
    expect(page.get_by_role("heading", name="changed while you were looking")).to_be_visible()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_who_saves_second_sees_both_words_and_chooses(
    served: Served, opened: Opened, axe_source: str, size: tuple[int, int]
) -> None:
    page, other = opened("milo", size=size), opened("sam")
    for one, typed in ((page, "Mine, typed at length."), (other, "Theirs.")):
        one.goto(served.case("bill"))
        one.locator("html[data-ready]").wait_for()
        words(one).fill(typed)
    other.click("text=Save and check")
    expect(other.locator('[data-field="body"]')).to_have_text("Theirs.")
    page.click("text=Save and check")
    expect(page.locator("#saved")).to_contain_text("Theirs.")
    expect(words(page)).to_have_value("Mine, typed at length.")
    assert serious(page, axe_source) == []
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    if folder := os.environ.get("TRIAGE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"milo-unsaved-{size[0]}.png", full_page=True)
    page.click("text=Save mine in their place")
    expect(page.locator('[data-field="body"]')).to_have_text("Mine, typed at length.")


def test_a_claim_locks_the_case_for_others(served: Served, opened: Opened) -> None:
    milo, dana = opened("milo"), opened("dana")
    milo.goto(served.case("refill"))
    dana.goto(served.case("refill"))
    press(milo, "c")
    expect(milo.get_by_text("you have it")).to_be_visible()
    press(dana, "c")
    expect(dana.get_by_role("heading", name="Somebody else is on this case")).to_be_visible()
    dana.goto(served.case("refill"))
    expect(dana.get_by_text("Milo Brandt is working on this").first).to_be_visible()
    expect(dana.get_by_role("button", name="Save and check")).to_have_count(0)


def test_an_unknown_sender_is_found_and_linked(served: Served, opened: Opened) -> None:
    page = opened("dana")
    page.goto(served.case("stranger"))
    page.get_by_label("Name, birth date").fill("tobias 1983")
    press(page, "Enter")
    page.get_by_label("tobias.lindqvist@example.org").check()
    assert "tobias" not in page.url
    page.click("text=This is the patient")
    expect(page.get_by_role("heading", name="Tobias Lindqvist")).to_be_visible()
    expect(page.get_by_role("heading", name="Write a reply")).to_be_visible()


def look_again(page: Page) -> None:
    """Make an open queue ask for news now instead of after its few seconds."""
    with page.expect_response(lambda response: "/queue/version" in response.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_new_urgent_message_shows_without_moving_anything_under_the_cursor(
    served: Served, opened: Opened
) -> None:
    page = opened("dana")
    page.get_by_text("WIN a practice makeover").hover()
    fresh = replace(MORNING[0], key="new", writer=1, subject="Cannot breathe well", score=99)
    served.practice.receive(fresh)
    look_again(page)
    expect(page.locator("#urgent-now")).to_contain_text("Cannot breathe well")
    expect(page).to_have_title("(3 urgent) Queue · Alder Street Practice")
    # Among equally urgent ones whoever waits longest comes first; test_calm.py says what moves.
    expect(page.locator(".row.emergency", has_text="Cannot breathe well")).to_be_visible()


def test_an_open_queue_page_says_what_stopped_working(served: Served, opened: Opened) -> None:
    beat = served.practice.store.beats.beat
    beat("worker")
    page = opened("dana")
    alarms = page.locator(".banner[data-banner]", has_text="The classifier is not working")
    expect(alarms).to_have_count(0)
    beat("worker", notes=["no_classifier"])
    look_again(page)
    expect(alarms).to_have_count(1)
    expect(alarms).to_have_class("banner alarm")
    told = page.locator(".banner[data-banner]").all_inner_texts()
    look_again(page)
    expect(alarms).to_have_count(1)
    beat("worker")
    look_again(page)
    expect(alarms).to_have_count(0)
    # The others stay; one more may have become true meanwhile.
    kept = [text for text in told if "classifier" not in text]
    assert set(kept) <= set(page.locator(".banner[data-banner]").all_inner_texts())


def test_a_queue_page_that_lost_the_desk_says_so(served: Served, opened: Opened) -> None:
    page = opened()
    page.clock.install()
    page.route("**/queue/stream", lambda route: route.abort())
    sign_in(page, served, "dana")
    for door in ("queue/version", "urgent"):
        page.route(f"**/{door}", lambda route: route.abort())
    page.clock.run_for(60_000)
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#deaf")).to_be_hidden()
    page.clock.run_for(90_000)
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#deaf")).to_contain_text("No answer: urgent messages are not shown here.")


def test_a_page_whose_session_ended_says_that_it_hears_of_nothing(
    served: Served, opened: Opened
) -> None:
    page = opened()
    page.clock.install()
    # Nothing urgent waits, so that whatever rings is this.
    calm = {"waiting": 0, "minutes": 0, "news": ""}
    page.route("**/urgent", lambda route: route.fulfill(json=calm))
    sign_in(page, served, "dana")
    page.evaluate("localStorage.setItem('urgent-sound', 'on')")
    # Only what can be heard is counted: a press, and the browser lets the page sound.
    page.locator("h1").click(force=True)
    line, rang = page.locator("#deaf"), page.evaluate("Number(document.body.dataset.rang ?? 0)")
    expect(line).to_be_hidden()
    page.unroute("**/urgent")
    page.context.clear_cookies()
    # One answer tells it, and the next ones ring no more. The queue itself would leave at once.
    page.route("**/queue/version", lambda route: route.abort())
    for _ in range(2):
        with page.expect_response(
            lambda response: response.url.endswith("/urgent") and response.status == 401
        ):
            page.clock.run_for(4000)
    expect(line).to_contain_text("Signed out: urgent messages are not shown here.")
    assert page.evaluate("Number(document.body.dataset.rang)") - rang == 1
    line.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("urgent messages are not shown here")


#: Keeps the page's own sound where a test can ask it how it is.
SOUND = """localStorage.setItem("urgent-sound", "on");
window.AudioContext = class extends AudioContext {
  constructor() { super(); window.sound = this; }
};"""


def test_the_page_says_when_no_sound_would_be_heard_and_sounds_after_one_press(
    served: Served, opened: Opened
) -> None:
    page = opened()
    page.add_init_script(SOUND)
    # Nobody ever pressed anything here: as where a queue is opened from a link and left alone.
    seat(page, served, "dana")
    button, says = page.locator("#urgent-sound"), page.locator("#soundless")
    how, rang = "window.sound.state", re.compile("[0-9]")
    expect(says).to_be_visible()
    expect(button).to_have_text("Press once for sound")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(how) == "suspended"
    expect(page.locator("body[data-rang]")).to_have_count(0)
    button.click()
    expect(page.locator("body")).to_have_attribute("data-rang", rang)
    assert page.evaluate(how) == "running"
    expect(button).to_have_text("Sound is on")
    expect(says).to_be_hidden()
    # By a link the browser knows the person from the page before: nobody presses, and it rings.
    page.get_by_role("link", name="For me").click()
    page.wait_for_url("**/for-me")
    expect(page.locator("body")).to_have_attribute("data-rang", rang)
    assert page.evaluate(how) == "running"
    expect(button).to_have_text("Sound is on")
    button.click()
    expect(button).to_have_text("Allow sound")


def see_hostile(page: Page, served: Served) -> list[str]:
    """Open the hostile message with its layout; return every address that was asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.goto(served.case("hostile"))
    page.click("text=With its layout")
    frame = page.frame_locator("iframe")
    frame.get_by_text("Monday").wait_for()
    for word in ("styled", "Monday", "click"):
        frame.get_by_text(word).first.hover()
        frame.get_by_text(word).first.click()
    page.wait_for_timeout(300)
    assert page.evaluate("[window.owned, document.title.includes('OWNED')]") == [None, False]
    return asked


def elsewhere(asked: list[str], served: Served) -> list[str]:
    return [url for url in asked if not url.startswith((served.address, "about:", "data:,"))]


def test_a_hostile_mail_runs_nothing_and_fetches_nothing(served: Served, opened: Opened) -> None:
    assert elsewhere(see_hostile(opened("dana"), served), served) == []


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with tracking() as listening:
        yield listening


def test_sandbox_and_policy_hold_without_the_sanitiser(
    served: Served, opened: Opened, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage of the first fence: the raw HTML in the frame still neither runs nor fetches."""
    monkeypatch.setattr("triage.web.harmless.mail_html", tracker.aimed)
    page = opened("dana")
    see_hostile(page, served)
    assert tracker.host in page.content()
    # Chromium may announce a request before its policy stops it; the listener hears the truth.
    assert tracker.heard == []


def test_the_hostile_mail_is_seen_to_act_without_any_fence(
    opened: Opened, tracker: Tracker
) -> None:
    page = opened()
    page.set_content(tracker.aimed(HOSTILE_HTML))
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.owned") == 1
    assert {"/pixel.gif", "/css", "/frame"} <= set(tracker.heard)


#: Not pages but pieces of one, files, counts and ways elsewhere.
NO_PAGES = {
    "/", "/queue/rows", "/queue/version", "/urgent", "/away/next", "/healthz", "/metrics",
    "/queue/stream", "/log-in/openid",
    "/log-in/openid/back", "/case/{case_id}/attachment/{attachment_id}",
    "/case/{case_id}/here", "/forms/{form_id}",
    "/case/{case_id}/original/{message_id}", "/case/{case_id}/reply/{reply_id}",
}  # fmt: skip
#: Looked at by axe on the way in: below, and in `test_accounts`.
ON_THE_WAY = {"/log-in/code", "/log-in/enrol", "/log-in/password"}


def test_axe_looks_at_every_page_there_is(served: Served) -> None:
    rows = ANYBODY | ARRIVING | SIGNED_IN | ROWS.keys()
    pages = {path for method, path in rows if method == "GET"} - NO_PAGES - ON_THE_WAY
    walked = [path.partition("?")[0] for _, path, _ in everything(served)]
    missed = {
        page
        for page in pages
        if not any(re.fullmatch(re.sub(r"{\w+}", r"[^/]+", page), f"/{path}") for path in walked)
    }
    assert missed == set()


def everything(served: Served) -> list[tuple[str, str, str]]:
    """Return (who, path, name of the picture) of every page worth a look."""
    cases = [("dana", f"case/{served.practice.cases[key]}", f"case-{key}") for key in CASES]
    asked = served.practice.desk.search.keep(PEOPLE["dana"], Wanted(Protected("form")))
    found = [("dana", f"search/{asked}", "search")]
    practice = served.practice
    connect(practice, FACTS)
    found += [("dana", f"case/{in_the_portal(practice)[0]}/portal", "portal")]
    found += [("sam", f"case/{practice.cases['refill']}/history", "history")]
    teach(practice)
    found += [("sam", "score", "score")]
    item = practice.desk.supervision.sample(PEOPLE["nia"])[0]
    found += [("nia", f"sample/{item.id}", "sample-item")]
    return [*((who, path, re.sub(r"\W+", "-", path)) for who, path in PAGES), *cases, *found]


def test_a_search_is_typed_in_the_queue_and_is_there_again_on_the_way_back(
    served: Served, opened: Opened
) -> None:
    page = opened("dana")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("searchbox", name="Search all cases").fill("Keane pharmacy")
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Refill of lisinopril")
    link.click()
    expect(page.get_by_role("heading", name="Rosalind Keane")).to_be_visible()
    page.go_back()
    expect(link).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("Keane pharmacy")
    assert not [url for url in asked if "Keane" in url or "pharmacy" in url]


def test_a_menu_closes_on_escape_and_on_a_press_elsewhere(served: Served, opened: Opened) -> None:
    page = opened("sam")
    page.goto(f"{served.address}/practice")
    page.locator("html[data-ready]").wait_for()
    name = page.locator(".menu summary", has_text="Set up")
    expect(name).to_have_attribute("aria-current", "true")
    inside = page.locator(".menu").get_by_role("link", name="Teams")
    name.click()
    expect(inside).to_be_visible()
    page.keyboard.press("Escape")
    expect(inside).to_be_hidden()
    expect(name).to_be_focused()
    name.click()
    page.locator("h1").click()
    expect(inside).to_be_hidden()


def test_every_page_fits_its_window_and_has_no_serious_barrier(
    served: Served, opened: Opened, axe_source: str, tmp_path: Path
) -> None:
    # Pictures for people to look at take as long as the rest together: they are made when wanted.
    wanted = os.environ.get("TRIAGE_SCREENSHOTS")
    folder = Path(wanted or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    people: dict[str, Page] = {}
    faults = []
    served.practice.desk.people.forget_authenticator(PEOPLE["ada"], "u-milo")
    for name, place in (("dana", "code"), ("milo", "enrol")):
        page = opened()
        page.goto(f"{served.address}/log-in")
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/log-in/{place}")
        faults += [f"{place}: {found}" for found in serious(page, axe_source)]
    for who, path, name in everything(served):
        if who not in people:
            people[who] = opened(who)
        page = people[who]
        answer = page.goto(f"{served.address}/{path}")
        assert answer is not None
        assert answer.ok or path == "nowhere", path
        # The last is the size that every page is opened in, and that axe looks at.
        for size in (ZOOMED, PHONE, DESKTOP):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                faults.append(f"{name} is wider than {size[0]}")
            if wanted:
                page.screenshot(path=folder / f"{who}-{name}-{size[0]}.png", full_page=True)
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        faults += [f"{name}: {found}" for found in serious(page, axe_source)]
        page.emulate_media(color_scheme="dark")
        found_in_dark = serious(page, axe_source, "color-contrast")
        faults += [f"{name} in the dark: {found}" for found in found_in_dark]
        page.emulate_media(color_scheme="light")
    assert faults == []


def test_axe_is_seen_to_find_a_barrier(opened: Opened, axe_source: str) -> None:
    page = opened()
    page.set_content("<title>t</title><p style='color:#ccc'>pale</p><input>")
    assert {line.split()[0] for line in serious(page, axe_source)} >= {"color-contrast", "label"}


def test_no_page_breaks_its_own_policy(served: Served, opened: Opened) -> None:
    page = opened()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in(page, served, "dana")
    for key in CASES:
        page.goto(served.case(key))
    assert not [text for text in said if "Content Security Policy" in text or "Error" in text]


def test_uncertain_is_shown_in_red_and_named(served: Served, opened: Opened) -> None:
    page = opened("dana", code=True)
    page.clock.install()
    page.goto(served.case("bill"))
    page.click("text=Save and check")
    page.click("text=Approve and send")
    page.get_by_role("button", name="Take it back").wait_for()
    store = served.practice.store
    pass_the_moment(served)
    ((_, reply_id),) = store.replies.due(served.practice.desk._clock(), limit=9)
    assert store.replies.claim(reply_id, clinic="c1", by="sender")
    store.replies.settle(reply_id, ReplyState.UNCERTAIN, clinic="c1", by="sender")
    page.clock.fast_forward(WAIT)
    expect(page.get_by_text("may or may not have arrived")).to_be_visible()
    expect(page.get_by_text("Nothing is sent again by itself")).to_be_visible()


def test_an_administrator_adds_somebody_without_a_mouse(served: Served, opened: Opened) -> None:
    page = opened("ada")
    page.goto(f"{served.address}/users")
    page.get_by_role("textbox", name="Name", exact=True).focus()
    page.keyboard.type("Lena Marsh")
    press(page, "Tab")
    page.keyboard.type("lena")
    for key in ("Tab", "Space", "Enter"):
        press(page, key)
    expect(page.get_by_role("heading", name="Password for Lena Marsh")).to_be_visible()
