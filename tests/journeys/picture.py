"""Takes the picture of the queue that stands in the README.

python -m tests.journeys.picture docs/queue.png
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journeys.served import QUIET, chromium, serving, sign_in
from tests.web.practice import PEOPLE, open_practice
from triage.web.assets import install_assets


def main(target: Path) -> None:
    """Write the picture of a morning's queue, at desktop width, to `target`."""
    install_assets()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        practice = open_practice(Path(scratch))
        practice.desk.queue.claim(PEOPLE["milo"], practice.cases["move"])
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        with serving(practice) as served:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            sign_in(page, served, "dana")
            page.screenshot(path=target, full_page=True)
        browser.close()
        practice.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
