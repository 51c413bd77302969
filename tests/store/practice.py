"""Readings, people and approvals as the rest of the house would hand them to the store."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from tests.proofs import browser_key, enrol
from triage.domain import (
    Approval,
    Arrival,
    Attachment,
    Channel,
    Check,
    Classification,
    Contact,
    Draft,
    Flag,
    IdentifierType,
    Lane,
    Mark,
    Message,
    Outgoing,
    Patient,
    Position,
    Priority,
    Protected,
    Reading,
    Redacted,
    Redaction,
    Reply,
    Role,
    Route,
    Span,
    Suggestion,
    Urgency,
    User,
    new_id,
)
from triage.store import Store
from triage.store.proof import BrowserKey

MASTER = hashlib.sha256(b"the master of the tests of the store").digest()
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, step: timedelta) -> None:
        self.now += step


def arrival(
    content: bytes | str = b"hello",
    *,
    uid: str = "1",
    epoch: str = "7",
    inbox: str = "front-desk",
    mailbox: str = "INBOX",
) -> Arrival:
    data = content.encode() if isinstance(content, str) else content
    place = Position(inbox, mailbox, epoch, uid)
    return Arrival(place, Channel.EMAIL, "message/rfc822", data)


def ana(clinic: str, *, number: int = 1, verified: bool = True) -> tuple[Patient, list[Contact]]:
    """A patient with one e-mail address of her own."""
    name = Protected(f"Ana Marula {number}")
    patient = Patient(
        f"patient-{number}", clinic, name, Protected("1971-03-09"), Protected(f"MRN-{number:05}")
    )
    contact = Contact(
        f"contact-{number}",
        clinic,
        patient.id,
        Channel.EMAIL,
        Protected(f"ana{number}@patients.example"),
        name,
        "self",
        "front desk" if verified else None,
        consent_to_email=True,
    )
    return patient, [contact]


def message(raw_id: str, **changes: object) -> Message:
    plain = Message(
        raw_id=raw_id,
        channel=Channel.EMAIL,
        sender=Protected("ana1@patients.example"),
        sender_name=Protected("Ana Marula 1"),
        subject=Protected("Refill please"),
        body=Protected("Could you renew my lisinopril? Ana Marula"),
        quoted=Protected("> earlier words"),
        signature=Protected("Ana Marula, 12 Canary Lane"),
        html=Protected("<p>Could you renew my lisinopril?</p>"),
        readings=(Protected("Could you renew my lisinopril? Ana Marula"),),
        attachments=(Attachment(Protected("ana-form.pdf"), "application/pdf", b"%PDF canary"),),
        message_id=Protected(f"<{raw_id}@patients.example>"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # Tests change any field.


def reading(
    store: Store,
    clinic: str,
    *,
    uid: str = "1",
    urgency: Urgency = Urgency.ROUTINE,
    score: int = 40,
    route: Route = Route.REFILL,
    also: frozenset[Route] = frozenset(),
    lane: Lane = Lane.SORTED,
    marks: frozenset[Mark] = frozenset(),
    **changes: object,
) -> Reading:
    """Land a message and return what the path would make of it."""
    (raw_id,) = store.landing.land([arrival(f"raw words {uid}", uid=uid)], clinic=clinic)
    raw = store.landing.raw(raw_id, clinic=clinic, by="worker")
    words = message(raw_id, **changes)
    redacted = Redacted(
        "Refill please",
        "Could you renew my lisinopril? [NAME_1]",
        (Span("body", 31, 41, IdentifierType.NAME, "test", 0.9),),
        (Redaction("[NAME_1]", IdentifierType.NAME, Protected("Ana Marula")),),
        redactor="test-1",
    )
    found = Classification(
        route, also, urgency, 0.9, False, "test-1", {route: 0.9}, ("Could you renew",)
    )
    flags = (Flag("chest_pain", urgency, Protected("crushing"), "danger"),) if urgency else ()
    rank = Priority(route, also, urgency, score, lane, ("asks for a refill",), flags)
    suggestion = Suggestion("Re: Refill please", "Dear [NAME_1], ...", "refill")
    return Reading(raw, words, redacted, found, rank, suggestion, marks)


def add_staff(store: Store, clinic: str, name: str = "dora") -> User:
    user = User(f"user-{name}", clinic, name, name.title(), frozenset({Role.SECRETARY}))
    store.people.add_user(user, "correct horse battery")
    enrol(store, signing_key(user.id), clinic=clinic, user_id=user.id)
    return user


@cache
def signing_key(user_id: str) -> BrowserKey:
    """Return the key with which a person of these tests signs; `add_staff` enrols it."""
    return browser_key(MASTER, user_id)


def draft(store: Store, clinic: str, case_id: str, *, body: str = "It is ready.") -> Draft:
    """Save words addressed to the case's own contact."""
    file = store.cases.get(case_id, clinic=clinic, by="user-dora")
    assert file.contact is not None
    outgoing = Outgoing(
        case_id,
        file.contact.channel,
        file.contact.address,
        file.messages[0].message_id,
        Protected("Re: Refill please"),
        Protected(body),
    )
    words = Draft(new_id(), clinic, case_id, file.contact.id, outgoing, False, "user-dora", NOON)
    store.replies.save_draft(words, by="user-dora")
    return words


def approval(words: Draft, *, approver: str = "user-dora") -> Approval:
    digest = words.outgoing.digest
    reply_id = new_id()
    proof = signing_key(approver).prove(reply_id, digest)
    return Approval(new_id(), words.clinic, reply_id, digest, approver, NOON, proof)


def queued(
    store: Store, clinic: str, *, not_before: datetime = NOON, check: Check | None = None
) -> Reply:
    """Walk one message all the way to an approved reply."""
    if not store.people.users(clinic=clinic):
        add_staff(store, clinic)
    store.people.import_roster([ana(clinic)], clinic=clinic, by="test")
    case_id = store.cases.file(reading(store, clinic, uid=new_id()), clinic=clinic, by="worker")
    words = draft(store, clinic, case_id)
    yes = approval(words)
    name = f"<{yes.reply_id}@clinic.example>"
    return store.replies.approve(yes, words, not_before=not_before, message_id=name, check=check)
