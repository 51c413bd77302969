"""Replies that wait for their turn or are on the wire, as their sender must know them.

Rule of the room: who sends a reply says so again and again; whoever has stopped saying it is dead.
Moments here are compared with each other, never with a clock that somebody may set.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update

from triage.domain import Channel, ReplyState
from triage.store import tables
from triage.store.transaction import Transactions

#: No pause between two tries of a reply grows longer.
LONGEST_PAUSE = timedelta(minutes=15)
#: Replies looked at in one round.
MOST = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """A queued reply: when it may leave, and how long it was to wait when that was decided.

    `tried` says that it was tried before, in vain; `channel` by which way it leaves.
    """

    clinic: str
    reply_id: str
    not_before: datetime
    pause: timedelta
    tried: bool = False
    channel: Channel = Channel.EMAIL


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

    def queued(self, *, clinic: str | None = None, shut: Collection[Channel] = ()) -> list[Turn]:
        """Return every reply that was approved and has not begun to leave, soonest first.

        Those that would leave by a channel that is `shut` are left out.
        """
        replies, approvals = tables.replies, tables.approvals
        decided = func.coalesce(replies.c.settled_at, approvals.c.approved_at, type_=_MOMENT)
        columns = (replies.c.clinic, replies.c.id, replies.c.not_before, replies.c.settled_at)
        query = (
            select(*columns, replies.c.channel, decided.label("decided"))
            .join(approvals, approvals.c.id == replies.c.approval_id)
            .where(replies.c.state == ReplyState.QUEUED.value)
            .where(replies.c.channel.not_in([channel.value for channel in shut]))
            .order_by(replies.c.not_before, replies.c.id)
        )
        with self._transactions.read() as work:
            return [
                Turn(
                    row.clinic,
                    row.id,
                    row.not_before,
                    row.not_before - row.decided,
                    row.settled_at is not None,
                    Channel(row.channel),
                )
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


def next_pause(first: timedelta, settled_at: datetime | None, not_before: datetime) -> timedelta:
    """Return how long a reply waits that was tried in vain: twice as long as the last time.

    `settled_at` is when the try before this one ended in vain, if there was one, and `not_before`
    until when it was to wait then: so the row itself tells how far the pauses have grown.
    """
    if settled_at is None:
        return first
    return min(max(first, 2 * (not_before - settled_at)), LONGEST_PAUSE)


_MOMENT = tables.replies.c.claimed_at.type


def _of(query: Select[Any], clinic: str | None) -> Select[Any]:
    return query if clinic is None else query.where(tables.replies.c.clinic == clinic)
