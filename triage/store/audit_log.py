"""The audit as it is kept: written with every transaction, read and verified here.

Rule of the room: reading the audit is itself remembered.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from triage.audit import Verdict
from triage.domain import Anchor, AuditEvent, Evidence, Head
from triage.store import records, tables
from triage.store.chain import Anchors, verify_chains
from triage.store.evidence import gather, seen_by
from triage.store.trail import heads_of
from triage.store.transaction import Transactions


class AuditLog:
    """The chains of the database; clinics see their own rows of them, in one order."""

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

    def evidence(
        self, case_id: str, *, clinic: str, by: str, anchors: Sequence[Anchor] = ()
    ) -> Evidence:
        """Return all that is known of a case with its part of the chains; raise NotFound."""
        with self._transactions.write() as work:
            return gather(work, case_id, clinic=clinic, by=by, anchors=anchors)

    def evidence_left(self, case_id: str, digest: str, *, clinic: str, by: str) -> None:
        """Remember the SHA-256 of a pack that was handed out; raise NotFound."""
        cases = tables.cases
        mine = select(cases.c.id).where(cases.c.id == case_id, cases.c.clinic == clinic)
        with self._transactions.write() as work:
            work.one(mine, f"case {case_id}")
            detail = {"sha256": digest}
            work.note("evidence.exported", clinic=clinic, by=by, cases=(case_id,), detail=detail)

    def of_patient(self, patient_id: str, *, clinic: str, by: str) -> tuple[AuditEvent, ...]:
        """Return who saw or changed what of one patient, in every case, oldest first.

        Raises NotFound. A case that was linked to somebody else by mistake counts for both.
        """
        table = tables.patients
        here = select(table.c.id).where(table.c.clinic == clinic, table.c.id == patient_id)
        with self._transactions.write() as work:
            work.one(here, f"patient {patient_id}")
            found = seen_by(work, patient_id, clinic)
            detail = {"patient": patient_id, "rows": str(len(found))}
            work.note("patient.report", clinic=clinic, by=by, detail=detail)
        return found

    def heads(self) -> tuple[Head, ...]:
        """Return where every chain ends at this moment, to be kept outside."""
        with self._transactions.read() as work:
            return heads_of(work.connection)

    def verify(self, *, heads: Collection[Head] = (), anchors: Anchors | None = None) -> Verdict:
        """Check every chain, against the heads in the database and what is kept outside.

        Chains span all clinics. `heads` is what `heads()` gave at some earlier time, `anchors`
        reads the anchor file; both find events cut off since, chains taken out and chains written
        anew. Never raises for a broken chain: the verdict says where.
        """
        with self._transactions.snapshot() as work:
            return verify_chains(work, self._transactions.audit_keys, anchors=anchors, heads=heads)
