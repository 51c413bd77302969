"""Words that could not be saved, kept on the page that says so.

Rule of the room: nothing a person typed is lost because a colleague was quicker, and nothing a
colleague saved is replaced before it was shown.
"""

from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import Response

from triage.desk import Desk
from triage.domain import NOTHING, Protected
from triage.errors import TriageError
from triage.web.errors import told
from triage.web.pages import pages
from triage.web.visitor import Visitor


def unsaved(
    request: Request,
    desk: Desk,
    posting: Visitor,
    case_id: str,
    why: TriageError,
    *,
    subject: Protected = NOTHING,
    body: Protected = NOTHING,
    forms: Sequence[str] = (),
    run: bool = False,
) -> Response:
    """Return the page with what stands in the case now, by whom, and what this person typed."""
    status, headline, advice = told(why)
    view = desk.queue.open(posting.user, case_id)
    taken = view.claimed_by is not None and view.claimed_by.id != posting.user.id
    return pages(request).render(
        "unsaved.html",
        posting,
        status=status,
        here="/queue",
        headline=headline,
        advice=advice,
        case_id=case_id,
        view=view,
        names=view.names,
        ask=desk.together.about(posting.user, case_id).ask,
        # Where no reply can be saved just now, the words can only be copied.
        shut=taken or bool(view.obstacle),
        subject=subject,
        body=body,
        forms=forms,
        run=run,
    )
