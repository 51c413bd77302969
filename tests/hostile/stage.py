"""A bare stage in real Chromium on which strangers' messages are shown as the desk shows them.

Nothing here leaves the machine: every request is answered or refused by the test itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from jinja2 import Environment
from markupsafe import escape
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Route

from triage.domain import Apart, Channel, IdentifierType, Protected, Redacted, Redaction, Span
from triage.web import pages
from triage.web.harmless import mail_html
from triage.web.security import HEADERS

ADDRESS = "http://desk.test/"
#: So many messages share one page; more make Chromium slow.
TOGETHER = 100
#: Whatever a vector calls to show that it ran says so on the console.
TELL_TALE = """(() => {
    const tell = () => console.log("RAN " + (window.name || "?"));
    for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = tell;
})()"""
#: Touches everything in every frame the way a curious person would.
TOUCH = """() => {
    const touch = ["click", "mouseover", "mouseenter", "mousemove", "pointerover", "focus",
        "focusin", "keydown", "toggle", "input", "change", "wheel", "copy", "submit"];
    for (const frame of document.querySelectorAll("iframe")) {
        if (frame.contentDocument === null) continue;
        for (const element of frame.contentDocument.querySelectorAll("*")) {
            for (const name of touch) {
                try { element.dispatchEvent(new Event(name, {bubbles: true, cancelable: true})); }
                catch {}
            }
            try { element.focus?.(); element.click?.(); } catch {}
        }
    }
}"""
#: Unfolds what the desk keeps folded, so that every frame loads.
UNFOLD = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const frame of document.querySelectorAll("iframe")) frame.loading = "eager";
}"""


@dataclass(frozen=True, slots=True)
class Fences:
    """Which fences stand; without any, the vector is the content of a bare frame."""

    sanitiser: bool
    #: The desk's content security policy and the sandbox of the frame.
    policy: bool
    #: For the sabotage: the desk's page, but without the policy and with a torn sandbox.
    torn: bool = False


@dataclass
class Seen:
    """What happened on the stage: numbers of the vectors that ran, and addresses asked for."""

    ran: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    frames: int = 0


def watch(browser: Browser, vectors: Sequence[str], fences: Fences) -> Seen:
    """Show every vector behind `fences`, touch everything, and say what happened."""
    seen = Seen()
    context = browser.new_context(service_workers="block")
    context.add_init_script(TELL_TALE)
    try:
        for start in range(0, len(vectors), TOGETHER):
            _play(context.new_page(), vectors[start : start + TOGETHER], start, fences, seen)
    finally:
        context.close()
    return seen


def _play(page: Page, vectors: Sequence[str], start: int, fences: Fences, seen: Seen) -> None:
    def hear(said: ConsoleMessage) -> None:
        if said.text.startswith("RAN "):
            seen.ran.add(said.text)

    def answer(route: Route) -> None:
        if route.request.url == ADDRESS and route.request.frame == page.main_frame:
            headers = dict(HEADERS) if fences.policy and not fences.torn else {}
            kind = {"Content-Type": "text/html; charset=utf-8"}
            route.fulfill(status=200, headers={**headers, **kind}, body=content)
            return
        seen.asked.append(route.request.url)
        route.abort()

    content = "".join(_shown(vectors, start, fences))
    page.on("console", hear)
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.on("popup", lambda other: other.close())
    page.route("**/*", answer)
    page.goto(ADDRESS, wait_until="domcontentloaded")
    page.evaluate(UNFOLD)
    page.wait_for_timeout(400)
    seen.frames += len(page.frames) - 1
    page.evaluate(TOUCH)
    _click(page)
    page.wait_for_timeout(200)
    page.close()


def _click(page: Page) -> None:
    """Click into the frames themselves: no page reaches into one that is sandboxed."""
    for frame in page.frames[1:]:
        try:
            element = frame.frame_element()
            box = element.bounding_box()
            if box:
                page.mouse.click(box["x"] + 12, box["y"] + 12)
        except Error:
            # A vector took its frame away.
            continue


def _shown(vectors: Sequence[str], start: int, fences: Fences) -> Iterator[str]:
    yield "<!doctype html><meta charset=utf-8><title>stage</title>"
    yield "<style>iframe { width: 60px; height: 30px }</style>"
    if not fences.policy:
        for number, vector in enumerate(vectors, start):
            source = mail_html(vector) if fences.sanitiser else vector
            yield f'<iframe name="{number}" srcdoc="{escape(source)}"></iframe>'
        return
    environment = pages.environment("/static")
    if not fences.sanitiser:
        environment.filters["mail_html"] = Protected.reveal
    for number, vector in enumerate(vectors, start):
        # With the sanitiser off, only the framed layout is raw: the rest of the desk escapes.
        shown = message_page(environment, vector, number, everywhere=fences.sanitiser)
        sandbox = 'sandbox="allow-scripts allow-same-origin"' if fences.torn else "sandbox"
        yield shown.replace(" sandbox ", f' name="{number}" {sandbox} ', 1)


def message_page(environment: Environment, vector: str, number: int, *, everywhere: bool) -> str:
    """Return the desk's own view of a message that carries a vector, everywhere or as layout."""
    words = Protected(vector if everywhere else "words")
    file = SimpleNamespace(id=f"file{number}", name=words, media_type=words.reveal(), size=5)
    # Redaction takes the middle of the vector for a name, and all of it in what is folded.
    third = len(words.reveal()) // 3
    spans = (Span("body", third, 2 * third + 1, IdentifierType.NAME, "row", 1.0),)
    hidden = (Redaction("[NAME_1]", IdentifierType.NAME, words),)
    message = SimpleNamespace(
        id=f"message{number}", subject=words, sender_name=words, sender=words, topic=words.reveal(),
        channel=Channel.EMAIL, received_at=datetime(2026, 1, 1, tzinfo=UTC), body=words,
        quoted=words, signature=words, html=Protected(vector), attachments=(file,),
        marks=frozenset(), about=words, redacted=Redacted("", "", spans, hidden),
        apart=Apart(),
    )  # fmt: skip
    source = '{% from "_parts.html" import moment with context %}{% include "_message.html" %}'
    case = SimpleNamespace(id=f"case{number}")
    return environment.from_string(source).render(message=message, case=case, works=False)
