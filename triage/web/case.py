"""One case: read it, sort it, take it, close it.

Rule of the room: each handler is one decision of a person; the Desk says whether they may.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.desk.queue import OUTCOMES, URGENT_OUTCOMES
from triage.desk.urgent import UrgentCase
from triage.domain import Protected, Route, Told, Urgency
from triage.errors import NotFound
from triage.web.colleagues import around
from triage.web.harmless import disposition
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk

router = APIRouter(prefix="/case/{case_id}")

#: The newest message on the page a form was sent from; the store compares.
Seen = Annotated[str, Form()]
#: How the case was sorted and whose it was on that page; the store compares this, too.
Was = Annotated[str, Form()]


def back_to(case_id: str, part: str = "") -> Response:
    """Return to a case after something was done to it."""
    return RedirectResponse(f"/case/{case_id}{part}", status_code=303)


@router.get("")
def case(
    *,
    request: Request,
    desk: TheDesk,
    asking: Asking,
    case_id: str,
    run: bool = False,
    approved: Annotated[str, Query(pattern="^[0-9a-f]{0,32}$")] = "",
) -> HTMLResponse:
    """Show everything about one case; in a run, the reply `approved` on the page before, too."""
    view = desk.queue.open(asking.user, case_id)
    file = view.file
    urgent = file.case.urgency > Urgency.ROUTINE
    told = urgent and not view.glass_until
    alarm = desk.urgent.of_case(asking.user, case_id) if told else UrgentCase()
    together = desk.together.about(asking.user, case_id) if view.glass_until is None else None
    # An emergency opens this case and no other one of the patient.
    others = [] if view.glass_until else [one.case_id for one in file.chain.cases]
    return pages(request).render(
        "case.html",
        asking,
        together=together,
        chained=desk.search.chained(asking.user, others) if others else {},
        **around(desk, asking.user) | {"names": view.names},
        run=run,
        before=desk.replies.status(asking.user, approved) if run and approved else None,
        here="/queue",
        view=view,
        file=file,
        case=file.case,
        urgent=urgent,
        outcomes=URGENT_OUTCOMES if urgent else OUTCOMES,
        locked=view.claimed_by is not None and view.claimed_by.id != asking.user.id,
        banners=view.banners,
        seen=file.newest,
        was=file.was,
        attempt=0,
        alarm=alarm,
    )


@router.post("/claim")
def claim(desk: TheDesk, posting: Posting, case_id: str) -> Response:
    """Take the case."""
    desk.queue.claim(posting.user, case_id)
    return back_to(case_id)


@router.post("/release")
def release(desk: TheDesk, posting: Posting, case_id: str) -> Response:
    """Give the case back."""
    desk.queue.release(posting.user, case_id)
    return back_to(case_id)


@router.post("/take-over")
def take_over(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    reason: Annotated[str, Form(min_length=3, max_length=1000)],
) -> Response:
    """Take the case from whoever has it; they read why."""
    desk.queue.take_over(posting.user, case_id, reason=Protected(reason.strip()))
    return back_to(case_id)


@router.post("/open-again")
def open_again(
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    reason: Annotated[str, Form(min_length=3, max_length=1000)],
) -> Response:
    """Open a closed case: somebody must still act, or it was closed by mistake."""
    desk.together.open_again(posting.user, case_id, reason=Protected(reason.strip()))
    return back_to(case_id)


@router.post("/reroute")
def reroute(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    route: Annotated[Route, Form()],
    urgency: Annotated[str, Form()],
    seen: Seen,
    was: Was,
    also: Annotated[list[Route] | None, Form()] = None,
    why: Annotated[str, Form()] = "",
) -> Response:
    """Sort the case by hand."""
    desk.queue.reroute(
        posting.user,
        case_id,
        route=route,
        urgency=urgency_of(urgency),
        also=frozenset(also or ()),
        why=Protected(why.strip()),
        seen=seen,
        was=was,
    )
    return back_to(case_id)


@router.post("/link")
def link(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    contact: Annotated[str, Form()],
    seen: Seen,
    was: Was,
) -> Response:
    """Say whose case it is: the form names `patient:contact`."""
    patient_id, _, contact_id = contact.partition(":")
    whose = {"patient_id": patient_id, "contact_id": contact_id}
    desk.queue.link(posting.user, case_id, **whose, seen=seen, was=was)
    return back_to(case_id)


@router.post("/unlink")
def unlink(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    reason: Annotated[str, Form(min_length=3, max_length=1000)],
    seen: Seen,
    was: Was,
) -> Response:
    """Say that it is not this patient's case, and of nobody we know."""
    why = Protected(reason.strip())
    desk.queue.unlink(posting.user, case_id, reason=why, seen=seen, was=was)
    return back_to(case_id)


@router.post("/own-case")
def own_case(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    message: Annotated[str, Form()],
    reason: Annotated[str, Form(min_length=3, max_length=1000)],
    seen: Seen,
    was: Was,
) -> Response:
    """Say that a message joined the wrong case: it gets one of its own."""
    why = Protected(reason.strip())
    desk.queue.own_case(posting.user, case_id, message, reason=why, seen=seen, was=was)
    return back_to(case_id, f"#message-{message}")


@router.post("/by-person")
def by_person(desk: TheDesk, posting: Posting, case_id: str, seen: Seen) -> Response:
    """Say that a person wrote what looks automatic."""
    desk.queue.by_person(posting.user, case_id, seen=seen)
    return back_to(case_id)


@router.post("/tick")
def tick(
    desk: TheDesk, posting: Posting, case_id: str, part: Annotated[str, Form()], seen: Seen
) -> Response:
    """Mark one request as done."""
    desk.queue.tick(posting.user, case_id, part, seen=seen)
    return back_to(case_id, "#requests")


@router.post("/close")
def close(
    *,
    desk: TheDesk,
    posting: Posting,
    case_id: str,
    outcome: Annotated[str, Form()],
    seen: Seen,
    was: Was,
    note: Annotated[str, Form()] = "",
    who: Annotated[str, Form()] = "",
    when: Annotated[str, Form()] = "",
    said: Annotated[str, Form()] = "",
    done: Annotated[str, Form(pattern="^(yes)?$")] = "",
) -> Response:
    """Close the case with a named outcome and go on with the queue."""
    words, told = Protected(note.strip()), Told(Protected(who), Protected(when), Protected(said))
    desk.queue.close(
        posting.user,
        case_id,
        outcome=outcome,
        note=words,
        told=told,
        seen=seen,
        was=was,
        all_done=bool(done),
    )
    return RedirectResponse("/queue", status_code=303)


@router.get("/attachment/{attachment_id}")
def attachment(desk: TheDesk, asking: Asking, case_id: str, attachment_id: str) -> Response:
    """Hand out a file for saving; a browser never opens it on our pages."""
    found = desk.queue.attachment(asking.user, case_id, attachment_id)
    return saved(found.content, found.name.reveal())


@router.get("/original/{message_id}")
def original(desk: TheDesk, asking: Asking, case_id: str, message_id: str) -> Response:
    """Hand out a message as it came, for when it could not be read."""
    raw = desk.queue.original(asking.user, case_id, message_id)
    ending = "eml" if raw.media_type == "message/rfc822" else "json"
    return saved(raw.content, f"{case_id[:8]}-{message_id[:8]}.{ending}")


def saved(content: bytes, name: str) -> Response:
    """Return bytes as a file to save, whatever they claim to be."""
    headers = {
        "Content-Disposition": disposition(name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


def urgency_of(word: str) -> Urgency:
    """Return the urgency a form names; raise NotFound for any other word."""
    try:
        return Urgency.of(word)
    except KeyError:
        raise NotFound("urgency") from None
