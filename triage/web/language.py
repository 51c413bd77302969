"""The language a person reads the pages in: their own choice, on their own page.

Rule of the room: what patients wrote and what is suggested to them stays as it is.
"""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from triage.web.tongue import LANGUAGES
from triage.web.visitor import Posting, TheDesk

router = APIRouter()
Language = Annotated[str, Form(pattern=f"^({'|'.join(LANGUAGES)})$")]


@router.post("/account/language")
def choose(desk: TheDesk, posting: Posting, language: Language) -> Response:
    """Keep the language; the next page speaks it."""
    desk.signing.choose_language(posting.token, language)
    return RedirectResponse("/account", status_code=303)
