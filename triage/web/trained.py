"""The trained models: what serves, what could, and going back.

Rule of the room: the numbers are those of the card; who promotes is never who trained.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.exporting import as_json
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/models")


@router.get("")
def models(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show every registered model by task."""
    found = desk.models.list(asking.user)
    return pages(request).render(
        "models.html",
        asking,
        here="/models",
        tasks={
            task: [model for model in found if model.task == task]
            for task in sorted({model.task for model in found})
        },
        banners=desk.banners(asking.user),
    )


@router.post("/promote")
def promote(desk: TheDesk, posting: Posting, name: Annotated[str, Form()]) -> Response:
    """Let a candidate serve."""
    desk.models.promote(posting.user, name)
    return RedirectResponse("/models", status_code=303)


@router.post("/rollback")
def rollback(desk: TheDesk, posting: Posting, task: Annotated[str, Form()]) -> Response:
    """Let the model before serve again."""
    desk.models.rollback(posting.user, task)
    return RedirectResponse("/models", status_code=303)


@router.post("/training")
def training(
    desk: TheDesk, posting: Posting, without_leaking: Annotated[bool, Form()] = False
) -> Response:
    """Hand out the redacted rows people labelled, as JSON Lines; never an original."""
    rows = desk.models.training_rows(posting.user, without_leaking=without_leaking)
    headers = {"Content-Disposition": 'attachment; filename="training.jsonl"'}
    content = "".join(f"{as_json(row)}\n" for row in rows)
    return Response(content, 200, headers, "application/jsonl")
