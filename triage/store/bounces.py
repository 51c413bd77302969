"""Delivery reports meet the replies they speak of.

Rule of the room: a reply is found by its own Message-ID and by nothing else a report claims, and
a report can only put a case in front of a person again: it closes, answers and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import (
    CaseState,
    Mark,
    Message,
    Reading,
    Reply,
    ReplyState,
    Undelivered,
    new_id,
)
from triage.store import records, tables
from triage.store.due import must_act, stands_up
from triage.store.senders import message_index
from triage.store.transaction import Work


def own_mail(work: Work, message: Message, clinic: str) -> bool:
    """Whether this is one of our own replies coming back to us."""
    index = message_index(work, clinic, message.message_id.reveal())
    return index is not None and bool(_replies(work, [index], clinic))


def as_own_mail(reading: Reading) -> Reading:
    """Return a reading of our own words as what it is: nothing to answer."""
    message = replace(reading.message, automatic=True)
    marks = reading.marks | {Mark.AUTOMATIC}
    return replace(reading, message=message, marks=marks, suggestion=None)


def given_back(work: Work, message: Message, clinic: str) -> list[Row[Any]]:
    """Return (reply, case) of every reply of ours that a delivery report gives back."""
    if message.returned is None:
        return []
    found = (message_index(work, clinic, one.reveal()) for one in message.returned.about)
    return _replies(work, [index for index in found if index], clinic)


def _replies(work: Work, indexes: Sequence[bytes], clinic: str) -> list[Row[Any]]:
    replies, cases = tables.replies, tables.cases
    query = (
        select(replies.c.id, replies.c.case_id)
        .join(cases, cases.c.id == replies.c.case_id)
        .where(
            replies.c.clinic == clinic,
            replies.c.message_id_index.in_(indexes),
            cases.c.erased_at.is_(None),
        )
        .order_by(replies.c.id)
    )
    return work.rows(query) if indexes else []


def case_of(work: Work, back: Sequence[Row[Any]]) -> Row[Any] | None:
    """Return the locked case a report belongs to; None when it speaks of several."""
    cases = tables.cases
    ids = {row.case_id for row in back}
    if len(ids) != 1:
        return None
    return work.first(select(cases).where(cases.c.id == ids.pop()).with_for_update())


def put_in_front(
    work: Work, back: Sequence[Row[Any]], reading: Reading, *, clinic: str, by: str
) -> list[Row[Any]]:
    """Say beside each reply that it came back and open its case again; return the cases."""
    returned = reading.message.returned
    if returned is None:
        return []
    for row in back:
        work.add(
            tables.bounces,
            id=new_id(),
            clinic=clinic,
            reply_id=row.id,
            raw_id=reading.raw.id,
            why=returned.why.value,
            status=returned.status[:16],
            at=work.now,
        )
        detail = {"reply": row.id, "why": returned.why.value, "raw": reading.raw.id}
        work.note("reply.not_delivered", clinic=clinic, by=by, cases=(row.case_id,), detail=detail)
    return [_open_again(work, case_id) for case_id in sorted({row.case_id for row in back})]


def _open_again(work: Work, case_id: str) -> Row[Any]:
    cases = tables.cases
    row = work.one(select(cases).where(cases.c.id == case_id).with_for_update(), f"case {case_id}")
    work.run(
        update(cases)
        .where(cases.c.id == case_id)
        .values(
            state=CaseState.OPEN.value,
            closed_at=None,
            **stands_up(),
            marks=records.listed(records.marks(row.marks) | {Mark.NOT_DELIVERED}),
            # What the patient was to read did not come: somebody must act again.
            **must_act(work, row, row.urgency, work.now),
        )
    )
    return row


def with_bounces(work: Work, replies: Sequence[Reply]) -> list[Reply]:
    """Return replies as people should see them: one that came back is not delivered."""
    table = tables.bounces
    ids = [reply.id for reply in replies]
    query = select(table.c.reply_id, table.c.why).where(table.c.reply_id.in_(ids))
    # The first report's reason stays: a later one may only be a forged echo.
    found = work.rows(query.order_by(table.c.at.desc())) if ids else []
    why = {row.reply_id: Undelivered(row.why) for row in found}
    return [
        replace(reply, state=shown(reply.state, back=True), undelivered=why[reply.id])
        if reply.id in why
        else reply
        for reply in replies
    ]


def shown(state: ReplyState, *, back: bool) -> ReplyState:
    """Return the state people see. An uncertain reply stays so: it is a person's to settle."""
    return ReplyState.NOT_DELIVERED if back and state is ReplyState.SENT else state
