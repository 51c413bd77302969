"""Steps of a reply that more than one room takes: from one state to the next, and back to people.

Rule of the room: what is taken back becomes a draft again and its case stands in front of people,
in the same transaction; what the sender has already taken stays the sender's.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, case, exists, literal, or_, select, update

from triage.domain import CaseState, Draft, Lane, ReplyState, new_id
from triage.errors import TriageError
from triage.store import records, tables
from triage.store.drafts import drop_open_draft, open_draft, write_draft
from triage.store.due import act_again
from triage.store.due_replies import approval_row, whole_reply
from triage.store.snoozes import attended
from triage.store.transaction import Work


def take_back(work: Work, row: Row[Any], *, by: str, now: datetime, **why: str) -> bool:
    """Give a queued reply's words back as the open draft of its case; False once it is taken."""
    lock_case(work, row.case_id, row.clinic)
    if not step(work, row.id, row.clinic, ReplyState.QUEUED, ReplyState.RECALLED):
        return False
    _reopen_draft(work, row, now)
    attended(work, row.case_id)
    act_again(work, row.case_id, closed=True)
    move_case(work, row.case_id)
    noted(work, "reply.recalled", row.case_id, row.clinic, by, reply=row.id, **why)
    return True


def take_back_all(work: Work, user_id: str, *, clinic: str, by: str, why: str) -> None:
    """Take back every queued reply on a yes of this person's, the first of two included.

    What does not open is left alone: nothing of it could become a draft, and the sender puts it in
    front of a person. So it does with what it has now and queues again later.
    """
    replies, approvals, firsts = tables.replies, tables.approvals, tables.first_approvals
    said = exists().where(approvals.c.id == replies.c.approval_id, approvals.c.approver == user_id)
    first = exists().where(
        and_(
            firsts.c.reply_id == replies.c.id,
            firsts.c.digest == replies.c.digest,
            firsts.c.approver == user_id,
        )
    )
    queued = (replies.c.clinic == clinic, replies.c.state == ReplyState.QUEUED.value)
    query = select(replies).where(*queued, or_(said, first))
    for row in work.rows(query.order_by(replies.c.case_id, replies.c.id)):
        if whole_reply(work, row) is not None:
            take_back(work, row, by=by, now=work.now, why=why, user=user_id)
    _ask_both_anew(work, user_id, clinic=clinic, by=by, why=why)


def _ask_both_anew(work: Work, user_id: str, *, clinic: str, by: str, why: str) -> None:
    """Save words that wait for the second of two, the first being this person, under a new id.

    A yes is to one reply: said to the words under their earlier id, it counts for nothing now.
    """
    drafts, firsts = tables.drafts, tables.first_approvals
    said = exists().where(firsts.c.reply_id == drafts.c.id, firsts.c.approver == user_id)
    mine = (drafts.c.clinic == clinic, drafts.c.reply_id.is_(None), said)
    for row in work.rows(select(drafts).where(*mine).order_by(drafts.c.case_id)):
        lock_case(work, row.case_id, clinic)
        try:
            words = replace(records.draft(row, work.vault), id=new_id())
        except TriageError:
            # What does not open can be approved by nobody.
            continue
        drop_open_draft(work, row.case_id)
        write_draft(work, words)
        noted(work, "draft.saved", row.case_id, clinic, by, draft=words.id, why=why, user=user_id)


def noted(work: Work, action: str, case_id: str, clinic: str, by: str, **detail: str) -> None:
    """Write what happened to a reply into its case's history, and move the queue's version."""
    work.note(action, clinic=clinic, by=by, cases=(case_id,), detail=detail)
    work.moved(clinic)


def lock_case(work: Work, case_id: str, clinic: str) -> None:
    """Hold a case's row until the transaction ends; raise NotFound."""
    cases = tables.cases
    query = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.id == case_id)
    work.one(query.with_for_update(), f"case {case_id}")


def step(
    work: Work,
    reply_id: str,
    clinic: str,
    before: ReplyState,
    after: ReplyState,
    *conditions: Any,
    **values: Any,
) -> bool:
    """Move exactly one reply from one state to the next; False when it was not there."""
    replies = tables.replies
    here = (
        replies.c.clinic == clinic,
        replies.c.id == reply_id,
        replies.c.state == before.value,
        *conditions,
    )
    return work.run(update(replies).where(*here).values(state=after.value, **values)) == 1


def move_case(work: Work, case_id: str, *, lane: Lane | None = None, reopen: bool = True) -> None:
    """Put a case into `lane`, or back into its own; `reopen` puts a closed one in front again.

    A case whose own lane is the urgent one never leaves it: there it is seen first.
    """
    cases = tables.cases
    target: Any = cases.c.home_lane
    if lane is not None:
        urgent = cases.c.home_lane == Lane.URGENT.value
        target = case((urgent, cases.c.home_lane), else_=literal(lane.value))
    values: dict[str, Any] = {"lane": target}
    if reopen:
        values |= {"state": CaseState.OPEN.value, "closed_at": None}
    work.run(update(cases).where(cases.c.id == case_id).values(**values))


def _reopen_draft(work: Work, row: Row[Any], now: datetime) -> None:
    """Give recalled words back as a draft under a new id, unless newer words were saved."""
    if work.first(open_draft(row.case_id, row.clinic)) is not None:
        return
    outgoing = records.outgoing(row, work.vault)
    author = approval_row(work, row).approver
    write_draft(
        work,
        Draft(new_id(), row.clinic, row.case_id, row.contact_id, outgoing, False, author, now),
    )
