"""The audit as it is kept: written with every transaction, read and verified here.

Rule of the room: reading the audit is itself remembered.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy import select

from triage.audit import Verdict, verify
from triage.domain import AuditEvent
from triage.store import records, tables
from triage.store.transaction import Transactions, Work


class AuditLog:
    """The one chain of the database; clinics see their own rows of it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def record(
        self,
        action: str,
        *,
        clinic: str,
        by: str,
        cases: Iterable[str] = (),
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Add one event; `detail` holds ids and counts, never patient text."""
        with self._transactions.write() as work:
            work.note(action, clinic=clinic, by=by, cases=cases, detail=detail)

    def events(
        self,
        *,
        clinic: str,
        by: str,
        case_id: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = 200,
        offset: int = 0,
    ) -> list[AuditEvent]:
        """Return one page of events, newest first, that match every filter given."""
        audit, named = tables.audit, tables.audit_cases
        query = select(audit).where(audit.c.clinic == clinic).order_by(audit.c.seq.desc())
        if case_id is not None:
            query = query.join(named, named.c.seq == audit.c.seq).where(named.c.case_id == case_id)
        if actor is not None:
            query = query.where(audit.c.actor == actor)
        if action is not None:
            query = query.where(audit.c.action == action)
        if since is not None:
            query = query.where(audit.c.at >= since)
        with self._transactions.write() as work:
            found = [records.event(row) for row in work.rows(query.limit(limit).offset(offset))]
            cases = () if case_id is None else (case_id,)
            detail = {"rows": str(len(found))}
            work.note("audit.read", clinic=clinic, by=by, cases=cases, detail=detail)
        return found

    def head(self) -> tuple[int, str]:
        """Return (sequence number, digest) of the newest event, to be kept outside."""
        head = tables.audit_head
        with self._transactions.read() as work:
            row = work.one(select(head.c.seq, head.c.digest), "audit head")
        return int(row.seq), str(row.digest)

    def verify(self, *, head: tuple[int, str] | None = None) -> Verdict:
        """Check the whole chain, against the head in the database and one kept outside.

        The chain spans all clinics. `head` is what `head()` gave at some earlier time; it finds
        events cut off since. Never raises for a broken chain: the verdict says where.
        """
        with self._transactions.read() as work:
            inside = work.one(select(tables.audit_head), "audit head")
            watch = _Watch(head)
            verdict = verify(
                watch.over(_chain(work)), key=self._transactions.audit_key, head=inside.digest
            )
            if verdict.holds and verdict.events != inside.seq:
                return Verdict(verdict.events, verdict.head, broken_at=verdict.events + 1)
            if verdict.holds and not watch.satisfied:
                return Verdict(verdict.events, verdict.head, broken_at=watch.seq)
            if verdict.holds and (strayed := _strayed(work)):
                return Verdict(verdict.events, verdict.head, broken_at=strayed)
            return verdict


class _Watch:
    """Looks out, while the chain streams past, for the head that was kept outside."""

    def __init__(self, head: tuple[int, str] | None) -> None:
        self.seq, self._digest = head or (0, "")
        self.satisfied = self.seq == 0

    def over(self, events: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
        for event in events:
            if event.seq == self.seq:
                self.satisfied = hmac.compare_digest(event.digest, self._digest)
            yield event


def _chain(work: Work) -> Iterator[AuditEvent]:
    query = select(tables.audit).order_by(tables.audit.c.seq)
    return (records.event(row) for row in work.stream(query))


def _strayed(work: Work) -> int | None:
    """Return the first event whose list of cases the index of cases does not repeat."""
    audit, named = tables.audit, tables.audit_cases
    index = work.stream(select(named.c.seq, named.c.case_id).order_by(named.c.seq))
    entry = next(index, None)
    for row in work.stream(select(audit.c.seq, audit.c.cases).order_by(audit.c.seq)):
        found: set[str] = set()
        while entry is not None and entry.seq == row.seq:
            found.add(entry.case_id)
            entry = next(index, None)
        if found != set(row.cases):
            return int(row.seq)
    return None if entry is None else int(entry.seq)
