"""Takes the pictures that stand in the README.

python -m tests.journeys.picture docs
"""

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.journeys.served import QUIET, Served, chromium, serving, sign_in
from tests.web.practice import MORNING, PEOPLE, open_copy, open_practice
from tests.web.test_monitors import PARTS
from triage.desk.desk import utcnow
from triage.web.assets import install_assets


class Morning:
    """A clock that starts an hour and a half ago and goes on by three minutes with every look."""

    def __init__(self) -> None:
        self.now = utcnow() - timedelta(minutes=90)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=3)
        return min(self.now, utcnow())


def main(folder: Path) -> None:
    """Write the pictures of a morning to `folder`."""
    install_assets()
    letters = [letter for letter in MORNING if letter.key not in {"hostile", "broken"}]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        open_practice(Path(scratch), letters=letters, clock=Morning()).store.close()
        practice = open_copy(Path(scratch))
        practice.desk.queue.claim(PEOPLE["milo"], practice.cases["move"])
        for part in PARTS:
            practice.store.beats.beat(part)
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        with serving(practice) as served:
            take(browser, served, folder)
        browser.close()
        practice.store.close()


def take(browser: Browser, served: Served, folder: Path) -> None:
    """Take the queue, a reply before it is approved, and the queue in Spanish on a telephone."""
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    sign_in(page, served, "dana", code=served.practice.code("dana"))
    page.screenshot(path=folder / "queue.png")
    page.goto(served.case("refill"))
    page.locator("html[data-ready]").wait_for()
    page.keyboard.press("e")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Approve and send").wait_for()
    page.screenshot(path=folder / "reply.png")
    phone = browser.new_page(
        viewport={"width": 390, "height": 760}, locale="es-ES", color_scheme="dark"
    )
    sign_in(phone, served, "dana")
    phone.screenshot(path=folder / "telephone.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
