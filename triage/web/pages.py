"""Renders templates: everything a page may show is put together here.

Rule of the room: autoescape always; `reveal` and `exact` are the only ways protected text gets
onto a page; an unknown name in a template is an error, not an empty place.
"""

import inspect
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from triage.desk import Right, may
from triage.domain import Protected, User
from triage.domain.outcome import NEEDED
from triage.web import counting, harmless, wording
from triage.web.assets import STATIC
from triage.web.identifiers import any_found, identified
from triage.web.tongue import ENGLISH, LANGUAGES, Tongue, tongue, wanted
from triage.web.visitor import LONGEST_SESSION, Visitor, chosen

TEMPLATES = Path(__file__).parent / "templates"
#: Our own modules, named so that a browser fetches them side by side.
SCRIPTS = tuple(sorted(path.name for path in STATIC.glob("*.js")))
#: What the menu offers, the right each entry needs, and the heading it stands under, if any.
_LOOK_BACK, _SET_UP = "Look back", "Set up"
MENU = (
    ("/queue", "Queue", Right.SEE_QUEUE, ""),
    ("/for-me", "For me", Right.SEE_QUEUE, ""),
    ("/clinical", "Clinical review", Right.SIGN_CLINICAL, ""),
    ("/downtime", "Downtime", Right.SEE_QUEUE, ""),
    ("/sample", "Re-reading", Right.JUDGE_SAMPLE, _LOOK_BACK),
    ("/audit", "Audit", Right.SEE_AUDIT, _LOOK_BACK),
    ("/approvals", "Approvals", Right.SEE_AUDIT, _LOOK_BACK),
    ("/emergencies", "Emergencies", Right.REVIEW_GLASS, _LOOK_BACK),
    ("/models", "Models", Right.SEE_MODELS, _LOOK_BACK),
    ("/models/promises", "Promises", Right.SET_PROMISE, _SET_UP),
    ("/practice", "Practice", Right.SET_PRACTICE, _SET_UP),
    ("/templates", "Templates", Right.RELEASE_TEMPLATE, _SET_UP),
    ("/forms", "Forms", Right.MANAGE_FORMS, _SET_UP),
    ("/contacts", "Contacts", Right.EDIT_CONTACTS, _SET_UP),
    ("/teams", "Teams", Right.MANAGE_TEAMS, _SET_UP),
    ("/users", "People", Right.MANAGE_USERS, _SET_UP),
    ("/emergency", "Emergency", Right.BREAK_GLASS, ""),
)
#: So many entries of one heading stand side by side; more are folded under it.
_IN_SIGHT = 2


def environment(static: str, spoken: Tongue = ENGLISH) -> ImmutableSandboxedEnvironment:
    """Return the template environment of the room in one language.

    `static` is where its files are served. No text of a message is ever a template; were one taken
    for it, the sandbox gives it nothing.
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
    made.install_gettext_callables(  # type: ignore[attr-defined]  # The extension's.
        spoken.say, spoken.many, newstyle=True
    )
    said = words_in(spoken)
    made.globals |= {"static": static, "scripts": SCRIPTS, "Right": Right, "wording": said}
    made.globals |= {"needs": lambda outcome: " ".join(NEEDED.get(outcome, ()))}
    made.globals |= {"language": spoken.code, "languages": LANGUAGES}
    made.globals |= {"scripted": json.dumps(spoken.scripted) if spoken.scripted else ""}
    made.filters |= {
        "reveal": Protected.reveal,
        "exact": _exact,
        "unseen": _unseen,
        "mail_html": _mail_html,
        "identified": partial(identified, kinds=said.IDENTIFIERS),
        "any_identified": any_found,
        "answering": _answering,
        "said": spoken.said,
    }
    counted = ("age", "due", "late", "size", "percent", "exactly", "one_in", "nth")
    made.filters |= {name: getattr(said, name) for name in counted}
    return made


def words_in(spoken: Tongue) -> SimpleNamespace:
    """Return the words of `wording` and `counting` in one language, under the same names."""
    both = vars(counting) | vars(wording)
    found = {name: value for name, value in both.items() if not name.startswith("_")}
    return SimpleNamespace(**{name: _in(spoken, value) for name, value in found.items()})


def _in(spoken: Tongue, value: Any) -> Any:
    if type(value) is str:  # A member of a list, such as a route, is no word but what has one.
        return spoken.say(value)
    if isinstance(value, Mapping):
        return {key: _in(spoken, one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_in(spoken, one) for one in value)
    if inspect.isfunction(value) and "spoken" in inspect.signature(value).parameters:
        return partial(value, spoken=spoken)
    return value


class Pages:
    """The templates of one application in one language."""

    def __init__(
        self,
        *,
        clinic_name: str,
        sink_url: str | None,
        static: str,
        demonstration: bool = False,
        training: bool = False,
        spoken: Tongue = ENGLISH,
    ) -> None:
        self._spoken = spoken
        self._environment = environment(static, spoken)
        self._environment.globals |= {
            "clinic_name": clinic_name,
            "sink_url": sink_url,
            "demonstration": demonstration,
            "training": training,
        }
        #: How much waits for a person under "For me"; asked once for each whole page.
        self.waiting: Callable[[User], int] = lambda _: 0

    def render(
        self, name: str, visitor: Visitor | None, *, status: int = 200, **context: Any
    ) -> HTMLResponse:
        """Return a page for this visitor, with the menu entries they may use."""
        shown = {"banners": (), "here": "", **context, "visitor": visitor}
        shown["menu"] = [
            (self._spoken.say(heading), [(path, self._spoken.say(word)) for path, word in entries])
            for heading, entries in menu(visitor)
        ]
        whole = visitor is not None and may(visitor.user, Right.SEE_QUEUE) and name[0] != "_"
        shown["for_me"] = self.waiting(visitor.user) if whole and visitor else 0
        # A key made on this page proves nothing after the longest session there is.
        shown["key_until"] = int(time.time()) + LONGEST_SESSION
        shown["allowed"] = lambda right: visitor is not None and may(visitor.user, right)
        return HTMLResponse(self._environment.get_template(name).render(shown), status)

    def said(self, text: str) -> str:
        """Return what Python made for people in this language."""
        return self._spoken.said(text)


def in_every_language(**parts: Any) -> dict[str, Pages]:
    """Return the templates once for each language: nothing is switched while pages are made."""
    return {code: Pages(**parts, spoken=tongue(code)) for code in LANGUAGES}


def pages(request: Request) -> Pages:
    """Return the templates in the language of whoever asks: chosen, else the browser's."""
    found: dict[str, Pages] = request.app.state.pages
    return found[chosen(request) or wanted(request.headers.get("accept-language", ""))]


def menu(visitor: Visitor | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what this visitor may open, in order: (heading, its entries as (path, word)).

    What stands by itself in the menu has no heading.
    """
    if visitor is None:
        return []
    mine = [entry for entry in MENU if may(visitor.user, entry[2])]
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for heading, entries in groupby(mine, key=lambda entry: entry[3]):
        under = [(path, word) for path, word, *_ in entries]
        found.append((heading if len(under) > _IN_SIGHT else "", under))
    return found


def home(visitor: Visitor) -> str:
    """Return the first page this visitor may open."""
    return next((path for _, entries in menu(visitor) for path, _ in entries), "/account")


def _exact(text: Protected | str) -> Markup:
    return harmless.exact(text if isinstance(text, str) else text.reveal())


def _unseen(text: Protected) -> int:
    return harmless.unseen(text.reveal())


def _mail_html(text: Protected) -> str:
    return harmless.mail_html(text.reveal())


def _answering(subject: Protected) -> str:
    text = subject.reveal()
    return text if text.lower().startswith("re:") else f"Re: {text}"
