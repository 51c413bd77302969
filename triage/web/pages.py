"""Renders templates: everything a page may show is put together here.

Rule of the room: autoescape always; `reveal` and `exact` are the only ways protected text gets
onto a page; an unknown name in a template is an error, not an empty place.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from triage.desk import Right, may
from triage.domain import Protected, User
from triage.web import harmless, wording
from triage.web.assets import STATIC
from triage.web.visitor import LONGEST_SESSION, Visitor

TEMPLATES = Path(__file__).parent / "templates"
#: Our own modules, named so that a browser fetches them side by side.
SCRIPTS = tuple(sorted(path.name for path in STATIC.glob("*.js")))
#: What the menu offers and the right each entry needs.
MENU = (
    ("/queue", "Queue", Right.SEE_QUEUE),
    ("/for-me", "For me", Right.SEE_QUEUE),
    ("/sample", "Re-reading", Right.JUDGE_SAMPLE),
    ("/clinical", "Clinical review", Right.SIGN_CLINICAL),
    ("/downtime", "Downtime", Right.SEE_QUEUE),
    ("/audit", "Audit", Right.SEE_AUDIT),
    ("/approvals", "Approvals", Right.SEE_AUDIT),
    ("/forms", "Forms", Right.MANAGE_FORMS),
    ("/models", "Models", Right.SEE_MODELS),
    ("/models/promises", "Promises", Right.SET_PROMISE),
    ("/emergencies", "Emergencies", Right.REVIEW_GLASS),
    ("/practice", "Practice", Right.SET_PRACTICE),
    ("/teams", "Teams", Right.MANAGE_TEAMS),
    ("/users", "People", Right.MANAGE_USERS),
    ("/emergency", "Emergency", Right.BREAK_GLASS),
)


def environment(static: str) -> ImmutableSandboxedEnvironment:
    """Return the template environment of the room; `static` is where its files are served.

    No text of a message is ever a template; were one taken for it, the sandbox gives it nothing.
    """
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Every word of a page goes through `_` or `trans`, so that it can be said in another language.
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # The extension's.
    made.globals |= {"static": static, "scripts": SCRIPTS, "Right": Right, "wording": wording}
    made.filters |= {
        "reveal": Protected.reveal,
        "exact": _exact,
        "unseen": _unseen,
        "mail_html": _mail_html,
        "answering": _answering,
        "age": wording.age,
        "due": wording.due,
        "late": wording.late,
        "size": wording.size,
        "percent": wording.percent,
        "exactly": wording.exactly,
        "one_in": wording.one_in,
    }
    return made


class Pages:
    """The templates of one application."""

    def __init__(
        self, *, clinic_name: str, sink_url: str | None, static: str, demonstration: bool = False
    ) -> None:
        self._environment = environment(static)
        self._environment.globals |= {
            "clinic_name": clinic_name,
            "sink_url": sink_url,
            "demonstration": demonstration,
        }
        #: How much waits for a person under "For me"; asked once for each whole page.
        self.waiting: Callable[[User], int] = lambda _: 0

    def render(
        self, name: str, visitor: Visitor | None, *, status: int = 200, **context: Any
    ) -> HTMLResponse:
        """Return a page for this visitor, with the menu entries they may use."""
        shown = {"banners": (), "here": "", **context, "visitor": visitor}
        shown["menu"] = menu(visitor)
        whole = visitor is not None and may(visitor.user, Right.SEE_QUEUE) and name[0] != "_"
        shown["for_me"] = self.waiting(visitor.user) if whole and visitor else 0
        # A key made on this page proves nothing after the longest session there is.
        shown["key_until"] = int(time.time()) + LONGEST_SESSION
        shown["allowed"] = lambda right: visitor is not None and may(visitor.user, right)
        return HTMLResponse(self._environment.get_template(name).render(shown), status)


def pages(request: Request) -> Pages:
    """Return the templates of the application that serves this request."""
    found: Pages = request.app.state.pages
    return found


def menu(visitor: Visitor | None) -> list[tuple[str, str]]:
    """Return (path, word) for what this visitor may open, in order."""
    if visitor is None:
        return []
    return [(path, word) for path, word, right in MENU if may(visitor.user, right)]


def home(visitor: Visitor) -> str:
    """Return the first page this visitor may open."""
    return next((path for path, _ in menu(visitor)), "/account")


def _exact(text: Protected | str) -> Markup:
    return harmless.exact(text if isinstance(text, str) else text.reveal())


def _unseen(text: Protected) -> int:
    return harmless.unseen(text.reveal())


def _mail_html(text: Protected) -> str:
    return harmless.mail_html(text.reveal())


def _answering(subject: Protected) -> str:
    text = subject.reveal()
    return text if text.lower().startswith("re:") else f"Re: {text}"
