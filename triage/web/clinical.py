"""What a clinician answers for: the red-flag rules and the texts for urgent messages.

Rule of the room: what is signed is shown in full above the button; a signature holds only for
exactly that, and the Desk asks again when it changed.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.drafting.wording import wordings
from triage.priority.redflags import TABLE
from triage.priority.table import files
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/clinical")


@router.get("")
def clinical(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Show what there is to sign and who signed it."""
    signatures = desk.supervision.signatures(asking.user)
    return pages(request).render(
        "clinical.html",
        asking,
        here="/clinical",
        signatures=signatures,
        texts={what: READERS[what]() for what in signatures if what in READERS},
        names={person.id: person.display_name for person in desk.people.users(asking.user)},
        banners=desk.banners(asking.user),
    )


@router.post("/sign")
def sign(
    desk: TheDesk, posting: Posting, what: Annotated[str, Form()], read: Annotated[str, Form()]
) -> Response:
    """Sign one of them; the form insists on the tick that says it was read."""
    del read
    desk.supervision.sign(posting.user, what)
    return RedirectResponse("/clinical", status_code=303)


def _rules() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files(TABLE))


def _urgent_texts() -> str:
    shown = []
    for language, texts in sorted(wordings()[0].items()):
        for urgency, one in sorted(texts.urgent.items(), reverse=True):
            head = f"[{language}, {urgency.word}] {one.template.subject}"
            shown.append(f"{head}\n{one.note}\n\n{one.template.text}")
    return "\n\n".join(shown)


#: What is signed -> how it is read out.
READERS = {"redflags": _rules, "urgent_texts": _urgent_texts}
