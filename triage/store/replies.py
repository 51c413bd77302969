"""Replies: words, a named person's yes to exactly these words, and what became of them.

Rule of the room: every step is one conditional UPDATE that changes exactly one row or nothing;
the guards in the database hold the same rules against any other program.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, or_, select, update

from triage.domain import (
    Approval,
    Check,
    Draft,
    Lane,
    Reply,
    ReplyState,
)
from triage.errors import (
    ChangedUnderneath,
    NoProofKey,
    NoRecipient,
    NotFound,
    SecondApprover,
    TooLate,
)
from triage.store import records, tables
from triage.store.bounces import with_bounces
from triage.store.case_row import free_for
from triage.store.checks import write_check
from triage.store.drafts import (
    drop_open_draft,
    open_draft,
    refuse_unseen,
    sealed_words,
    write_draft,
)
from triage.store.due import act_again
from triage.store.due_replies import in_the_way, read_reply, whole_reply, with_files
from triage.store.keyring import of_case
from triage.store.proof import alive
from triage.store.recipients import may_receive
from triage.store.reply_steps import lock_case, move_case, noted, step, take_back
from triage.store.second import both, demanded, first_of, write_yes
from triage.store.senders import message_index
from triage.store.snoozes import attended
from triage.store.transaction import Transactions, Work
from triage.store.wire import next_pause

_SETTLED = frozenset({ReplyState.SENT, ReplyState.UNCERTAIN, ReplyState.FAILED, ReplyState.QUEUED})


class Replies:
    """Drafts, approvals and replies of every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def save_draft(self, draft: Draft, *, by: str, had: str | None = None) -> None:
        """Keep a person's words as the one open draft of the case.

        `had` is the digest of the words they were shown, empty where there were none, and None
        only where no page was shown. Raises ChangedUnderneath when other words of a colleague's
        stand there now, or this draft was approved meanwhile; NotFound for a foreign case.
        """
        table = tables.drafts
        with self._transactions.write() as work:
            lock_case(work, draft.case_id, draft.clinic)
            known = work.first(select(table.c.reply_id).where(table.c.id == draft.id))
            if known is not None and known.reply_id is not None:
                raise ChangedUnderneath(f"draft {draft.id}")
            if had is not None:
                refuse_unseen(work, draft, had, by)
            drop_open_draft(work, draft.case_id)
            write_draft(work, draft)
            noted(work, "draft.saved", draft.case_id, draft.clinic, by, draft=draft.id)

    def draft(self, case_id: str, *, clinic: str, by: str) -> Draft | None:
        """Return the open draft of a case, if there is one."""
        with self._transactions.write() as work:
            row = work.first(open_draft(case_id, clinic))
            if row is None:
                return None
            work.note("draft.read", clinic=clinic, by=by, cases=(case_id,))
            return records.draft(row, work.vault)

    def approve(
        self,
        approval: Approval,
        draft: Draft,
        *,
        not_before: datetime,
        message_id: str,
        check: Check | None = None,
        seen: str | None = None,
    ) -> Reply:
        """Store the approval and queue the words it names, in one transaction.

        `check` is what was looked at before the yes, and is kept beside it; `seen` is the newest
        message that was. Raises ChangedUnderneath when the stored draft is not, to the byte, what
        was approved, another message has joined or the case was closed; AlreadyClaimed when a
        colleague has it; NoProofKey when the proof names no key of a living session of the
        approver's; NoRecipient when it is not addressed to a verified contact of the case's
        patient who, for e-mail, has agreed to it; SecondApprover when two must approve and nobody
        else has.
        """
        clinic = approval.clinic
        with self._transactions.write() as work:
            free_for(work, draft.case_id, clinic, approval.approver, seen=seen)
            row = work.first(open_draft(draft.case_id, clinic).with_for_update())
            if row is None or row.id != draft.id:
                raise ChangedUnderneath(f"draft {draft.id}")
            stored = records.draft(row, work.vault)
            if not stored.outgoing.digest == draft.outgoing.digest == approval.digest:
                raise ChangedUnderneath(f"draft {draft.id}")
            if not may_receive(work, stored.contact_id, stored.outgoing, clinic=clinic):
                raise NoRecipient(f"case {draft.case_id}")
            if not alive(work, approval):
                raise NoProofKey(f"case {draft.case_id}")
            before = _require_first(work, approval, draft.case_id)
            attended(work, draft.case_id)
            write_yes(work, tables.approvals, approval)
            said = write_check(work, draft.case_id, approval, check) if check else {}
            reply = Reply(
                approval.reply_id,
                clinic,
                stored.outgoing,
                approval,
                ReplyState.QUEUED,
                message_id,
                not_before,
            )
            _write_reply(work, reply, stored.contact_id)
            used = update(tables.drafts).where(tables.drafts.c.id == draft.id)
            work.run(used.values(reply_id=reply.id))
            move_case(work, draft.case_id, lane=Lane.OUTGOING)
            named = {"reply": reply.id, "digest": approval.digest, "key": approval.key_id}
            said = {**named, **before, "message_id": message_id, **said}
            noted(work, "reply.approved", draft.case_id, clinic, approval.approver, **said)
        return reply

    def recall(self, reply_id: str, *, clinic: str, by: str, now: datetime) -> None:
        """Take a queued reply back; its words become the open draft again. Raises TooLate."""
        with self._transactions.write() as work:
            row = _reply_row(work, reply_id, clinic)
            if not take_back(work, row, by=by, now=now):
                raise TooLate(f"reply {reply_id}")

    def due(self, now: datetime, *, limit: int, clinic: str | None = None) -> list[tuple[str, str]]:
        """Return (clinic, reply id) of replies whose undo window has passed, oldest first."""
        replies = tables.replies
        query = (
            select(replies.c.clinic, replies.c.id)
            .where(replies.c.state == ReplyState.QUEUED.value, replies.c.not_before <= now)
            .order_by(replies.c.not_before, replies.c.id)
        )
        with self._transactions.read() as work:
            rows = work.rows(_of_clinic(query, clinic).limit(limit))
        return [(str(row.clinic), str(row.id)) for row in rows]

    def claim(
        self, reply_id: str, *, clinic: str, by: str, waited: datetime | None = None
    ) -> Reply | None:
        """Move a due reply to `sending` and return it; None when it is not there to be taken.

        It is due when its moment has come, or when its sender `waited` for that very moment by a
        clock that cannot be set.
        Words that no longer open, no longer have the approved digest, or whose recipient is no
        longer the patient's are settled as failed in front of a person instead.
        """
        replies = tables.replies
        with self._transactions.write() as work:
            due = or_(replies.c.not_before <= work.now, replies.c.not_before == waited)
            taken = step(
                work,
                reply_id,
                clinic,
                ReplyState.QUEUED,
                ReplyState.SENDING,
                due,
                claimed_at=work.now,
            )
            if not taken:
                return None
            row = _reply_row(work, reply_id, clinic)
            reply = with_files(work, whole_reply(work, row))
            if why := in_the_way(work, row, reply):
                _settle(work, row, ReplyState.FAILED, receipt="", why=why)
                noted(work, "reply.failed", row.case_id, clinic, by, reply=reply_id)
                return None
            noted(work, "reply.claimed", row.case_id, clinic, by, reply=reply_id)
            return reply and both(work, reply)

    def settle(
        self,
        reply_id: str,
        state: ReplyState,
        *,
        clinic: str,
        by: str,
        receipt: str = "",
        why: str = "",
        not_before: datetime | None = None,
        again: timedelta | None = None,
    ) -> None:
        """Say what became of a reply that was sending: sent, uncertain, failed or queued again.

        `not_before` delays a reply that is queued again, or `again`: so long the first time, and
        twice as long each time after that. An uncertain or failed reply opens its
        case again. Raises ChangedUnderneath when the reply is not sending.
        """
        if state not in _SETTLED:
            raise ValueError(f"a reply is never settled as {state.value}")
        with self._transactions.write() as work:
            try:
                row = _reply_row(work, reply_id, clinic)
            except NotFound:
                # The sender's role on PostgreSQL sees nothing but what is on its way.
                raise ChangedUnderneath(f"reply {reply_id}") from None
            if again is not None:
                not_before = work.now + next_pause(again, row.settled_at, row.not_before)
            if not _settle(work, row, state, receipt=receipt, why=why, not_before=not_before):
                raise ChangedUnderneath(f"reply {reply_id}")
            noted(work, f"reply.{state.value}", row.case_id, clinic, by, reply=reply_id)

    def stuck(self, *, before: datetime, clinic: str | None = None) -> list[tuple[str, str]]:
        """Return (clinic, reply id) of replies claimed before this moment and still sending."""
        replies = tables.replies
        query = select(replies.c.clinic, replies.c.id).where(
            replies.c.state == ReplyState.SENDING.value, replies.c.claimed_at < before
        )
        with self._transactions.read() as work:
            rows = work.rows(_of_clinic(query, clinic).order_by(replies.c.claimed_at))
        return [(str(row.clinic), str(row.id)) for row in rows]

    def get(self, reply_id: str, *, clinic: str, by: str) -> Reply:
        """Return a reply in whatever state it is; raise NotFound."""
        with self._transactions.write() as work:
            row = _reply_row(work, reply_id, clinic)
            work.note("reply.read", clinic=clinic, by=by, cases=(row.case_id,))
            return with_bounces(work, [read_reply(work, row)])[0]


def _of_clinic(query: Select[Any], clinic: str | None) -> Select[Any]:
    """Narrow a query of replies to one clinic, if one is given."""
    return query if clinic is None else query.where(tables.replies.c.clinic == clinic)


def _require_first(work: Work, approval: Approval, case_id: str) -> dict[str, str]:
    """Return who said yes first, for the audit row of the second; nothing where one is enough."""
    two = demanded(work, case_id, clinic=approval.clinic, approver=approval.approver)
    first = first_of(work, approval) if two else None
    if two and first is None:
        raise SecondApprover(f"case {case_id}")
    return {"first": str(first.approver)} if first is not None else {}


def _write_reply(work: Work, reply: Reply, contact_id: str) -> None:
    table, under = tables.replies, of_case(reply.outgoing.case_id)
    work.add(
        table,
        id=reply.id,
        clinic=reply.clinic,
        contact_id=contact_id,
        state=reply.state.value,
        digest=reply.approval.digest,
        approval_id=reply.approval.id,
        message_id_index=message_index(work, reply.clinic, reply.message_id),
        not_before=reply.not_before,
        **sealed_words(work, table, reply.id, reply.outgoing),
        **work.seal(table, reply.id, under=under, message_id=reply.message_id),
    )


def _reply_row(work: Work, reply_id: str, clinic: str) -> Row[Any]:
    replies = tables.replies
    query = select(replies).where(replies.c.clinic == clinic, replies.c.id == reply_id)
    return work.one(query, f"reply {reply_id}")


def _settle(
    work: Work,
    row: Row[Any],
    state: ReplyState,
    *,
    receipt: str,
    why: str,
    not_before: datetime | None = None,
) -> bool:
    under = of_case(row.case_id)
    words = work.seal(tables.replies, row.id, under=under, receipt=receipt, why=why)
    values: dict[str, Any] = {"settled_at": work.now, **words}
    if state is ReplyState.QUEUED and not_before is not None:
        values["not_before"] = max(not_before, row.not_before)
    if not step(work, row.id, row.clinic, ReplyState.SENDING, state, **values):
        return False
    if state is ReplyState.SENT:
        move_case(work, row.case_id, reopen=False)
    elif state is not ReplyState.QUEUED:
        move_case(work, row.case_id, lane=Lane.OUTGOING)
        act_again(work, row.case_id)
    return True
