"""Takes the picture of the queue that stands in the README.

python -m tests.journeys.picture docs/queue.png
"""

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journeys.served import QUIET, chromium, serving, sign_in
from tests.web.practice import MORNING, PEOPLE, open_copy, open_practice
from triage.desk.desk import utcnow
from triage.web.assets import install_assets


class Morning:
    """A clock that starts an hour and a half ago and goes on by three minutes with every look."""

    def __init__(self) -> None:
        self.now = utcnow() - timedelta(minutes=90)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=3)
        return min(self.now, utcnow())


def main(target: Path) -> None:
    """Write the picture of a morning's queue, at desktop width, to `target`."""
    install_assets()
    letters = [letter for letter in MORNING if letter.key not in {"hostile", "broken"}]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        open_practice(Path(scratch), letters=letters, clock=Morning()).store.close()
        practice = open_copy(Path(scratch))
        practice.desk.queue.claim(PEOPLE["milo"], practice.cases["move"])
        for what in ("redflags", "urgent_texts"):
            practice.desk.supervision.sign(PEOPLE["nia"], what)
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        with serving(practice) as served:
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            sign_in(page, served, "dana")
            page.screenshot(path=target)
        browser.close()
        practice.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
