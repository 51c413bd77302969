"""The audit: who saw and did what, and whether the record still holds.

Rule of the room: filters are ids, days and names of actions, so they may stand in an address.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from triage.desk import Desk
from triage.domain import AuditEvent, User
from triage.web.case import saved
from triage.web.evidence import changes, pack
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter()
PAGE = 100
#: An export never holds more rows than this; it says so when it was cut.
LONGEST_EXPORT = 100_000
#: What redaction left readable is counted over so many days.
LEAK_DAYS = 30
#: Processes that act beside people.
MACHINES = ("landing", "worker", "sender")


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show of the audit; empty means everything."""

    case_id: str
    who: str
    action: str
    since: str

    @property
    def query(self) -> str:
        """The filter as it stands in an address."""
        kept = {"case_id": self.case_id, "who": self.who}
        return urlencode({**kept, "action": self.action, "since": self.since})

    def events(self, desk: Desk, actor: User, limit: int, offset: int) -> tuple[AuditEvent, ...]:
        """Return matching events, newest first."""
        return desk.supervision.events(
            actor,
            case_id=self.case_id or None,
            who=self.who or None,
            action=self.action or None,
            since=_midnight(self.since),
            limit=limit,
            offset=offset,
        )


def asked(case_id: str = "", who: str = "", action: str = "", since: str = "") -> Filter:
    """Read a filter from an address."""
    return Filter(case_id.strip(), who, action.strip(), since)


def posted(
    case_id: Annotated[str, Form()] = "",
    who: Annotated[str, Form()] = "",
    action: Annotated[str, Form()] = "",
    since: Annotated[str, Form()] = "",
) -> Filter:
    """Read a filter from a form."""
    return Filter(case_id.strip(), who, action.strip(), since)


@router.get("/audit")
def events(
    request: Request,
    desk: TheDesk,
    asking: Asking,
    wanted: Annotated[Filter, Depends(asked)],
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> HTMLResponse:
    """Show one page of the audit, newest first."""
    found = wanted.events(desk, asking.user, PAGE, start)
    return _page(request, desk, asking, found=found, wanted=wanted, start=start)


@router.get("/case/{case_id}/history")
def history(request: Request, desk: TheDesk, asking: Asking, case_id: str) -> HTMLResponse:
    """Show everything that ever happened to one case, oldest first."""
    found = desk.supervision.history(asking.user, case_id)
    replies = desk.supervision.replies(asking.user, case_id)
    return pages(request).render(
        "history.html",
        asking,
        here="/audit",
        found=found,
        case_id=case_id,
        changes=[(one, list(changes(one.suggested, one.outgoing.body))) for one in replies],
        names=_names(desk, asking.user),
        banners=desk.banners(asking.user),
    )


@router.post("/case/{case_id}/evidence")
def evidence(desk: TheDesk, posting: Posting, case_id: str) -> Response:
    """Hand out one case with what proves it; patient text is in it on purpose."""
    view = desk.supervision.evidence(posting.user, case_id)
    packed = pack(view, by=posting.user, at=datetime.now(UTC))
    digest = hashlib.sha256(packed).hexdigest()
    desk.supervision.evidence_left(posting.user, case_id, digest)
    return saved(packed, f"evidence-{case_id[:8]}.zip")


@router.post("/audit/verify")
def verify(request: Request, desk: TheDesk, posting: Posting) -> HTMLResponse:
    """Check every link of the chain and say what was found."""
    verdict = desk.supervision.verify(posting.user)
    return pages(request).render("_verdict.html", posting, verdict=verdict)


@router.post("/audit/export")
def export(
    request: Request,
    desk: TheDesk,
    posting: Posting,
    wanted: Annotated[Filter, Depends(posted)],
) -> Response:
    """Hand out the filtered events as a table in which no cell is a formula."""
    found = wanted.events(desk, posting.user, LONGEST_EXPORT, 0)
    rows = desk.supervision.export(posting.user, found, pages(request).said)
    return table(rows, f"audit-{datetime.now(UTC):%Y%m%d-%H%M}.csv")


def table(rows: str, name: str) -> Response:
    """Return a table to save under a name of ours."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(rows, media_type="text/csv; charset=utf-8", headers=headers)


def _page(
    request: Request,
    desk: Desk,
    asking: Asking,
    *,
    found: tuple[AuditEvent, ...],
    wanted: Filter,
    start: int,
) -> HTMLResponse:
    return pages(request).render(
        "audit.html",
        asking,
        here="/audit",
        found=found,
        wanted=wanted,
        start=start,
        page=PAGE,
        machines=MACHINES,
        leaks=desk.supervision.leaks(asking.user, days=LEAK_DAYS),
        leak_days=LEAK_DAYS,
        names=_names(desk, asking.user),
        banners=desk.banners(asking.user),
    )


def _names(desk: Desk, user: User) -> dict[str, str]:
    return {person.id: person.display_name for person in desk.people.users(user)}


def _midnight(day: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        return None
