"""The very bytes a reply leaves as, kept before the first of them does.

Rule of the room: written while its reply is sending, and never changed; what cannot be kept does
not leave. A reply that is tried again as the same bytes is not kept again: the chain names their
SHA-256 at each try.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select

from triage.domain import Departure, Reply, ReplyState, new_id
from triage.errors import ChangedUnderneath, SendPostponed, TriageError
from triage.store import tables
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work

#: The action by which the chain names what is about to leave.
LEAVING = "reply.leaving"


class Departures:
    """What was handed to mail servers and portals, for every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def keep(self, reply: Reply, content: bytes, *, by: str) -> None:
        """Keep what is about to leave, its SHA-256 in the audit.

        Raises SendPostponed when it cannot be kept: nothing has left yet, and nothing may.
        """
        try:
            with self._transactions.write() as work:
                _keep(work, reply, content, by)
        except TriageError as trouble:
            raise SendPostponed(f"its bytes were not kept ({type(trouble).__name__})") from None


def _keep(work: Work, reply: Reply, content: bytes, by: str) -> None:
    table, replies, departure_id = tables.departures, tables.replies, new_id()
    case_id = reply.outgoing.case_id
    sending = select(replies.c.claimed_at).where(
        replies.c.clinic == reply.clinic,
        replies.c.id == reply.id,
        replies.c.state == ReplyState.SENDING.value,
    )
    row = work.first(sending)
    if row is None:
        raise ChangedUnderneath(f"reply {reply.id}")
    detail = {"reply": reply.id, "sha256": hashlib.sha256(content).hexdigest()}
    if not _kept(work, case_id, detail):
        work.add(
            table,
            id=departure_id,
            clinic=reply.clinic,
            case_id=case_id,
            reply_id=reply.id,
            claimed_at=row.claimed_at,
            at=work.now,
            **work.seal(table, departure_id, under=of_case(case_id), content=content),
        )
    work.note(LEAVING, clinic=reply.clinic, by=by, cases=(case_id,), detail=detail)


def _kept(work: Work, case_id: str, detail: dict[str, str]) -> bool:
    """Whether these very bytes of the reply are there already; the sender reads them nowhere.

    The chain says so: what names them was written with them, or not at all.
    """
    audit, named = tables.audit, tables.audit_cases
    query = (
        select(audit.c.detail)
        .join(named, named.c.seq == audit.c.seq)
        .where(named.c.case_id == case_id, audit.c.action == LEAVING)
    )
    return any(said.detail == detail for said in work.rows(query))


def left_from(work: Work, case_id: str, clinic: str) -> Sequence[Departure]:
    """Return everything that left, or was about to, from one case; oldest first."""
    table = tables.departures
    query = select(table).where(table.c.clinic == clinic, table.c.case_id == case_id)
    return tuple(
        Departure(row.id, row.reply_id, row.at, work.vault.open(row.content, row.id))
        for row in work.rows(query.order_by(table.c.at, table.c.id))
    )
