"""Contact records: a patient is found by what is known of them, and reached where a person says.

Rule of the room: neither a patient nor an address is ever in the address of a page; every step is
a form, and what comes back is the patient's page anew.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from triage.connectors.reached import CHANNELS
from triage.domain import Channel, Protected
from triage.web.pages import pages
from triage.web.visitor import Asking, Posting, TheDesk, Visitor

router = APIRouter(prefix="/contacts")
Words = Annotated[str, Form(max_length=300)]
Id = Annotated[str, Form(min_length=1, max_length=64)]


@router.get("")
def contacts(request: Request, desk: TheDesk, asking: Asking) -> HTMLResponse:
    """Ask whose contacts are wanted."""
    banners = desk.banners(asking.user)
    return pages(request).render(
        "contacts.html", asking, here="/contacts", found=(), searched=False, banners=banners
    )


@router.post("")
def find(request: Request, desk: TheDesk, posting: Posting, words: Words = "") -> HTMLResponse:
    """List the patients that have every word."""
    searched = bool(words.strip())
    found = desk.contacts.find(posting.user, Protected(words)) if searched else ()
    return pages(request).render(
        "contacts.html",
        posting,
        here="/contacts",
        found=found,
        searched=searched,
        banners=desk.banners(posting.user),
    )


@router.post("/patient")
def patient(request: Request, desk: TheDesk, posting: Posting, patient: Id) -> HTMLResponse:
    """Show one patient's contacts."""
    return _page(request, desk, posting, patient)


@router.post("/put")
def put(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    patient: Id,
    channel: Annotated[Channel, Form()] = Channel.EMAIL,
    address: Words = "",
    reader: Words = "",
    relation: Words = "",
    language: Annotated[str, Form(max_length=16)] = "en",
    contact: Annotated[str, Form(max_length=64)] = "",
    version: Annotated[int, Form(ge=0)] = 0,
) -> HTMLResponse:
    """Add a contact, or change one; another address has to be verified anew."""
    desk.contacts.put(
        posting.user,
        patient,
        channel=channel,
        address=Protected(address.strip()),
        reader=Protected(" ".join(reader.split())),
        relation=" ".join(relation.split()),
        language=language,
        contact_id=contact or None,
        version=version,
    )
    return _page(request, desk, posting, patient)


@router.post("/retire")
def retire(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    patient: Id,
    contact: Id,
    version: Annotated[int, Form(ge=0)] = 0,
) -> HTMLResponse:
    """Take a contact out of use."""
    desk.contacts.retire(posting.user, contact, version=version)
    return _page(request, desk, posting, patient)


@router.post("/verify")
def verify(
    *, request: Request, desk: TheDesk, posting: Posting, patient: Id, contact: Id
) -> HTMLResponse:
    """Record that this person checked an address with its owner."""
    desk.people.verify_contact(posting.user, contact)
    return _page(request, desk, posting, patient)


@router.post("/consent")
def consent(
    *,
    request: Request,
    desk: TheDesk,
    posting: Posting,
    patient: Id,
    contact: Id,
    agreed: Annotated[str, Form(pattern="^(yes|no)$")],
) -> HTMLResponse:
    """Record what the patient said when this person asked whether e-mail is all right."""
    desk.people.record_consent(posting.user, contact, agreed == "yes")
    return _page(request, desk, posting, patient)


def _page(request: Request, desk: TheDesk, posting: Visitor, patient_id: str) -> HTMLResponse:
    found, known = desk.contacts.of(posting.user, patient_id)
    staff = desk.people.users(posting.user)
    return pages(request).render(
        "patient_contacts.html",
        posting,
        here="/contacts",
        patient=found,
        contacts=known,
        channels=CHANNELS,
        names={one.id: one.display_name for one in staff},
        banners=desk.banners(posting.user),
    )
