"""What every open queue of a clinic is told, read once for all who listen.

Rule of the room: one transaction, and as many statements for a hundred listeners as for one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from triage.domain import Calm, CaseState, Lane, User
from triage.store import records, tables
from triage.store.calm import calms
from triage.store.sessions import alive, token_digest
from triage.store.transaction import Transactions, Work
from triage.store.views import lane_counts


@dataclass(frozen=True, slots=True)
class Tidings:
    """One reading of a clinic's queue, and who may hear of it."""

    version: str
    counts: Mapping[Lane, int]
    #: Session token -> whose it is, for those that live.
    people: Mapping[str, User] = field(repr=False)
    #: Person -> how many notes name them, and what they want to be told.
    notes: Mapping[str, int]
    calm: Mapping[str, Calm]
    #: How many saved words wait for somebody to approve them.
    asked: int


class Listening:
    """The one reading that all open queues of a clinic share."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self, tokens: Collection[str], *, clinic: str, now: datetime) -> Tidings:
        """Return how the queue stands, and which of these sessions live."""
        with self._transactions.read() as work:
            people = _people(work, tokens, clinic, now)
            ids = sorted({person.id for person in people.values()})
            return Tidings(
                version=str(work.number(_version(clinic))),
                counts=lane_counts(work, clinic),
                people=people,
                notes=_notes(work, ids, clinic),
                calm=calms(work, ids, clinic=clinic),
                asked=work.number(_asked(clinic)),
            )

    def for_me(self, user_id: str, *, clinic: str, approves: bool) -> int:
        """Return how much waits for one person beside the queue."""
        with self._transactions.read() as work:
            notes = _notes(work, [user_id], clinic).get(user_id, 0)
            return notes + (work.number(_asked(clinic)) if approves else 0)


def _people(work: Work, tokens: Collection[str], clinic: str, now: datetime) -> dict[str, User]:
    sessions, users = tables.sessions, tables.users
    digests = {token_digest(token): token for token in tokens}
    query = (
        select(users, sessions.c.id.label("session"))
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(users.c.clinic == clinic, sessions.c.id.in_(sorted(digests)), *alive(now))
    )
    return {digests[row.session]: records.user(row) for row in work.rows(query)}


def _version(clinic: str) -> Select[Any]:
    versions = tables.queue_versions
    return select(versions.c.version).where(versions.c.clinic == clinic)


def _notes(work: Work, ids: list[str], clinic: str) -> dict[str, int]:
    mentions, cases = tables.mentions, tables.cases
    query = (
        select(mentions.c.user_id, func.count().label("notes"))
        .join(cases, cases.c.id == mentions.c.case_id)
        .where(
            mentions.c.clinic == clinic,
            mentions.c.user_id.in_(ids),
            mentions.c.seen_at.is_(None),
            cases.c.erased_at.is_(None),
        )
        .group_by(mentions.c.user_id)
    )
    return {row.user_id: int(row.notes) for row in work.rows(query)}


def _asked(clinic: str) -> Select[Any]:
    """Count what the page "For me" lists as waiting for an approval."""
    asks, cases, drafts = tables.asks, tables.cases, tables.drafts
    return (
        select(func.count())
        .select_from(asks)
        .join(cases, cases.c.id == asks.c.case_id)
        .join(drafts, (drafts.c.case_id == cases.c.id) & drafts.c.reply_id.is_(None))
        .where(
            asks.c.clinic == clinic,
            cases.c.state == CaseState.OPEN.value,
            drafts.c.id == asks.c.draft_id,
            drafts.c.edited_at <= asks.c.at,
        )
    )
