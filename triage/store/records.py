"""Rows become nouns here: the one place that reads sealed columns back into the domain.

Rule of the room: a function takes a row and the vault and returns a noun; it asks nothing more.
"""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from triage.domain import (
    NOTHING,
    Approval,
    AuditEvent,
    Case,
    CaseState,
    Channel,
    Contact,
    Draft,
    IdentifierType,
    Label,
    Lane,
    Mark,
    Outgoing,
    Patient,
    ProofKey,
    Protected,
    Reply,
    ReplyState,
    Request,
    Role,
    Route,
    Urgency,
    User,
)
from triage.store.claims import holder
from triage.store.vault import Vault


def routes(words: list[str]) -> frozenset[Route]:
    """Read a stored list of routes."""
    return frozenset(Route(word) for word in words)


def marks(words: list[str]) -> frozenset[Mark]:
    """Read a stored list of marks."""
    return frozenset(Mark(word) for word in words)


def listed(words: frozenset[Any]) -> list[str]:
    """Write routes or marks so that equal sets are stored equally."""
    return sorted(str(word.value) for word in words)


def case(row: Row[Any], parts: tuple[Request, ...], now: datetime) -> Case:
    """Read a row of `cases` as it stands at `now`: a claim that ran out is none."""
    held = holder(row, now)
    return Case(
        id=row.id,
        clinic=row.clinic,
        state=CaseState(row.state),
        lane=Lane(row.lane),
        route=Route(row.route),
        also=routes(row.also),
        urgency=Urgency(row.urgency),
        score=row.score,
        confidence=row.confidence,
        abstained=row.abstained,
        marks=marks(row.marks),
        patient_id=row.patient_id,
        contact_id=row.contact_id,
        channel=Channel(row.channel),
        opened_at=row.opened_at,
        last_message_at=row.last_message_at,
        claimed_by=held,
        claimed_at=row.claimed_at if held else None,
        outcome=row.outcome,
        requests=parts,
        due_at=row.due_at,
        urgent_since=row.urgent_since,
        acted_at=row.acted_at,
        acted_by=row.acted_by,
        acted_how=row.acted_how,
        acted_to=row.acted_to,
    )


def request(row: Row[Any]) -> Request:
    """Read a row of `requests`."""
    return Request(row.id, Route(row.route), Urgency(row.urgency), row.done)


def patient(row: Row[Any], vault: Vault) -> Patient:
    """Read a row of `patients`."""
    return Patient(
        id=row.id,
        clinic=row.clinic,
        name=vault.text(row.name, row.id),
        birth_date=vault.text(row.birth_date, row.id),
        mrn=vault.text(row.mrn, row.id),
        language=row.language,
        identifiers=_identifiers(vault.text(row.identifiers, row.id)),
    )


def _identifiers(stored: Protected) -> tuple[tuple[IdentifierType, Protected], ...]:
    pairs = json.loads(stored.reveal() or "[]")
    return tuple((IdentifierType(kind), Protected(text)) for kind, text in pairs)


def contact(row: Row[Any], vault: Vault) -> Contact:
    """Read a row of `contacts`."""
    return Contact(
        id=row.id,
        clinic=row.clinic,
        patient_id=row.patient_id,
        channel=Channel(row.channel),
        address=vault.text(row.address, row.id),
        name=vault.text(row.name, row.id),
        relation=row.relation,
        verified_by=row.verified_by,
        consent_to_email=row.consent_to_email,
        language=row.language,
        consent_by=row.consent_by,
        consent_at=row.consent_at,
        version=row.version,
        retired_at=row.retired_at,
        retired_by=row.retired_by,
    )


def user(row: Row[Any]) -> User:
    """Read a row of `users`; the password's hash stays behind."""
    roles = frozenset(Role(word) for word in row.roles)
    who = (row.id, row.clinic, row.username, row.display_name)
    return User(*who, roles, row.active, row.language)


def outgoing(row: Row[Any], vault: Vault) -> Outgoing:
    """Read the words of a row of `drafts` or `replies`."""
    return Outgoing(
        case_id=row.case_id,
        channel=Channel(row.channel),
        recipient=vault.text(row.recipient, row.id),
        in_reply_to=vault.text(row.in_reply_to, row.id),
        subject=vault.text(row.subject, row.id),
        body=vault.text(row.body, row.id),
        attachments=tuple(
            (name, digest) for name, digest in json.loads(vault.open(row.attachments, row.id))
        ),
    )


def draft(row: Row[Any], vault: Vault) -> Draft:
    """Read a row of `drafts`."""
    return Draft(
        id=row.id,
        clinic=row.clinic,
        case_id=row.case_id,
        contact_id=row.contact_id,
        outgoing=outgoing(row, vault),
        suggested=row.suggested,
        author=row.author,
        edited_at=row.edited_at,
    )


def reply(row: Row[Any], approved: Row[Any], vault: Vault, key: ProofKey | None = None) -> Reply:
    """Read a row of `replies`, the approval it names and the proof key that one names."""
    return Reply(
        id=row.id,
        clinic=row.clinic,
        outgoing=outgoing(row, vault),
        approval=approval(approved, key),
        state=ReplyState(row.state),
        message_id=vault.text(row.message_id, row.id).reveal(),
        not_before=row.not_before,
        receipt=NOTHING if row.receipt is None else vault.text(row.receipt, row.id),
        why=NOTHING if row.why is None else vault.text(row.why, row.id),
        settled_at=row.settled_at,
    )


def approval(row: Row[Any], key: ProofKey | None = None) -> Approval:
    """Read a row of `approvals`."""
    return Approval(
        id=row.id,
        clinic=row.clinic,
        reply_id=row.reply_id,
        digest=row.digest,
        approver=row.approver,
        approved_at=row.approved_at,
        proof=row.proof,
        key=key,
    )


def label(row: Row[Any], vault: Vault, *, erased: bool = False) -> Label:
    """Read a row of `labels`; why it was given is gone once its case was erased."""
    return Label(
        id=row.id,
        clinic=row.clinic,
        case_id=row.case_id,
        model=row.model,
        shown_route=Route(row.shown_route),
        shown_also=routes(row.shown_also),
        shown_urgency=Urgency(row.shown_urgency),
        route=Route(row.route),
        also=routes(row.also),
        urgency=Urgency(row.urgency),
        by=row.by,
        at=row.at,
        why=NOTHING if erased else vault.text(row.why, row.id),
        source=row.source,
    )


def event(row: Row[Any]) -> AuditEvent:
    """Read a row of `audit`."""
    return AuditEvent(
        seq=row.seq,
        clinic=row.clinic,
        at=row.at,
        actor=row.actor,
        action=row.action,
        cases=tuple(row.cases),
        detail=dict(row.detail),
        previous=row.previous,
        digest=row.digest,
        chain=row.chain,
        number=row.number,
    )
