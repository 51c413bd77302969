"""Search: words, and marks of patients, across open and closed cases.

Rule of the room: what is looked for comes in the body of a form and never stands in an address;
the form answers with a page named by an id that says nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.domain import CaseState, Channel, Lane, Protected, Route, Urgency, Wanted
from triage.web.colleagues import around
from triage.web.pages import pages
from triage.web.queue import PAGE
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/search")
#: Nobody types more; the rest is left out.
LONGEST = 300
#: Stands for nobody where a person could be chosen.
NOBODY = "-"
_STATES: Mapping[str, CaseState] = {state.value: state for state in CaseState}

Words = Annotated[str, Form()]
Place = Annotated[Literal["", "open", "closed"] | Lane, Form()]
Asks = Annotated[Literal[""] | Route, Form()]
Held = Annotated[str, Form(max_length=64)]
Age = Annotated[Literal["", "1", "7", "30", "365"], Form()]
How = Annotated[Literal["", "routine", "today", "emergency"], Form()]
Way = Annotated[Literal[""] | Channel, Form()]
Before = Annotated[int | None, Query(ge=0, le=2**62)]


def asked(
    *,
    words: Words = "",
    place: Place = "",
    route: Asks = "",
    held: Held = "",
    age: Age = "",
    urgency: How = "",
    channel: Way = "",
) -> Wanted:
    """Read the form."""
    return Wanted(
        words=Protected(words[:LONGEST]),
        state=_STATES.get(place),
        lane=place if isinstance(place, Lane) else None,
        route=route or None,
        held_by={"": None, NOBODY: ""}.get(held, held),
        days=int(age) if age else None,
        urgency=Urgency.of(urgency) if urgency else None,
        channel=channel or None,
    )


@router.post("")
def ask(desk: TheDesk, posting: Posting, wanted: Annotated[Wanted, Depends(asked)]) -> Response:
    """Keep what is looked for and go to the page that finds it."""
    search_id = desk.search.keep(posting.user, wanted)
    return RedirectResponse(f"/search/{search_id}", 303)


@router.get("/{search_id}")
def found(
    request: Request, desk: TheDesk, asking: Asking, search_id: str, before: Before = None
) -> HTMLResponse:
    """Show one page of what was found."""
    view = desk.search.find(asking.user, search_id, before=before, limit=PAGE)
    return pages(request).render(
        "search.html",
        asking,
        here="/queue",
        view=view,
        search_id=search_id,
        before=before,
        **around(desk, asking.user),
        banners=view.banners,
    )
