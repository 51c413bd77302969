"""The trained models: what serves, what could, and going back.

Rule of the room: the numbers are those of the card; who promotes is never who trained.
"""

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

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
def training(desk: TheDesk, posting: Posting) -> Response:
    """Hand out the redacted rows people labelled, as JSON Lines; never an original."""
    lines = [
        json.dumps(
            {
                "id": row.id,
                "channel": str(row.channel),
                "subject": row.subject,
                "body": row.body,
                "route": row.route,
                "also": list(row.also),
                "urgency": row.urgency,
                "source": row.source,
                "model": row.model,
            },
            ensure_ascii=False,
        )
        for row in desk.models.training_rows(posting.user)
    ]
    headers = {"Content-Disposition": 'attachment; filename="training.jsonl"'}
    return Response("".join(f"{line}\n" for line in lines), 200, headers, "application/jsonl")
