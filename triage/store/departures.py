"""The very bytes a reply leaves as, kept before the first of them does.

Rule of the room: written once for each claim, while its reply is sending, and never changed; what
cannot be kept does not leave.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select

from triage.domain import Departure, Reply, ReplyState, new_id
from triage.errors import ChangedUnderneath, SendPostponed, TriageError
from triage.store import tables
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work


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
    detail = {"reply": reply.id, "sha256": hashlib.sha256(content).hexdigest()}
    work.note("reply.leaving", clinic=reply.clinic, by=by, cases=(case_id,), detail=detail)


def left_from(work: Work, case_id: str, clinic: str) -> Sequence[Departure]:
    """Return everything that left, or was about to, from one case; oldest first."""
    table = tables.departures
    query = select(table).where(table.c.clinic == clinic, table.c.case_id == case_id)
    return tuple(
        Departure(row.id, row.reply_id, row.at, work.vault.open(row.content, row.id))
        for row in work.rows(query.order_by(table.c.at, table.c.id))
    )
