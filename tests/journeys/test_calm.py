"""A calm desk in real Chromium: nothing moves while it is read, and routine work takes few keys.

Set TRIAGE_SCREENSHOTS to a folder to keep the pictures. What a plain webmail needs for the same
work is measured by benchmarks/keystrokes.py and written down in docs/keystrokes.md.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import APIResponse, Browser, Page, Request, Route, expect

from tests.journeys.served import Served, deliver, serving, sign_in
from tests.web.practice import MORNING, PEOPLE, open_practice
from triage.domain import CaseState, Protected, Urgency
from triage.drafting.shorter import shortened
from triage.web.assets import install_assets

pytestmark = pytest.mark.browser
DESKTOP, PHONE = (1280, 800), (390, 844)
#: What a person may need at most, in the middle, from a routine case opened to approved.
MOST_KEYS = 4
#: And until it is closed as answered, with all it asked for.
MOST_TO_CLOSED = 7
#: Bytes that come for a page with all it loads, images apart; so many rows, and messages, on it.
HEAVIEST, PAGE, THREAD = 150_000, 50, 20
BY_KEY = {letter.key: letter for letter in MORNING}
#: One more, in whose answer a time stands that no message holds: it wants a tick.
DAY = replace(BY_KEY["move"], key="day", writer=3, subject="Another day please")
COPIED = "Come on 14 March at 10:40. "
ROUTINE = ("refill", "bill", "move", "day")
#: Adds up how far anything moved in the window, whoever caused it.
WATCH = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      window.shifts.push([one.value, one.sources.map(({ node, previousRect, currentRect }) =>
        `${node?.nodeName}.${node?.className}#${node?.id} ${previousRect.y}>${currentRect.y}`)]);
    }
  }).observe({ type: "layout-shift", buffered: false });
}"""
#: Lets a page wait a tenth as long, for what it does again and for what never answers.
HURRY = """() => {
  const [later, patience] = [window.setTimeout, AbortSignal.timeout.bind(AbortSignal)];
  window.setTimeout = (act, after, ...more) => later(act, after / 10, ...more);
  AbortSignal.timeout = (after) => patience(after / 10);
}"""
#: A page asks forty times as often for what it asks again and again.
OFTEN = """const later = window.setTimeout;
window.setTimeout = (act, after, ...more) => later(act, after > 1000 ? after / 40 : after, ...more);
"""
#: Two frames later whatever moved was counted.
SHIFTS = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
  () => setTimeout(() => done(window.shifts), 50))))"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    install_assets()
    folder = tmp_path_factory.mktemp("calm") / "practice"
    practice = open_practice(folder, letters=(*MORNING, DAY))
    with serving(practice) as answering:
        yield answering
    practice.store.close()


@contextmanager
def at_work(browser: Browser, served: Served, name: str) -> Iterator[Page]:
    """Yield the page of somebody who is signed in; the tests of this file share it."""
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    context.set_default_timeout(20_000)
    page = context.new_page()
    sign_in(page, served, name, code=served.practice.code(name))
    yield page
    context.close()


@pytest.fixture(scope="module")
def dana(browser: Browser, served: Served) -> Iterator[Page]:
    with at_work(browser, served, "dana") as page:
        yield page


@pytest.fixture(scope="module")
def milo(browser: Browser, served: Served) -> Iterator[Page]:
    with at_work(browser, served, "milo") as page:
        yield page


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("TRIAGE_SCREENSHOTS"):
        for size in (PHONE, DESKTOP):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.screenshot(path=Path(folder) / f"calm-{name}-{size[0]}.png")


def heard_over_the_line(page: Page) -> None:
    expect(page.locator("#heard")).to_have_text("New messages come by themselves.")


def keys_to_approved(page: Page, served: Served, key: str) -> list[str]:
    """Return every key pressed from the opened case to the approved reply."""
    pressed: list[str] = []

    def press(name: str) -> None:
        pressed.append(name)
        page.keyboard.press(name)

    page.goto(served.case(key))
    page.locator("html[data-ready]").wait_for()
    press("e")
    if key == "day":
        # What was copied from the appointment book.
        pressed.append("Control+V")
        page.keyboard.insert_text(COPIED)
    press("Control+Enter")
    page.locator("#approve [data-submit]:enabled").wait_for()
    # The first facts that nothing supports is where the key leads; each wants a tick of its own.
    press("Control+Enter")
    for box in page.locator("#approve input[name=confirmed]").all():
        expect(box).to_be_focused()
        press("Space")
        press("Control+Enter")
    page.get_by_role("button", name="Take it back").wait_for()
    return pressed


def keys_to_closed(page: Page, served: Served, key: str) -> list[str]:
    """Return every key pressed on the page of a case whose reply has left until it is closed."""
    pressed: list[str] = []
    # The page hears by itself that the reply has left, after its thirty seconds; nobody waits here.
    page.goto(served.case(key))
    page.locator("html[data-ready]").wait_for()
    for name in ("x", "Space", "Control+Enter"):
        pressed.append(name)
        page.keyboard.press(name)
    page.wait_for_url("**/queue")
    return pressed


def test_routine_cases_take_four_keys_in_the_middle_from_opened_to_approved(
    served: Served, dana: Page, record_property: Callable[[str, object], None]
) -> None:
    taken = {key: keys_to_approved(dana, served, key) for key in ROUTINE}
    deliver(served)
    closing = {key: keys_to_closed(dana, served, key) for key in ROUTINE}
    for key in ROUTINE:
        file = served.practice.desk.queue.open(PEOPLE["dana"], served.practice.cases[key]).file
        assert (file.case.state, file.case.outcome) == (CaseState.CLOSED, "answered")
    closed = sorted(len(taken[key]) + len(closing[key]) for key in ROUTINE)
    sys.stdout.write(f"\nkeys from opened to closed: {closed}, median {median(closed)}\n")
    record_property("keys_to_closed", closed)
    assert median(closed) <= MOST_TO_CLOSED
    lengths = sorted(len(keys) for keys in taken.values())
    sys.stdout.write(f"\nkeys from opened to approved: {lengths}, median {median(lengths)}\n")
    record_property("keys", lengths)
    assert median(lengths) <= MOST_KEYS
    # A date and a time, a tick each: what is counted is what was pressed.
    assert taken["day"].count("Space") == 2
    assert lengths[-1] > lengths[0]


def test_nothing_moves_while_messages_arrive(served: Served, milo: Page) -> None:
    page = milo
    heard_over_the_line(page)
    read = page.locator(".row", has_text="WIN a practice makeover")
    read.hover()
    page.evaluate(WATCH)
    before = read.bounding_box()
    order = page.locator(".row").all_inner_texts()
    for number in range(1, 4):
        letter = replace(BY_KEY["refill"], key=f"new{number}", subject=f"Refill no. {number}")
        served.practice.receive(letter)
    button = page.locator("#fresh button")
    expect(button).to_have_text("3 new")
    assert page.locator(".row").all_inner_texts() == order
    urgent = replace(BY_KEY["chest"], key="now", writer=1, subject="Cannot breathe well")
    served.practice.receive(urgent)
    # Named in a line that is always in sight, and a row among the urgent ones, at once.
    expect(page.locator("#urgent-now")).to_contain_text("Cannot breathe well · Rosalind Keane")
    expect(page.locator(".row.emergency", has_text="Cannot breathe well")).to_be_visible()
    expect(page).to_have_title("(3 urgent) Queue · Alder Street Practice")
    expect(button).to_have_text("3 new")
    after = read.bounding_box()
    assert before is not None
    assert after is not None
    # A browser scrolls by whole pixels.
    assert abs(after["y"] - before["y"]) < 1
    assert page.evaluate(SHIFTS) == []
    picture(page, "queue")
    # The keyboard shows what came, and is in the first of it.
    page.mouse.move(5, 5)
    page.keyboard.press("n")
    expect(button).to_have_count(0)
    expect(page.locator(".row", has_text="Refill no. 3")).to_be_visible()
    expect(page.locator("#urgent-now li")).to_have_count(0)
    expect(page.locator("a.open:focus")).to_have_count(1)
    # Quiet is how it begins: no tone for what can wait.
    assert page.evaluate("document.body.dataset.chimed") is None


def test_a_row_that_pushes_others_down_is_seen_to_move_them(milo: Page) -> None:
    """Sabotage: a row comes in on top as if nobody was reading."""
    milo.evaluate("window.shifts.length = 0; window.scrollTo(0, 0)")
    # Half a second after a key was pressed, movement is what the person asked for.
    milo.wait_for_timeout(600)
    milo.evaluate(
        "document.querySelector('.rows').prepend(document.querySelector('.row').cloneNode(true))"
    )
    assert sum(value for value, _ in milo.evaluate(SHIFTS)) > 0


def test_nothing_moves_on_a_case_while_colleagues_come_and_go(served: Served, milo: Page) -> None:
    """A button that moves under the pointer is another button: here it approves."""
    practice, case = served.practice, served.practice.cases["hostile"]
    practice.desk.replies.save(
        PEOPLE["milo"], case, subject=Protected("Your form"), body=Protected("We look for it.")
    )
    page = milo.context.new_page()
    page.add_init_script(OFTEN)
    page.goto(served.case("hostile"))
    page.locator("html[data-ready]").wait_for()
    button, here = page.locator("#approve [data-submit]"), page.locator(".here")
    expect(here).to_be_empty()
    page.evaluate(WATCH)
    before, words = button.bounding_box(), page.locator("#write").bounding_box()
    practice.desk.together.about(PEOPLE["dana"], case)
    expect(here).to_contain_text("Dana Whitlock is reading this")
    assert page.evaluate(SHIFTS) == []
    assert (button.bounding_box(), page.locator("#write").bounding_box()) == (before, words)
    # Sabotage: the line takes no place while nobody is there.
    page.evaluate("document.querySelector('.here').style.display = 'none'")
    assert page.evaluate(SHIFTS) != []
    page.close()


def test_a_line_that_breaks_is_said_and_the_page_asks_instead(served: Served, milo: Page) -> None:
    page = milo
    page.route("**/queue/stream", lambda route: route.abort())
    page.goto(f"{served.address}/queue")
    expect(page.locator("#heard")).to_have_text(
        "The open line broke: the page asks every few seconds."
    )
    expect(page.locator("#fresh button")).to_have_count(0)
    served.practice.receive(replace(BY_KEY["refill"], key="asked", subject="Asked for"))
    expect(page.locator("#fresh button")).to_have_text("1 new")
    page.unroute("**/queue/stream")


@pytest.mark.parametrize("how", ["busy", "silent", "slow"])
def test_rows_that_did_not_come_are_asked_for_again(
    served: Served, milo: Page, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line tells each version once: only the page can know that it lacks the rows of one."""
    monkeypatch.setattr("triage.web.live.EVERY", 0.1)
    asked: list[Route] = []
    held: list[tuple[Route, APIResponse]] = []

    def answer(route: Route) -> None:
        asked.append(route)
        # One failure is healed by the page's own question how full the views are.
        if len(asked) > (2 if how == "busy" else 1):
            route.continue_()
        elif how == "busy":
            route.fulfill(status=503)
        elif how == "slow":
            held.append((route, route.fetch()))

    page = milo.context.new_page()
    page.goto(f"{served.address}/queue")
    heard_over_the_line(page)
    if how != "slow":
        page.evaluate(HURRY)
    page.route("**/queue/rows*", answer)
    count, button = page.locator("[data-count=all]"), page.locator("#fresh button")
    before = int(count.inner_text())
    with page.expect_request("**/queue/rows*"):
        served.practice.receive(replace(BY_KEY["refill"], key=f"{how} 1", subject="Once more"))
    if how == "slow":
        # Another one is filed and heard of while the rows of the first are on their way.
        while not held:
            page.wait_for_timeout(20)
        served.practice.receive(replace(BY_KEY["refill"], key=f"{how} 2", subject="And again"))
        expect(count).to_have_text(str(before + 2))
        ((route, rows),) = held
        route.fulfill(response=rows)
    expect(button).to_have_text("2 new" if how == "slow" else "1 new")
    page.close()


def test_every_key_of_the_help_does_what_it_says(served: Served, milo: Page) -> None:
    page = milo

    def press(key: str) -> None:
        page.locator("html[data-ready]").wait_for()
        page.keyboard.press(key)

    press("?")
    shown = page.locator("#help kbd").all_inner_texts()
    assert {*"jkucehstxmgnf?1234567890", "Enter", "Ctrl"} == set(shown)
    picture(page, "help")
    press("Escape")
    press("f")
    expect(page.locator("select[name=route]").first).to_be_focused()
    page.locator("body").click(position={"x": 5, "y": 5})
    press("j")
    press("j")
    press("k")
    expect(page.locator("a.open").first).to_be_focused()
    case = served.practice.cases["stranger"]
    page.goto(served.case("stranger"))
    press("s")
    expect(page.locator("#sort select")).to_be_focused()
    page.goto(served.case("stranger"))
    press("2")
    expect(page.get_by_role("button", name="Sort: Refill")).to_be_focused()
    picture(page, "sort")
    press("Enter")
    expect(page.locator(".why")).to_contain_text("Milo Brandt sorted it as Refill")
    assert served.practice.store.cases.get(case, clinic="c1", by="t").case.route == "refill"
    # On an urgent case a digit lowers nothing: the button says so, and the topic is one more.
    urgent = served.practice.cases["chest"]
    page.goto(served.case("chest"))
    press("5")
    kept = page.get_by_role("button", name="Urgent; keep as a request: Insurance", exact=True)
    expect(kept).to_be_focused()
    page.get_by_label("Routine", exact=True).check()
    expect(page.get_by_role("button", name="Sort: Insurance", exact=True)).to_be_visible()
    page.get_by_label("Emergency", exact=True).check()
    kept.press("Enter")
    expect(page.locator(".why")).to_contain_text("sorted it as Urgent + Insurance")
    expect(page.locator("#requests")).to_contain_text("Insurance")
    made = served.practice.store.cases.get(urgent, clinic="c1", by="t").case
    assert made.urgency
    assert not any(part.done for part in made.requests)
    page.goto(served.case("stranger"))
    press("c")
    expect(page.get_by_text("you have it")).to_be_visible()
    press("c")
    expect(page.get_by_role("button", name="Claim")).to_be_visible()
    # A note, the work of somebody else, and what it asked for: each is kept by a key, too.
    press("m")
    page.keyboard.insert_text("Ask them for the signed form")
    press("Control+Enter")
    expect(page.locator("#notes .words")).to_have_text("Ask them for the signed form")
    press("g")
    page.keyboard.type("Sam")
    press("Tab")
    page.keyboard.insert_text("You know them")
    press("Control+Enter")
    expect(page.locator("#whose b")).to_have_text("Sam Ortega")
    press("t")
    expect(page.locator("#requests button").first).to_be_focused()
    press("Enter")
    expect(page.locator("#requests li:not(.done)")).to_have_count(0)
    press("x")
    expect(page.get_by_label("Answered")).not_to_be_checked()
    expect(page.get_by_label("Answered")).to_be_focused()
    # On the name of the fold it is still this form that is sent, never the reply that is approved.
    page.get_by_label("Passed on").check()
    page.locator("#close summary").focus()
    press("Control+Enter")
    expect(page.locator("#close input[name=who]")).to_be_focused()
    page.locator("body").click(position={"x": 5, "y": 5})
    press("u")
    page.wait_for_url("**/queue")
    # Another of hers joins her case, or begins one where hers was answered.
    case = served.practice.receive(replace(BY_KEY["refill"], key="short", subject="Once more"))
    page.goto(f"{served.address}/case/{case}")
    whole = page.locator("textarea[name=body]").input_value()
    with page.expect_navigation():
        press("h")
    expect(page.locator("summary", has_text="Change the words")).to_be_visible()
    draft = served.practice.store.replies.draft(case, clinic="c1", by="t")
    assert draft is not None
    assert draft.outgoing.body == shortened(Protected(whole))
    assert len(draft.outgoing.body.reveal()) < len(whole)


def test_filters_and_quiet_hours_fit_their_windows(served: Served, dana: Page) -> None:
    page, practice = dana, served.practice
    note = Protected("@dana please call them")
    practice.desk.together.write(PEOPLE["milo"], practice.cases["stranger"], words=note)
    page.goto(f"{served.address}/queue?urgency={Urgency.ROUTINE.word}&channel=email")
    expect(page.locator("[data-for-me]")).to_have_text("1")
    for path, name in ((page.url, "filters"), (f"{served.address}/account", "account")):
        page.goto(path)
        page.locator("html[data-ready]").wait_for()
        picture(page, name)
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.get_by_label("Monday").check()
    page.locator("#calm button").click()
    expect(page.get_by_label("Monday")).to_be_checked()
    expect(page.locator("#calm")).to_contain_text("Saved.")


def transferred(browser: Browser, page: Page, address: str) -> tuple[int, Page]:
    """Return the bytes that came for a page and all it loads, images apart, and the page.

    In a browser that knows the session and has kept no file.
    """
    context = browser.new_context(storage_state=page.context.storage_state())
    fresh, done = context.new_page(), list[Request]()
    fresh.on("requestfinished", lambda one: done.append(one))
    fresh.goto(address)
    fresh.locator("html[data-ready]").wait_for()
    loaded = [one for one in done if not one.url.endswith((".svg", ".png"))]
    return sum(one.sizes()["responseBodySize"] for one in loaded), fresh


def test_a_full_queue_and_a_long_case_weigh_little(
    browser: Browser, served: Served, dana: Page, record_property: Callable[[str, object], None]
) -> None:
    """The last of this file: it fills the queue."""
    practice, first = served.practice, BY_KEY["refill"]
    for number in range(PAGE - len(MORNING)):
        letter = MORNING[2 + number % 8]
        practice.receive(replace(letter, key=f"full{number}", subject=f"{letter.subject} {number}"))
    body = "\n\n".join(first.body for _ in range(8))
    long, before = practice.receive(replace(first, key="long", body=body)), "long"
    for number in range(THREAD - 1):
        reply = replace(first, key=f"long{number}", body=body)
        assert practice.receive(reply, after=before) == long
        before = reply.key
    for name, address, shown, many in (
        ("queue", f"{served.address}/queue", ".row", PAGE),
        ("case", f"{served.address}/case/{long}", ".letter", THREAD),
    ):
        weight, page = transferred(browser, dana, address)
        expect(page.locator(shown)).to_have_count(many)
        sys.stdout.write(f"\n{name}: {weight} bytes came, images apart\n")
        record_property(name, weight)
        assert 60_000 < weight < HEAVIEST
        page.context.close()


def test_only_what_holds_nothing_secret_is_compressed(served: Served, dana: Page) -> None:
    """What is compressed together with the token of a form could be told from its length."""
    asked = {"Accept-Encoding": "gzip"}
    style = dana.locator("link[rel=stylesheet]").last.get_attribute("href")
    sent = dana.request.get(f"{served.address}{style}", headers=asked).headers
    assert (sent["content-encoding"], sent["vary"]) == ("gzip", "Accept-Encoding")
    for page in ("queue", "queue/rows", "queue/version", "account", "for-me"):
        headers = dana.request.get(f"{served.address}/{page}", headers=asked).headers
        assert "content-encoding" not in headers, page
