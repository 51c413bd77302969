"""Drafts: words that may still change, one open set of them per case.

Rule of the room: an approved draft is never changed again; new words are a new draft.
"""

from typing import Any

from sqlalchemy import Select, Table, delete, select

from triage.domain import Draft, Outgoing
from triage.errors import ChangedUnderneath, NotFound
from triage.store import records, tables
from triage.store.keyring import of_case
from triage.store.transaction import Work
from triage.store.vault import dump


def open_draft(case_id: str, clinic: str) -> Select[Any]:
    """Return the query for the one draft of a case that nobody has approved yet."""
    table = tables.drafts
    return select(table).where(
        table.c.clinic == clinic, table.c.case_id == case_id, table.c.reply_id.is_(None)
    )


def refuse_unseen(work: Work, draft: Draft, had: str, by: str) -> None:
    """Raise ChangedUnderneath where these words would replace others that `by` was not shown.

    A person's own words never stand in their way: whoever presses twice, or goes back in the
    browser, replaces what they wrote themselves. Call it under the lock of the case.
    """
    row = work.first(open_draft(draft.case_id, draft.clinic))
    if row is not None and row.author == by:
        return
    here = records.draft(row, work.vault).outgoing.digest if row is not None else ""
    if here != had:
        raise ChangedUnderneath(
            "The saved words are no longer the ones you were shown. Nothing of yours was saved."
        )


def drop_open_draft(work: Work, case_id: str) -> None:
    """Forget the open draft of a case, because newer words take its place."""
    table = tables.drafts
    work.run(delete(table).where(table.c.case_id == case_id, table.c.reply_id.is_(None)))


def write_draft(work: Work, draft: Draft) -> None:
    """Store a draft; raise NotFound when its words are for another case."""
    if draft.outgoing.case_id != draft.case_id:
        raise NotFound(f"case {draft.case_id}")
    work.add(
        tables.drafts,
        id=draft.id,
        clinic=draft.clinic,
        contact_id=draft.contact_id,
        suggested=draft.suggested,
        author=draft.author,
        edited_at=draft.edited_at,
        **sealed_words(work, tables.drafts, draft.id, draft.outgoing),
    )


def drop_draft_for_others(work: Work, case_id: str, contact_id: str) -> None:
    """Forget the open draft of a case unless it was written to this contact."""
    table = tables.drafts
    mine = (table.c.case_id == case_id, table.c.reply_id.is_(None))
    work.run(delete(table).where(*mine, table.c.contact_id != contact_id))


def sealed_words(work: Work, table: Table, row_id: str, outgoing: Outgoing) -> dict[str, Any]:
    """Return the columns of `drafts` or `replies` that hold exactly what would leave."""
    sealed = work.seal(
        table,
        row_id,
        under=of_case(outgoing.case_id),
        recipient=outgoing.recipient,
        in_reply_to=outgoing.in_reply_to,
        subject=outgoing.subject,
        body=outgoing.body,
        attachments=dump(outgoing.attachments),
    )
    return {"case_id": outgoing.case_id, "channel": outgoing.channel.value, **sealed}
