"""Who signed what: a clinician's name under the exact rules or texts she reviewed.

Rule of the room: a signature belongs to one digest; changed words are unsigned words.
"""

from datetime import datetime

from sqlalchemy import select

from triage.domain import new_id
from triage.store import tables
from triage.store.transaction import Transactions


class Signatures:
    """Signatures of a clinic; written once."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def sign(self, what: str, digest: str, *, clinic: str, by: str) -> None:
        """Put `by`'s name under the thing whose words have this digest."""
        with self._transactions.write() as work:
            work.add(
                tables.signatures,
                id=new_id(),
                clinic=clinic,
                what=what,
                digest=digest,
                user_id=by,
                at=work.now,
            )
            detail = {"what": what, "digest": digest}
            work.note("signature.given", clinic=clinic, by=by, detail=detail)

    def signed(self, what: str, digest: str, *, clinic: str) -> tuple[str, datetime] | None:
        """Return (user id, when) of the newest signature under exactly this, or None."""
        table = tables.signatures
        query = (
            select(table.c.user_id, table.c.at)
            .where(table.c.clinic == clinic, table.c.what == what, table.c.digest == digest)
            .order_by(table.c.at.desc(), table.c.id)
        )
        with self._transactions.read() as work:
            row = work.first(query)
        return None if row is None else (str(row.user_id), row.at)
