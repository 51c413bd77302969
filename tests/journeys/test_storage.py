"""Safety-bar 39: what a browser keeps after a morning at the desk holds no word about a patient.

Storage, caches, cookies, history and every address the pages asked for, in real Chromium.
"""

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page

from tests.journeys.served import Served, axe, serving, sign_in
from tests.web.conftest import morning, practice
from tests.web.practice import MORNING, NAMES, Practice

__all__ = ["morning", "practice"]
pytestmark = [pytest.mark.browser, pytest.mark.bar(39)]
#: Everything a page of ours could leave behind.
KEPT = """async () => {
    const kept = {...localStorage, ...Object.fromEntries(Object.entries(sessionStorage))};
    const rows = [];
    for (const { name, version } of await indexedDB.databases()) {
        rows.push(`${name} ${version}`);
        const database = await new Promise((done) => {
            const asked = indexedDB.open(name);
            asked.onsuccess = () => done(asked.result);
        });
        for (const store of database.objectStoreNames) {
            const held = database.transaction(store).objectStore(store);
            for (const ask of [held.getAllKeys(), held.getAll()])
                rows.push(...(await new Promise((done) => {
                    ask.onsuccess = () => done(ask.result.map((one) => JSON.stringify(one)));
                })));
        }
    }
    const caches_ = [];
    for (const name of await caches.keys())
        for (const asked of await (await caches.open(name)).keys()) caches_.push(name, asked.url);
    return JSON.stringify([kept, rows, caches_, document.cookie, history.state, window.name,
        performance.getEntries().map((entry) => entry.name), location.href]);
}"""
WORDS = {part for name, born in NAMES for part in (*name.split(), born, name.lower())}
WORDS |= {"lisinopril", "chest pain", "MRN4000", "example.org", "Dear Ms"}
WORDS |= {letter.subject for letter in MORNING if letter.subject}


@pytest.fixture
def served(practice: Practice) -> Iterator[Served]:
    axe()
    with serving(practice) as answering:
        yield answering


def work(page: Page, served: Served) -> list[str]:
    """Look at everything, search, and write; return every address that was asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for key in ("refill", "chest", "stranger"):
        page.goto(served.case(key))
        page.locator("html[data-ready]").wait_for()
    page.fill("#identify [name=words]", "Keane")
    page.get_by_role("button", name="Find").click()
    page.locator("#found label").first.wait_for()
    page.goto(served.case("refill"))
    page.locator("html[data-ready]").wait_for()
    page.get_by_role("textbox", name="Words").fill("Dear Ms Keane, your lisinopril is ready.")
    page.get_by_role("button", name="Save and check").click()
    page.locator("#check").wait_for()
    return asked


def leaked(kept: str) -> list[str]:
    return sorted(word for word in WORDS if word.lower() in kept.lower())


def test_a_browser_keeps_nothing_about_patients(browser: Browser, served: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, served, "dana", code=served.practice.code("dana"))
    asked = work(page, served)
    kept = page.evaluate(KEPT)
    cookies = json.dumps(context.cookies(), default=str)
    state = json.dumps(context.storage_state(), default=str)
    # The approval key's handle was found, or the search would not have looked.
    assert "triage 1" in kept
    assert leaked(kept + cookies + state + "\n".join(asked)) == []
    assert len(asked) > 20
    # The sabotage: one page that keeps what was typed is noticed.
    page.evaluate("() => sessionStorage.setItem('draft', 'Dear Ms Keane')")
    assert leaked(page.evaluate(KEPT)) == ["Dear Ms", "Keane"]
    context.close()
