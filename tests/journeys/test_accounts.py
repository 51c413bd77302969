"""Ways in that are not user name and password alone, in real Chromium, wide and narrow.

Set TRIAGE_SCREENSHOTS to a folder to keep the pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect

from tests.journeys.served import Served, axe, serious, serving
from tests.servers import PASSWORD as SECRET
from tests.servers import OpenIdServer
from tests.web.practice import PEOPLE, open_practice
from triage.connectors.openid import OpenIdProvider
from triage.web.assets import install_assets

pytestmark = pytest.mark.browser
DESKTOP, PHONE = (1280, 800), (390, 844)
OVERFLOWS = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    install_assets()
    practice = open_practice(tmp_path / "practice", letters=())
    with serving(practice) as answering:
        yield answering
    practice.store.close()


def picture(page: Page, name: str) -> None:
    """Hold that nothing has to be moved sideways; keep the picture where somebody wants it."""
    assert not page.evaluate(OVERFLOWS), name
    if folder := os.environ.get("TRIAGE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_the_organisation_s_log_in_leads_in_from_another_site(
    browser: Browser, served: Served
) -> None:
    """The provider is another site than the desk, so a strict cookie would stay behind."""
    with OpenIdServer(served.address) as server:
        desk = served.practice.desk
        provider = OpenIdProvider({**server.settings, "label": "Sign in with Harbour"}, SECRET)
        desk.openid._provider = provider
        desk.openid.link(PEOPLE["ada"], "u-wim", "sub-wim")
        for account, width in (("sub-wim", DESKTOP), ("nobody", PHONE)):
            context = browser.new_context(viewport={"width": width[0], "height": width[1]})
            page = context.new_page()
            page.goto(f"{served.address}/log-in")
            picture(page, f"openid-{width[0]}")
            page.get_by_role("link", name="Sign in with Harbour").click()
            page.wait_for_url(f"{server.issuer}/**")
            page.get_by_label("Name").fill(account)
            page.get_by_role("button", name="Log in").click()
            if account == "sub-wim":
                page.wait_for_url("**/queue")
                expect(page.get_by_role("heading", level=1)).to_be_visible()
                assert page.context.cookies(served.address)
            else:
                expect(page.locator("#why")).to_contain_text("nobody at this desk is linked")
                expect(page.locator("#why code")).to_have_text("nobody")
                picture(page, "openid-refused")
            context.close()


def test_a_given_password_is_replaced_on_the_way_in(browser: Browser, served: Served) -> None:
    given = served.practice.desk.people.new_password(PEOPLE["ada"], "u-wim").password.reveal()
    page = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}).new_page()
    page.goto(f"{served.address}/log-in")
    page.fill("[name=username]", "wim")
    page.fill("[name=password]", given)
    page.keyboard.press("Enter")
    page.wait_for_url("**/log-in/password")
    page.get_by_label("New password").fill("password12345")
    page.get_by_label("The same again").fill("password12345")
    page.keyboard.press("Enter")
    expect(page.locator("#why")).to_contain_text("easy to guess")
    picture(page, "first-password")
    assert serious(page, axe()) == []
    page.get_by_label("New password").fill("lavender otter brisk nine")
    page.get_by_label("The same again").fill("lavender otter brisk nine")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")
    page.context.close()
