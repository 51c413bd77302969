"""The clinic's own reply templates: write, look at them on past messages, put in service.

Rule of the room: words travel in the body of a form; what is refused is shown with the words.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.templates import TemplateView
from triage.domain import Protected, Route
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/templates")
Topic = Annotated[Route, Form()]
Language = Annotated[str, Form(max_length=16)]
#: Longer than may be kept, so that who pastes too much is told and loses nothing.
Typed = Annotated[str, Form(max_length=20_000)]
Number = Annotated[int, Form(ge=0)]


@router.get("")
def templates(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """List topics and languages: which words serve, and what waits for a second person."""
    return pages(request).render(
        "templates.html",
        asking,
        here="/templates",
        lines=desk.templates.all(asking.user),
        banners=desk.banners(asking.user),
    )


@router.get("/{place}")
def template(request: Request, desk: TheDesk, asking: Asking, place: str) -> HTMLResponse:
    """Show the words of one topic and language, such as `refill.en`, with every version."""
    topic, _, language = place.partition(".")
    known = next((route for route in Route if route == topic), Route.NOT_FOR_US)
    view = desk.templates.one(asking.user, known, language)
    return _page(request, desk, asking, view)


@router.post("/look")
def look(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    route: Topic,
    language: Language = "en",
    subject: Typed = "",
    body: Typed = "",
) -> HTMLResponse:
    """Show what these words would have said; nothing is kept."""
    words = {"subject": _typed(subject), "body": _typed(body)}
    view = desk.templates.look(posting.user, route, language, **words)
    return _page(request, desk, posting, view)


@router.post("")
def write(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    route: Topic,
    language: Language = "en",
    subject: Typed = "",
    body: Typed = "",
    version: Number = 0,
) -> Response:
    """Keep words as a new version, for a second person to put in service."""
    words = {"subject": _typed(subject), "body": _typed(body)}
    view = desk.templates.write(posting.user, route, language, **words, version=version)
    if view.objections:
        return _page(request, desk, posting, view, status=409)
    return _back(route, language)


@router.post("/release")
def release(
    desk: TheDesk, posting: Posting, template_id: Annotated[str, Form()], version: Number = 0
) -> Response:
    """Put a version that somebody else wrote in service."""
    desk.templates.release(posting.user, template_id, version=version)
    return RedirectResponse("/templates", status_code=303)


@router.post("/retire")
def retire(
    *, desk: TheDesk, posting: Posting, route: Topic, language: Language = "en", version: Number = 0
) -> Response:
    """Let the shipped words serve again."""
    desk.templates.retire(posting.user, route, language, version=version)
    return RedirectResponse("/templates", status_code=303)


def _typed(words: str) -> Protected:
    """Return typed words with the line ends of this machine; a browser sends others."""
    return Protected(words.replace("\r\n", "\n").strip())


def _back(route: Route, language: str) -> Response:
    return RedirectResponse(f"/templates/{route.value}.{language}", status_code=303)


def _page(
    request: Request, desk: TheDesk, visitor: Visitor, view: TemplateView, *, status: int = 200
) -> HTMLResponse:
    return pages(request).render(
        "template.html",
        visitor,
        status=status,
        here="/templates",
        view=view,
        banners=desk.banners(visitor.user),
    )
