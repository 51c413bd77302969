"""Reads cases back: one line of the queue each, or everything about one.

Rule of the room: it only reads; whoever calls it writes the audit row in the same transaction.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, exists, select

from triage.domain import (
    NOTHING,
    Apart,
    CaseFile,
    CaseRow,
    Channel,
    Classification,
    Contact,
    Flag,
    IdentifierType,
    Redacted,
    Redaction,
    Reply,
    ReplyState,
    Request,
    Route,
    Span,
    StoredAttachment,
    StoredMessage,
    Suggestion,
    Urgency,
    newest_from_person,
)
from triage.store import records, tables
from triage.store.apart import apart_of
from triage.store.beside import beside_of
from triage.store.bounces import shown, with_bounces
from triage.store.checks import suggested_to
from triage.store.follow_ups import chain_of
from triage.store.proof import read as proof_key
from triage.store.transaction import Work


def queue_rows(work: Work, rows: Sequence[Row[Any]]) -> list[CaseRow]:
    """Turn rows of `cases` into lines of the queue, in a fixed number of queries."""
    ids = [row.id for row in rows]
    asked = requests_of(work, ids)
    newest, counts = _newest_messages(work, ids)
    texts = {row.id: row for row in _in(work, tables.messages, "id", list(newest.values()))}
    reasons = deciding(work, ids)
    patients = {
        row.id: row
        for row in _in(work, tables.patients, "id", [r.patient_id for r in rows if r.patient_id])
        # Nobody's name opens who was erased, and one such row must not take the list down.
        if row.erased_at is None
    }
    replies, beside = reply_states(work, ids), beside_of(work, ids)
    vault, lines = work.vault, []
    for row in rows:
        text = texts[newest[row.id]]
        reason, who = reasons[row.id], patients.get(row.patient_id)
        name, address = (vault.text(one, text.id) for one in (text.sender_name, text.sender))
        lines.append(
            CaseRow(
                case=records.case(row, asked[row.id], work.now),
                subject=vault.text(text.subject, text.id),
                preview=vault.text(text.preview, text.id),
                sender=name or address,
                patient=vault.text(who.name, who.id) if who else NOTHING,
                because=vault.words(reason.because, reason.id),
                reply=replies[row.id][-1] if row.id in replies else None,
                messages=counts[row.id],
                address=address,
                beside=beside[row.id],
            )
        )
    return lines


def case_file(work: Work, row: Row[Any]) -> CaseFile:
    """Read everything filed under one row of `cases`, newest message first."""
    vault = work.vault
    messages = _messages(work, row.id)
    drafts = tables.drafts
    open_draft = select(drafts).where(drafts.c.case_id == row.id, drafts.c.reply_id.is_(None))
    draft = work.first(open_draft)
    patient = _by_id(work, tables.patients, row.patient_id)
    if patient is not None and patient.erased_at is not None:
        patient = None
    contacts = _contacts(work, patient.id if patient else None)
    labels = tables.labels
    told = work.rows(select(labels).where(labels.c.case_id == row.id).order_by(labels.c.at))
    return CaseFile(
        case=records.case(row, requests_of(work, [row.id])[row.id], work.now),
        messages=messages,
        suggestion=_suggestion(work, newest_from_person(messages).id) if messages else None,
        draft=records.draft(draft, vault) if draft else None,
        replies=replies_of(work, row.id),
        patient=records.patient(patient, vault) if patient else None,
        contact=next((c for c in contacts if c.id == row.contact_id), None),
        contacts=tuple(c for c in contacts if c.id != row.contact_id and not c.retired_at),
        labels=tuple(records.label(label, vault) for label in told),
        outcome_note=vault.text(row.note, row.id),
        chain=chain_of(work, row),
        newest=newest_message(work, row.id) if messages else "",
        was=f"{sorted_as(row)}/{linked_to(row, draft)}",
    )


def sorted_as(row: Row[Any]) -> str:
    """Return how a case is sorted, in words that can be compared."""
    return "|".join((row.route, "+".join(sorted(row.also)), str(int(row.urgency))))


def linked_to(row: Row[Any], draft: Row[Any] | None) -> str:
    """Return whose a case is and which words are saved for them, as ids that can be compared."""
    words = f"{draft.id} {draft.edited_at.isoformat()}" if draft else ""
    return "|".join((row.patient_id or "", row.contact_id or "", words))


def newest_message(work: Work, case_id: str) -> str:
    """Return the id of the message that joined a case last.

    As a rule that is the one `case_file` puts first; a message that was filed late stands below
    what answers it, and nobody has read it yet all the same.
    """
    table, raws = tables.messages, tables.raw_messages
    query = select(table.c.id).join(raws, raws.c.id == table.c.raw_id)
    query = query.where(table.c.case_id == case_id)
    newest = query.order_by(raws.c.filed_at.desc(), table.c.received_at.desc(), table.c.id.desc())
    return str(work.one(newest, f"case {case_id}").id)


def requests_of(work: Work, case_ids: Sequence[str]) -> dict[str, tuple[Request, ...]]:
    """Return case id -> its requests in the order they were asked."""
    found: dict[str, list[Request]] = {case_id: [] for case_id in case_ids}
    table = tables.requests
    query = select(table).where(table.c.case_id.in_(case_ids)).order_by(table.c.position)
    for row in work.rows(query):
        found[row.case_id].append(records.request(row))
    return {case_id: tuple(parts) for case_id, parts in found.items()}


def replies_of(work: Work, case_id: str) -> tuple[Reply, ...]:
    """Return the replies of a case, newest first."""
    replies, approvals = tables.replies, tables.approvals
    rows = work.rows(select(replies).where(replies.c.case_id == case_id))
    said = {row.reply_id: row for row in _in(work, approvals, "reply_id", [row.id for row in rows])}
    named = [str(row.key_id) for row in said.values()]
    keys = {row.id: proof_key(row) for row in _in(work, tables.proof_keys, "id", named)}
    found = [
        records.reply(row, said[row.id], work.vault, keys.get(said[row.id].key_id)) for row in rows
    ]
    offered = suggested_to(work, [row.id for row in rows])
    found = [replace(one, suggested=offered.get(one.id)) for one in with_bounces(work, found)]
    return tuple(sorted(found, key=lambda reply: reply.approval.approved_at, reverse=True))


def _in(work: Work, table: Table, column: str, values: Sequence[str]) -> list[Row[Any]]:
    wanted: ColumnElement[bool] = table.c[column].in_(values)
    return work.rows(select(table).where(wanted)) if values else []


def _by_id(work: Work, table: Table, row_id: str | None) -> Row[Any] | None:
    return None if row_id is None else work.first(select(table).where(table.c.id == row_id))


def _newest_messages(work: Work, ids: Sequence[str]) -> tuple[dict[str, str], dict[str, int]]:
    table = tables.messages
    query = (
        select(table.c.id, table.c.case_id)
        .where(table.c.case_id.in_(ids))
        .order_by(table.c.received_at, table.c.id)
    )
    newest: dict[str, str] = {}
    counts: dict[str, int] = defaultdict(int)
    for row in work.rows(query):
        newest[row.case_id] = row.id
        counts[row.case_id] += 1
    return newest, counts


def deciding(work: Work, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Return case id -> the priority of the message that gave it its rank, the newest of equals."""
    messages, ranks = tables.messages, tables.priorities
    query = (
        select(messages.c.case_id, ranks)
        .join(messages, messages.c.id == ranks.c.message_id)
        .where(messages.c.case_id.in_(ids))
        .order_by(ranks.c.urgency, ranks.c.score, messages.c.received_at, messages.c.id)
    )
    return {row.case_id: row for row in work.rows(query)}


def reply_states(work: Work, ids: Sequence[str]) -> dict[str, list[ReplyState]]:
    """Return case id -> the states of its replies in the order of their approval."""
    replies, approvals = tables.replies, tables.approvals
    returned = exists().where(tables.bounces.c.reply_id == replies.c.id).label("returned")
    query = (
        select(replies.c.case_id, replies.c.state, returned)
        .join(approvals, approvals.c.id == replies.c.approval_id)
        .where(replies.c.case_id.in_(ids))
        .order_by(approvals.c.approved_at)
    )
    found: dict[str, list[ReplyState]] = defaultdict(list)
    for row in work.rows(query):
        found[row.case_id].append(shown(ReplyState(row.state), back=bool(row.returned)))
    return found


def _contacts(work: Work, patient_id: str | None) -> list[Contact]:
    table = tables.contacts
    query = select(table).where(table.c.patient_id == patient_id).order_by(table.c.id)
    return [records.contact(row, work.vault) for row in work.rows(query)] if patient_id else []


def _messages(work: Work, case_id: str) -> tuple[StoredMessage, ...]:
    table = tables.messages
    query = select(table).where(table.c.case_id == case_id)
    rows = work.rows(query.order_by(table.c.received_at.desc(), table.c.id.desc()))
    apart = apart_of(work, rows[0].clinic, [row.raw_id for row in rows]) if rows else {}
    return tuple(_message(work, row, apart[row.raw_id]) for row in rows)


def _message(work: Work, row: Row[Any], apart: Apart) -> StoredMessage:
    def text(name: str) -> Any:
        return work.vault.text(getattr(row, name), row.id)

    rank = work.one(_part(tables.priorities, row.id), f"message {row.id}")
    return StoredMessage(
        id=row.id,
        raw_id=row.raw_id,
        channel=Channel(row.channel),
        received_at=row.received_at,
        sender=text("sender"),
        sender_name=text("sender_name"),
        subject=text("subject"),
        body=text("body"),
        quoted=text("quoted"),
        signature=text("signature"),
        html=text("html"),
        message_id=text("message_id"),
        topic=text("topic").reveal(),
        marks=records.marks(row.marks),
        redacted=redacted_of(work, row),
        classification=_classification(work, row.id),
        flags=_flags(work, row.id),
        because=work.vault.words(rank.because, rank.id),
        urgency=Urgency(rank.urgency),
        score=rank.score,
        attachments=_attachments(work, row.id),
        apart=apart,
    )


def _part(table: Table, message_id: str) -> Any:
    return select(table).where(table.c.message_id == message_id)


def _parts(work: Work, table: Table, message_id: str) -> list[Row[Any]]:
    return work.rows(_part(table, message_id).order_by(table.c.position))


def redacted_of(work: Work, row: Row[Any]) -> Redacted:
    """Read what a model was shown of a row of `messages`."""
    vault = work.vault
    return Redacted(
        subject=vault.text(row.redacted_subject, row.id).reveal(),
        body=vault.text(row.redacted_body, row.id).reveal(),
        spans=tuple(
            Span(field, start, end, IdentifierType(kind), found_by, score)
            for field, start, end, kind, found_by, score in row.spans
        ),
        redactions=tuple(
            Redaction(
                part.placeholder, IdentifierType(part.type), vault.text(part.original, part.id)
            )
            for part in _parts(work, tables.redactions, row.id)
        ),
        withheld=frozenset(row.withheld),
        redactor=row.redactor,
        files=vault.text(row.redacted_files, row.id).reveal(),
    )


def _classification(work: Work, message_id: str) -> Classification:
    row = work.one(_part(tables.classifications, message_id), f"message {message_id}")
    return Classification(
        route=Route(row.route),
        also=records.routes(row.also),
        urgency=Urgency(row.urgency),
        confidence=row.confidence,
        abstained=row.abstained,
        model=row.model,
        scores={Route(name): score for name, score in row.scores.items()},
        because=tuple(json.loads(work.vault.open(row.because, row.id))),
    )


def _flags(work: Work, message_id: str) -> tuple[Flag, ...]:
    vault = work.vault
    return tuple(
        Flag(
            row.rule,
            Urgency(row.urgency),
            vault.text(row.quote, row.id),
            vault.text(row.because, row.id).reveal(),
        )
        for row in _parts(work, tables.flags, message_id)
    )


def _attachments(work: Work, message_id: str) -> tuple[StoredAttachment, ...]:
    return tuple(
        StoredAttachment(row.id, work.vault.text(row.name, row.id), row.media_type, row.size)
        for row in _parts(work, tables.attachments, message_id)
    )


def _suggestion(work: Work, message_id: str) -> Suggestion | None:
    row = work.first(_part(tables.suggestions, message_id))
    if row is None:
        return None
    subject = work.vault.text(row.subject, row.id).reveal()
    body = work.vault.text(row.body, row.id).reveal()
    return Suggestion(subject, body, row.template, row.language)
