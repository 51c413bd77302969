"""Two people's yes, where the clinic wants two: the first one, and the question whether it is due.

Rule of the room: the setting is asked where the words are queued and again where they are sent,
with columns the sender's own role may read. The guards in `together_guards.py` ask the same.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, select, update

from triage.domain import Approval, AuditEvent, Check, Draft, FirstYes, Reply, Route
from triage.errors import ChangedUnderneath, NoProofKey, NoRecipient, NotYourself, OutOfScope
from triage.store import records, tables
from triage.store.case_row import free_for
from triage.store.checks import said_of
from triage.store.claims import let_go
from triage.store.drafts import open_draft
from triage.store.proof import alive
from triage.store.proof import read as proof_key
from triage.store.recipients import may_receive
from triage.store.transaction import Transactions, Work
from triage.store.two_needed import needed

#: The audit's word for the first of two approvals.
FIRST = "reply.first"


class SecondApprovers:
    """Which routes need two approvers, and first approvals."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def routes(self, *, clinic: str) -> frozenset[Route]:
        """Return the routes whose replies two people must approve."""
        table = tables.two_approvers
        query = select(table.c.route).where(table.c.clinic == clinic, table.c.off_at.is_(None))
        with self._transactions.read() as work:
            return records.routes([row.route for row in work.rows(query)])

    def set_routes(self, routes: Iterable[Route], *, clinic: str, by: str) -> None:
        """Want two approvers for these routes and no others from now on."""
        table, wanted = tables.two_approvers, set(routes)
        with self._transactions.write() as work:
            work.lock(f"approvers {clinic}")
            known = {
                row.route: row for row in work.rows(select(table).where(table.c.clinic == clinic))
            }
            for route in sorted(wanted | records.routes(list(known))):
                _switch(work, known.get(route.value), route, clinic, by=by, on=route in wanted)
            detail = {"routes": " ".join(sorted(wanted))}
            work.note("approvers.set", clinic=clinic, by=by, detail=detail)

    def first(
        self,
        approval: Approval,
        draft: Draft,
        check: Check | None = None,
        *,
        seen: str | None = None,
    ) -> bool:
        """Keep this as the first of two approvals and return True; False where it may be the last.

        `check` and `seen` are what was looked at before the yes; its approver's claim ends, so
        that somebody else can say theirs. Raises NotYourself when the same person says yes twice,
        OutOfScope when it may not be the last because nobody licensed has said yes, and what
        `Replies.approve` raises.
        """
        clinic, case_id = approval.clinic, draft.case_id
        with self._transactions.write() as work:
            free_for(work, case_id, clinic, approval.approver, seen=seen)
            if not demanded(work, case_id, clinic=clinic, approver=approval.approver):
                return _last(check, draft)
            row = work.first(open_draft(case_id, clinic).with_for_update())
            if row is None or row.id != draft.id:
                raise ChangedUnderneath(f"draft {draft.id}")
            stored = records.draft(row, work.vault)
            if not stored.outgoing.digest == draft.outgoing.digest == approval.digest:
                raise ChangedUnderneath(f"draft {draft.id}")
            if not may_receive(work, stored.contact_id, stored.outgoing, clinic=clinic):
                raise NoRecipient(f"case {case_id}")
            if not alive(work, approval):
                raise NoProofKey(f"case {case_id}")
            if first_of(work, approval) is not None:
                return _last(check, draft)
            if _said(work, approval):
                raise NotYourself("You have approved these words. Somebody else must, too.")
            write_yes(work, tables.first_approvals, approval)
            by = approval.approver
            let_go(work, case_id, clinic=clinic, by=by)
            detail = {"reply": approval.reply_id, "digest": approval.digest}
            detail |= {"key": approval.key_id, "at": approval.approved_at.isoformat()}
            detail |= said_of(work, case_id, approval, check) if check else {}
            work.note(FIRST, clinic=clinic, by=by, cases=(case_id,), detail=detail)
            work.moved(clinic)
        return True

    def said(self, draft: Draft, *, clinic: str, by: str) -> tuple[bool, frozenset[str]]:
        """Return whether two are due for `by`, and who else said yes to the words as saved."""
        table = tables.first_approvals
        query = select(table.c.approver).where(
            table.c.clinic == clinic,
            table.c.reply_id == draft.id,
            table.c.digest == draft.outgoing.digest,
            table.c.approver != by,
            table.c.approver.in_(_staff(clinic)),
        )
        with self._transactions.read() as work:
            due = demanded(work, draft.case_id, clinic=clinic, approver=by)
            return due, frozenset(str(row.approver) for row in work.rows(query))


def demanded(work: Work, case_id: str, *, clinic: str, approver: str) -> bool:
    """Whether one person's approval is not enough for a reply of this case.

    Once a case was filed or sorted under such a route it stays so, whoever sorts it elsewhere or
    switches the setting off. For cases from before that was kept nobody gets out of it alone.
    """
    if needed(work, case_id):
        return True
    rules, cases, labels = tables.two_approvers, tables.cases, tables.labels
    found = work.rows(select(rules).where(rules.c.clinic == clinic))
    ruled = {row.route for row in found if row.off_at is None or row.off_by == approver}
    if not ruled:
        return False
    here = (cases.c.clinic == clinic, cases.c.id == case_id)
    case = work.one(select(cases.c.route, cases.c.also).where(*here), f"case {case_id}")
    moved = select(labels.c.shown_route, labels.c.shown_also).where(
        labels.c.clinic == clinic, labels.c.case_id == case_id, labels.c.by == approver
    )
    asked = {case.route, *case.also}
    for label in work.rows(moved):
        asked |= {label.shown_route, *label.shown_also}
    return bool(ruled & asked)


def works_here(work: Work, user_id: str, clinic: str) -> bool:
    """Whether a person may still sign in; whoever was shut out since approves nothing any more."""
    return work.first(_staff(clinic).where(tables.users.c.id == user_id)) is not None


def _staff(clinic: str) -> Select[Any]:
    users = tables.users
    return select(users.c.id).where(users.c.clinic == clinic, users.c.active.is_(True))


def first_of(work: Work, approval: Approval) -> Row[Any] | None:
    """Return another person's yes to the same words for the same reply, if they still work here."""
    table = tables.first_approvals
    query = select(table).where(
        table.c.clinic == approval.clinic,
        table.c.reply_id == approval.reply_id,
        table.c.digest == approval.digest,
        table.c.approver != approval.approver,
        table.c.approver.in_(_staff(approval.clinic)),
    )
    return work.first(query.order_by(table.c.approved_at, table.c.id))


def firsts_of(work: Work, events: Iterable[AuditEvent], clinic: str) -> tuple[Approval, ...]:
    """Return every first yes that the audit knows of in a case, oldest first, with its key."""
    table, keys = tables.first_approvals, tables.proof_keys
    ids = sorted({one.detail["reply"] for one in events if one.action == FIRST})
    query = select(table).where(table.c.clinic == clinic, table.c.reply_id.in_(ids))
    rows = work.rows(query.order_by(table.c.approved_at, table.c.id)) if ids else []
    named = sorted({str(row.key_id) for row in rows})
    known = {row.id: proof_key(row) for row in work.rows(select(keys).where(keys.c.id.in_(named)))}
    return tuple(records.approval(row, known.get(row.key_id)) for row in rows)


def both(work: Work, reply: Reply) -> Reply:
    """Return a reply with what the sender must know: whether two are due, and the first yes."""
    said = reply.approval
    case_id, clinic = reply.outgoing.case_id, reply.clinic
    due = demanded(work, case_id, clinic=clinic, approver=said.approver)
    row = first_of(work, said) if due else None
    if row is None:
        return replace(reply, needs_two=due)
    keys = tables.proof_keys
    known = work.first(select(keys).where(keys.c.id == row.key_id))
    return replace(reply, needs_two=True, first=records.approval(row, proof_key(known)))


def standing(work: Work, draft: Draft | None, case_id: str, clinic: str, by: str) -> Any:
    """Return whether two are due for who looks, and the first yes to the words as saved now."""
    due = demanded(work, case_id, clinic=clinic, approver=by)
    table = tables.first_approvals
    if draft is None:
        return due, None
    query = select(table).where(
        table.c.clinic == clinic,
        table.c.reply_id == draft.id,
        table.c.digest == draft.outgoing.digest,
        table.c.approver.in_(_staff(clinic)),
    )
    row = work.first(query.order_by(table.c.approved_at, table.c.id))
    return due, FirstYes(row.approver, row.approved_at) if row is not None else None


def _last(check: Check | None, draft: Draft) -> bool:
    """Return False; raise OutOfScope where this yes could only have been the first of two."""
    if check is not None and not check.licensed:
        raise OutOfScope(f"draft {draft.id}")
    return False


def _said(work: Work, approval: Approval) -> bool:
    table = tables.first_approvals
    query = select(table.c.id).where(
        table.c.reply_id == approval.reply_id,
        table.c.digest == approval.digest,
        table.c.approver == approval.approver,
    )
    return work.first(query) is not None


def write_yes(work: Work, table: Table, approval: Approval) -> None:
    """Write a person's yes: among the approvals, or among those that wait for a second one."""
    work.add(
        table,
        id=approval.id,
        clinic=approval.clinic,
        reply_id=approval.reply_id,
        digest=approval.digest,
        approver=approval.approver,
        approved_at=approval.approved_at,
        proof=approval.proof,
        key_id=approval.key_id,
    )


def _switch(
    work: Work, row: Row[Any] | None, route: Route, clinic: str, *, by: str, on: bool
) -> None:
    table = tables.two_approvers
    mine = (table.c.clinic == clinic, table.c.route == route.value)
    now: datetime = work.now
    if row is None:
        if on:
            work.add(table, clinic=clinic, route=route.value, by_user=by, at=now)
    elif on and row.off_at is not None:
        again = {"by_user": by, "at": now, "off_by": None, "off_at": None}
        work.run(update(table).where(*mine).values(**again))
    elif not on and row.off_at is None:
        work.run(update(table).where(*mine).values(off_by=by, off_at=now))
