"""What the leak meter counted, added up for the supervisor.

Rule of the room: types and numbers only; which message and which words stays with the messages.
"""

from collections import Counter
from datetime import datetime

from sqlalchemy import select

from triage.domain import IdentifierType, LeakTally
from triage.store import tables
from triage.store.transaction import Transactions


class LeakCounts:
    """Adds up the leaks of a clinic's messages."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def tally(self, *, clinic: str, since: datetime) -> LeakTally:
        """Return what remained readable in redacted messages received since then, by type."""
        messages = tables.messages
        query = select(messages.c.leaks).where(
            messages.c.clinic == clinic, messages.c.received_at >= since
        )
        counts: Counter[IdentifierType] = Counter()
        measured = leaking = unmeasured = 0
        with self._transactions.read() as work:
            for row in work.stream(query):
                unmeasured += row.leaks is None
                measured += row.leaks is not None
                leaking += bool(row.leaks)
                counts.update({IdentifierType(kind): n for kind, n in (row.leaks or {}).items()})
        return LeakTally(measured, leaking, unmeasured, dict(counts))
