"""A reply that is due: its words as they were approved, its files, and what stands in its way.

Rule of the room: what does not open, or is not what was approved, is no reply.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select

from triage.domain import Reply
from triage.errors import TriageError
from triage.store import records, tables
from triage.store.forms import enclosed
from triage.store.proof import read as proof_key
from triage.store.recipients import may_receive
from triage.store.second import both, works_here
from triage.store.transaction import Work


def approval_row(work: Work, reply: Row[Any]) -> Row[Any]:
    """Return the approval a reply names; raise NotFound."""
    approvals = tables.approvals
    query = select(approvals).where(approvals.c.id == reply.approval_id)
    return work.one(query, f"approval {reply.approval_id}")


def read_reply(work: Work, row: Row[Any]) -> Reply:
    """Return the reply of a row with its approval and the key that proves it."""
    said, keys = approval_row(work, row), tables.proof_keys
    known = work.first(select(keys).where(keys.c.id == said.key_id))
    return records.reply(row, said, work.vault, proof_key(known))


def whole_reply(work: Work, row: Row[Any]) -> Reply | None:
    """Return the reply if its words open and are the approved ones, else None."""
    try:
        reply = read_reply(work, row)
    except TriageError:
        # A wrong key, a missing approval or broken bytes: whatever it is, it stands in one
        # reply's way only and is shown to a person.
        return None
    same = reply.outgoing.digest == reply.approval.digest == row.digest
    return reply if same else None


def with_files(work: Work, reply: Reply | None) -> Reply | None:
    """Return the reply with the bytes of what it encloses; None when they are not as approved."""
    if reply is None or not reply.outgoing.attachments:
        return reply
    try:
        files = enclosed(work, reply.clinic, reply.outgoing.attachments)
    except TriageError:
        return None
    return replace(reply, outgoing=replace(reply.outgoing, files=files))


def in_the_way(work: Work, row: Row[Any], reply: Reply | None) -> str:
    """Return in one word why a reply that is due may not leave; empty when it may."""
    if reply is None:
        return "changed_in_store"
    if not may_receive(work, row.contact_id, reply.outgoing, clinic=row.clinic):
        return "recipient_changed"
    if not works_here(work, reply.approval.approver, row.clinic):
        return "approver_left"
    whole = both(work, reply)
    return "second_missing" if whole.needs_two and whole.first is None else ""
