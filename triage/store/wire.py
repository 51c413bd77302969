"""Replies that wait for their turn or are on the wire, as their sender must know them.

Rule of the room: who sends a reply says so again and again; whoever has stopped saying it is dead.
Moments here are compared with each other, never with a clock that somebody may set.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update

from triage.domain import ReplyState
from triage.store import tables
from triage.store.transaction import Transactions

#: Replies looked at in one round.
MOST = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """A queued reply: when it may leave, and how long it was to wait when that was decided."""

    clinic: str
    reply_id: str
    not_before: datetime
    pause: timedelta


@dataclass(frozen=True, slots=True)
class Held:
    """A reply on the wire, and when its sender last said that it is sending it."""

    clinic: str
    reply_id: str
    said_at: datetime


class Wire:
    """What the sender asks again and again; ids and moments only."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def queued(self, *, clinic: str | None = None) -> list[Turn]:
        """Return every reply that was approved and has not begun to leave, soonest first."""
        replies, approvals = tables.replies, tables.approvals
        decided = func.coalesce(replies.c.settled_at, approvals.c.approved_at, type_=_MOMENT)
        query = (
            select(replies.c.clinic, replies.c.id, replies.c.not_before, decided.label("decided"))
            .join(approvals, approvals.c.id == replies.c.approval_id)
            .where(replies.c.state == ReplyState.QUEUED.value)
            .order_by(replies.c.not_before, replies.c.id)
        )
        with self._transactions.read() as work:
            return [
                Turn(row.clinic, row.id, row.not_before, row.not_before - row.decided)
                for row in work.rows(_of(query, clinic).limit(MOST))
            ]

    def held(self, *, clinic: str | None = None) -> list[Held]:
        """Return every reply on the wire, whoever sends it."""
        replies = tables.replies
        query = select(replies.c.clinic, replies.c.id, replies.c.claimed_at).where(
            replies.c.state == ReplyState.SENDING.value
        )
        with self._transactions.read() as work:
            rows = work.rows(_of(query, clinic).order_by(replies.c.claimed_at).limit(MOST))
        return [Held(row.clinic, row.id, row.claimed_at) for row in rows]

    def hold(self, reply_ids: Collection[str]) -> None:
        """Say that these are still being sent."""
        replies = tables.replies
        mine = (replies.c.id.in_(sorted(reply_ids)), replies.c.state == ReplyState.SENDING.value)
        with self._transactions.write() as work:
            work.run(update(replies).where(*mine).values(claimed_at=work.now))


_MOMENT = tables.replies.c.claimed_at.type


def _of(query: Select[Any], clinic: str | None) -> Select[Any]:
    return query if clinic is None else query.where(tables.replies.c.clinic == clinic)
