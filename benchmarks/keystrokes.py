"""Keys and clicks from a routine message opened to its reply on its way, and to its end.

On our desk that end is the case closed as answered, in Roundcube the message filed away.

`python benchmarks/run.py keystrokes` presses every one of them in Chromium: Debian's Roundcube over
a real Dovecot and SMTP, set up as kindly as it can be (patients with their birth dates in its own
address book, our texts as its own standard responses, an archive folder); and the desk, with the
same letters. Words typed or pasted are one step each, and so are two keys at once.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.roundcube import Card, Roundcube, unpacked
from benchmarks.rounds import keep
from tests.journeys.served import QUIET, chromium, deliver, serving, sign_in
from tests.journeys.test_calm import (
    BY_KEY,
    COPIED,
    DAY,
    ROUTINE,
    keys_to_approved,
    keys_to_closed,
)
from tests.servers import PASSWORD, DovecotServer, SmtpKeeper
from tests.web.practice import MORNING, NAMES, Letter, open_practice
from triage.testing import mail
from triage.web.assets import install_assets

LETTERS = {**BY_KEY, "day": DAY}
GREETING = "Dear [NAME_1],\n\n"


@dataclass
class Hands:
    """Does what a person does, and writes down every step."""

    page: Page
    steps: list[str] = field(default_factory=list)

    def click(self, what: str, target: Locator) -> None:
        """Click once."""
        self.steps.append(f"click: {what}")
        target.click()

    def press(self, key: str) -> None:
        """Press one key, or two at once."""
        self.steps.append(f"key: {key}")
        self.page.keyboard.press(key)

    def words(self, what: str, text: str) -> None:
        """Type or paste words where the cursor is: one step, however many they are."""
        self.steps.append(f"words: {what}")
        self.page.keyboard.insert_text(text)


def person(letter: Letter) -> tuple[str, str, str]:
    """Return (name, address, birth date) of who wrote."""
    name, born = NAMES[letter.writer - 1]
    return name, f"{name.lower().replace(' ', '.')}@example.org", born


def standard_text(letter: Letter) -> str:
    """Return the words of our own suggestion after its greeting."""
    assert letter.suggestion is not None
    return letter.suggestion.removeprefix(GREETING)


class Webmail:
    """Somebody at work in Roundcube."""

    def __init__(self, page: Page, webmail: Roundcube, smtp: SmtpKeeper) -> None:
        self.page, self._webmail, self._smtp = page, webmail, smtp

    def log_in(self) -> None:
        """Open the mailbox, and give it its address book and its texts."""
        self.page.goto(self._webmail.address)
        self.page.fill("#rcmloginuser", "clinic")
        self.page.fill("#rcmloginpwd", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.locator("#messagelist tbody tr").first.wait_for()
        cards = {person(letter)[0]: Card(*person(letter)) for letter in LETTERS.values()}
        self._webmail.know(cards.values(), [(key, standard_text(LETTERS[key])) for key in ROUTINE])

    def _row(self, letter: Letter) -> Locator:
        found = self.page.locator("#messagelist tbody tr", has_text=letter.subject)
        return found.filter(has_text=person(letter)[0])

    def _opened(self, letter: Letter) -> None:
        text = letter.body.split("\n")[0][:20]
        shown = self.page.frame_locator("#messagecontframe").locator("#messagebody")
        expect(shown).to_contain_text(text)

    def answered(self, key: str, *, carefully: bool, filed: bool) -> list[str]:
        """Return every step from the opened message to the sent reply, or to its filing away."""
        letter, hands = LETTERS[key], Hands(self.page)
        name, address, _ = person(letter)
        # Opening it is not counted, here as on our desk.
        self._row(letter).click()
        self._opened(letter)
        if carefully:
            self._look_up(letter, hands)
        hands.click("Reply", self.page.locator("#toolbar-menu a.reply:not(.all)"))
        editor = self.page.locator("#composebody")
        expect(editor).to_be_focused()
        hands.words("greeting and name", f"Dear {name},\n\n")
        if key == "day":
            hands.words("what was copied from the appointment book", COPIED)
        hands.click("Responses", self.page.locator("a[data-popup=responses-menu]"))
        entry = self.page.locator("#responses-menu").get_by_text(key, exact=True)
        hands.click(f"the text {key}", entry)
        expected = f"Dear {name},\n\n{COPIED if key == 'day' else ''}{standard_text(letter)}"
        expect(editor).to_have_value(re.compile(re.escape(expected)))
        before = len(self._smtp.mails)
        hands.click("Send", self.page.locator("button.send"))
        self._row(letter).wait_for()
        (sent,) = self._smtp.mails[before:]
        assert sent[0] == [address]
        if filed:
            # Pulling it there with the mouse would be one step instead of these two.
            hands.click("the message", self._row(letter))
            self._opened(letter)
            archive = self.page.locator("#toolbar-menu a.archive")
            hands.click("Archive", archive)
            expect(self._row(letter)).to_be_hidden()
        return hands.steps

    def _look_up(self, letter: Letter, hands: Hands) -> None:
        """Find who wrote in the address book, compare the birth date, and come back."""
        name, _, born = person(letter)
        hands.click("Contacts", self.page.locator("#taskmenu a.contacts"))
        hands.click("into its search", self.page.locator("#searchform"))
        hands.words("the name", name)
        hands.press("Enter")
        hands.click("the contact", self.page.locator("#contacts-table tr", has_text=name))
        card = self.page.frame_locator("#contact-frame").locator("body")
        expect(card).to_contain_text(name)
        expect(card).to_contain_text(born)
        hands.click("Mail", self.page.locator("#taskmenu a.mail"))
        hands.click("the message", self._row(letter))
        self._opened(letter)


@contextmanager
def window(browser: Browser) -> Iterator[Page]:
    """Yield a fresh window."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def in_roundcube(
    browser: Browser, *, carefully: bool = False, filed: bool = False
) -> dict[str, list[str]]:
    """Return the steps of every routine letter in the webmail."""
    with DovecotServer() as imap, SmtpKeeper() as smtp, window(browser) as page:
        for key in ROUTINE:
            letter = LETTERS[key]
            name, address, _ = person(letter)
            sender, message_id = f"{name} <{address}>", f"<{key}@example.org>"
            content = mail(
                letter.body, subject=letter.subject, sender=sender, message_id=message_id
            )
            imap.append([content])
        with Roundcube(imap, smtp) as webmail:
            work = Webmail(page, webmail, smtp)
            work.log_in()
            how = {"carefully": carefully, "filed": filed}
            return {key: work.answered(key, **how) for key in ROUTINE}


def at_our_desk(browser: Browser) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the keys of every routine letter on the desk, to its approval and to its closing.

    They are the same where one is sure who wrote.
    """
    install_assets()
    with TemporaryDirectory() as folder, window(browser) as page:
        practice = open_practice(Path(folder) / "practice", letters=(*MORNING, DAY))
        with serving(practice) as served:
            sign_in(page, served, "dana", code=practice.code("dana"))
            approved = {key: keys_to_approved(page, served, key) for key in ROUTINE}
            deliver(served)
            closed = {key: approved[key] + keys_to_closed(page, served, key) for key in ROUTINE}
        practice.store.close()
    return approved, closed


def measure() -> None:
    """Press every key, print how many, and keep them one by one."""
    try:
        unpacked()
    except (OSError, CalledProcessError):
        print("keystrokes: not measured, Roundcube cannot be fetched (Debian's apt-get does it)\n")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(QUIET))
        approved, closed = at_our_desk(browser)
        sides = {
            "desk": approved,
            "desk_closed": closed,
            "webmail_shortest": in_roundcube(browser),
            "webmail_filed": in_roundcube(browser, filed=True),
            "webmail_looked_up_and_filed": in_roundcube(browser, carefully=True, filed=True),
        }
        browser.close()
    result: dict[str, object] = {
        "what": "keys and clicks from a routine message opened to its reply approved or sent; "
        "desk_closed: and to the case closed as answered; webmail_filed: and filed away",
        "webmail": "Debian's Roundcube, its own address book and standard responses",
    }
    for name, taken in sides.items():
        result[name] = median(len(steps) for steps in taken.values())
        result[f"{name}_each"] = {key: len(steps) for key, steps in taken.items()}
        result[f"{name}_steps"] = ", ".join(taken[ROUTINE[0]])
    keep("keystrokes", result, wanted={"desk": "<= 4", "desk_closed": "<= 7"})
