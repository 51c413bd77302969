"""The store in numbers: how much waits where and since when; about nobody.

Rule of the room: counts and moments only. No id, no text and no key leaves by this door.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, Table, cast, func, or_, select

from triage.domain import (
    ALL,
    MAY_SLEEP,
    UNDERWAY,
    CaseState,
    Figures,
    Lane,
    Mark,
    ReplyState,
    Unseen,
    Waiting,
)
from triage.store import tables
from triage.store.planning import unindexed
from triage.store.transaction import Transactions
from triage.store.views import open_cases

_STUCK = tuple(sorted(state.value for state in UNDERWAY))
_OPEN = tables.cases.c.state == CaseState.OPEN.value
_CALM = tables.cases.c.lane.in_([Lane.SNOOZED.value, *(lane.value for lane in MAY_SLEEP)])


class Counts:
    """How much work lies where."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def oldest(self, *, clinic: str) -> dict[Waiting, datetime]:
        """Return since when the oldest work of each kind waits; a kind with none is left out."""
        cases, replies, drafts = tables.cases, tables.replies, tables.drafts
        snoozes = tables.snoozes
        marked = cast(cases.c.marks, String).like(f'%"{Mark.NOT_READ.value}"%')
        waits: Mapping[Waiting, tuple[Table, ColumnElement[datetime], ColumnElement[bool]]] = {
            Waiting.APPROVED_NOT_SENT: (replies, replies.c.not_before, replies.c.state.in_(_STUCK)),
            Waiting.UNCERTAIN: (
                replies,
                func.coalesce(replies.c.settled_at, replies.c.claimed_at, replies.c.not_before),
                (replies.c.state == ReplyState.UNCERTAIN.value)
                & replies.c.case_id.in_(select(cases.c.id).where(_OPEN)),
            ),
            Waiting.FAILED: (
                replies,
                func.coalesce(replies.c.settled_at, replies.c.claimed_at, replies.c.not_before),
                (replies.c.state == ReplyState.FAILED.value)
                & ~_approved_since()
                & replies.c.case_id.in_(select(cases.c.id).where(_OPEN)),
            ),
            Waiting.DRAFT: (
                drafts,
                drafts.c.edited_at,
                drafts.c.reply_id.is_(None) & drafts.c.case_id.in_(select(cases.c.id).where(_OPEN)),
            ),
            Waiting.UNSORTED: (
                cases,
                cases.c.last_message_at,
                _OPEN & (cases.c.lane == Lane.UNSORTED.value),
            ),
            Waiting.NOT_READ: (
                cases,
                cases.c.last_message_at,
                _OPEN & or_(cases.c.lane == Lane.UNREADABLE.value, marked),
            ),
            # It came back by itself, or should have, and nobody has touched it since.
            Waiting.SNOOZED: (
                snoozes,
                snoozes.c.until,
                (snoozes.c.until <= self._transactions.clock())
                & snoozes.c.case_id.in_(select(cases.c.id).where(_OPEN, _CALM)),
            ),
        }
        found: dict[Waiting, datetime] = {}
        with self._transactions.read() as work:
            for kind, (table, since, which) in waits.items():
                query = select(since.label("since")).where(table.c.clinic == clinic, which)
                row = work.first(query.order_by(since))
                if row is not None and row.since is not None:
                    found[kind] = row.since
        return found

    def figures(self, *, clinic: str) -> Figures:
        """Return what a monitor asks for."""
        cases, raws, replies = tables.cases, tables.raw_messages, tables.replies
        lanes = (
            select(
                cases.c.lane,
                func.count().label("rows"),
                func.min(cases.c.last_message_at).label("since"),
            )
            .where(cases.c.clinic == clinic, _OPEN)
            .group_by(cases.c.lane)
        )
        states = (
            select(replies.c.state, func.count().label("rows"))
            .where(replies.c.clinic == clinic)
            .group_by(replies.c.state)
        )
        landed = select(func.count()).select_from(raws).where(raws.c.clinic == clinic)
        waits = (unindexed(raws.c.clinic) == clinic, raws.c.filed_at.is_(None))
        waiting = select(func.count()).select_from(raws).where(*waits)
        with self._transactions.read() as work:
            rows = work.rows(lanes)
            return Figures(
                open={str(row.lane): int(row.rows) for row in rows},
                oldest={str(row.lane): row.since for row in rows},
                landed=work.number(landed),
                in_no_queue=work.number(waiting),
                replies={str(row.state): int(row.rows) for row in work.rows(states)},
            )

    def unseen(self, *, clinic: str) -> Unseen:
        """Return how many open cases no lane shows, and how many messages are nowhere.

        What the lanes show is counted by the queue's own conditions; what there is, without them:
        a condition that hides a case must not hide it from the count as well.
        """
        cases, raws = tables.cases, tables.raw_messages
        messages, tests = tables.messages, tables.canaries
        count = select(func.count())
        closed = (cases.c.state == CaseState.CLOSED.value) & cases.c.closed_at.is_not(None)
        there = count.select_from(cases).where(cases.c.clinic == clinic, ~closed)
        filed = select(messages.c.raw_id).where(messages.c.raw_id == raws.c.id).exists()
        tested = select(tests.c.raw_id).where(tests.c.raw_id == raws.c.id).exists()
        # When a message was filed stands behind all of its bytes: what waits is found by an index
        # of its own instead, and taken away.
        unfiled = count.select_from(raws).where(~filed, ~tested)
        waiting = unfiled.where(unindexed(raws.c.clinic) == clinic, raws.c.filed_at.is_(None))
        with self._transactions.snapshot() as work:
            part: Any = {"clinic": clinic, "by": "watch", "view": None}
            shown = sum(
                work.number(
                    count.select_from(cases).where(*open_cases(ALL, work.now, lane=lane, **part))
                )
                for lane in Lane
            )
            return Unseen(
                cases=abs(work.number(there) - shown),
                messages=work.number(unfiled.where(raws.c.clinic == clinic)) - work.number(waiting),
            )


def _approved_since() -> ColumnElement[bool]:
    """Whether other words were approved in the case after a reply, which say what became of it."""
    replies, later = tables.replies, tables.replies.alias("later")
    mine = (later.c.case_id == replies.c.case_id, later.c.not_before > replies.c.not_before)
    return select(later.c.case_id).where(*mine).correlate(replies).exists()
