"""What is remembered of checking: beside an approval, when it was refused, and how often.

Rule of the room: kinds, places and counts; the words are the case's own and sealed under its key.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select

from triage.domain import Approval, Check, CheckCounts, Protected
from triage.store import tables
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work
from triage.store.vault import Vault

#: A yes that comes sooner after the words were shown was hardly read.
QUICK = timedelta(seconds=3)
STOPPED, QUICKLY = "approval.stopped", "approval.quick"
CAUGHT, MISSED = "drill.caught", "drill.missed"


class Checks:
    """Notes about checking, and their counts."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def stopped(self, case_id: str, why: str, *, clinic: str, by: str, draft: str) -> None:
        """Remember that an approval was refused, and why in a word."""
        detail = {"why": why, "draft": draft}
        self.note(STOPPED, case_id, clinic=clinic, by=by, detail=detail)

    def note(
        self, action: str, case_id: str, *, clinic: str, by: str, detail: dict[str, str]
    ) -> None:
        """Remember something about a case; ids, kinds and counts only."""
        cases = tables.cases
        mine = select(cases.c.id).where(cases.c.id == case_id, cases.c.clinic == clinic)
        with self._transactions.write() as work:
            work.one(mine, f"case {case_id}")
            work.note(action, clinic=clinic, by=by, cases=(case_id,), detail=detail)

    def first_look(self, case_id: str, *, clinic: str, by: str, since: datetime) -> datetime | None:
        """Return when this person first opened the case after `since`; the audit knows."""
        audit, named = tables.audit, tables.audit_cases
        query = (
            select(func.min(audit.c.at).label("at"))
            .join(named, named.c.seq == audit.c.seq)
            .where(
                named.c.case_id == case_id,
                audit.c.clinic == clinic,
                audit.c.actor == by,
                audit.c.action == "case.read",
                audit.c.at > since,
            )
        )
        with self._transactions.read() as work:
            row = work.first(query)
        return row.at if row is not None else None

    def drilled(self, case_id: str, *, clinic: str) -> bool:
        """Whether the drill of a case is over, caught or missed."""
        audit, named = tables.audit, tables.audit_cases
        query = (
            select(audit.c.seq)
            .join(named, named.c.seq == audit.c.seq)
            .where(
                named.c.case_id == case_id,
                audit.c.clinic == clinic,
                audit.c.action.in_((CAUGHT, MISSED)),
            )
        )
        with self._transactions.read() as work:
            return work.first(query) is not None

    def counts(self, *, clinic: str, by: str, since: datetime) -> CheckCounts:
        """Return how approving went since a moment; audited."""
        audit = tables.audit
        wanted = ("reply.approved", "reply.first", QUICKLY, STOPPED, CAUGHT, MISSED)
        query = select(audit.c.action, audit.c.detail).where(
            audit.c.clinic == clinic, audit.c.at >= since, audit.c.action.in_(wanted)
        )
        actions, why, confirmed = Counter[str](), Counter[str](), 0
        with self._transactions.write() as work:
            for row in work.rows(query):
                actions[row.action] += 1
                detail: dict[str, str] = row.detail
                confirmed += len(detail.get("confirmed", "").split())
                if row.action == STOPPED:
                    why[detail.get("why", "")] += 1
            work.note("checks.counted", clinic=clinic, by=by)
        return CheckCounts(
            approved=actions["reply.approved"],
            quick=actions[QUICKLY],
            confirmed=confirmed,
            stopped=dict(why),
            drills_caught=actions[CAUGHT],
            drills_missed=actions[MISSED],
        )


def write_check(work: Work, case_id: str, approval: Approval, check: Check) -> dict[str, str]:
    """Store what was checked beside an approval; return what its audit row says of it."""
    table, words = tables.checks, {}
    if check.suggested is not None:
        under = of_case(case_id)
        words = work.seal(table, approval.id, under=under, suggested=check.suggested)
    work.add(
        table,
        id=approval.id,
        clinic=approval.clinic,
        case_id=case_id,
        reply_id=approval.reply_id,
        confirmed=list(check.confirmed),
        milliseconds=check.milliseconds,
        **words,
    )
    return said_of(work, case_id, approval, check)


def said_of(work: Work, case_id: str, approval: Approval, check: Check) -> dict[str, str]:
    """Return what the audit row of a yes says of its check; note a yes that came too soon."""
    said = {"confirmed": " ".join(check.confirmed)} if check.confirmed else {}
    if check.template:
        said["template"] = check.template
    if check.milliseconds is not None:
        said["milliseconds"] = str(check.milliseconds)
        if check.milliseconds < QUICK / timedelta(milliseconds=1):
            detail = {"reply": approval.reply_id, "milliseconds": str(check.milliseconds)}
            work.note(
                QUICKLY,
                clinic=approval.clinic,
                by=approval.approver,
                cases=(case_id,),
                detail=detail,
            )
    return said


def suggested_to(work: Work, reply_ids: list[str]) -> dict[str, Protected]:
    """Return reply id -> the body that was suggested when it was approved, where one was."""
    table = tables.checks
    if not reply_ids:
        return {}
    rows = work.rows(select(table).where(table.c.reply_id.in_(reply_ids)))
    return {row.reply_id: _words(row, work.vault) for row in rows if row.suggested is not None}


def _words(row: Row[Any], vault: Vault) -> Protected:
    return vault.text(row.suggested, row.id)
