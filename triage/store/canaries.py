"""Test mails: one is issued, goes through the real mailbox, and is known once when it comes back.

Rule of the room: what is taken out before the queue says the fixed words and nothing else, carries
a mark only we could make, and was sent and not seen yet. Anything else is a normal message.
"""

import hmac
from datetime import datetime, timedelta

from sqlalchemy import select, update

from triage.domain import Arrival, Canary, canary_mark, new_id
from triage.store import tables
from triage.store.transaction import Transactions, Work

#: One that comes back later is shown to people: something is wrong with the mail.
VALID = timedelta(hours=12)


class Canaries:
    """The test mails of every clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def issue(self, inbox: str, *, clinic: str) -> tuple[Canary, str]:
        """Remember a new test mail to an inbox; return it and the mark it must carry."""
        with self._transactions.write() as work:
            canary = Canary(new_id(), inbox, work.now)
            work.add(
                tables.canaries, id=canary.id, clinic=clinic, inbox=inbox, sent_at=canary.sent_at
            )
            mac = _mac(work, canary.id, inbox, clinic)
        return canary, f"{canary.id}.{mac}"

    def newest(self, inbox: str, *, clinic: str, since: datetime) -> list[Canary]:
        """Return the test mails to an inbox sent since then, newest first."""
        table = tables.canaries
        query = select(table).where(
            table.c.clinic == clinic, table.c.inbox == inbox, table.c.sent_at >= since
        )
        with self._transactions.read() as work:
            rows = work.rows(query.order_by(table.c.sent_at.desc(), table.c.id))
        return [Canary(row.id, row.inbox, row.sent_at, row.seen_at) for row in rows]


def take_out(work: Work, arrival: Arrival, raw_id: str, clinic: str) -> bool:
    """Take a landed test mail out before the queue; return whether it was one.

    Once per mark, within hours, in the inbox it was sent to; the row and its bytes stay.
    """
    marked = canary_mark(arrival.content)
    if marked is None:
        return False
    canary_id, mac = marked
    inbox, table = arrival.position.inbox, tables.canaries
    if not hmac.compare_digest(mac, _mac(work, canary_id, inbox, clinic)):
        return False
    seen = update(table).where(
        table.c.id == canary_id,
        table.c.clinic == clinic,
        table.c.inbox == inbox,
        table.c.seen_at.is_(None),
        table.c.sent_at >= work.now - VALID,
    )
    if work.run(seen.values(seen_at=work.now, raw_id=raw_id)) != 1:
        return False
    raws = tables.raw_messages
    work.run(update(raws).where(raws.c.id == raw_id).values(filed_at=work.now))
    return True


def _mac(work: Work, canary_id: str, inbox: str, clinic: str) -> str:
    return work.vault.blind("canary", clinic, f"{inbox} {canary_id}").hex()
