"""The queue and the cases in it: see, claim, sort, identify, tick off, close.

Rule of the room: every read and write of a case leaves its audit row in the same transaction.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update

from triage.domain import (
    ALL,
    NOTHING,
    UNDERWAY,
    Attachment,
    AuditEvent,
    CaseFile,
    CaseRow,
    CaseState,
    Filters,
    Label,
    Lane,
    Mark,
    NoteKind,
    Protected,
    RawMessage,
    Reading,
    ReplyState,
    SavedView,
)
from triage.errors import AlreadyClaimed, NotFound, OpenRequest
from triage.store import records, tables
from triage.store.case_decisions import (
    changed,
    open_again,
    open_row,
    set_case,
    still_linked,
    still_sorted,
)
from triage.store.case_row import case_row, here
from triage.store.casefile import case_file, queue_rows, reply_states
from triage.store.claims import CLAIM_HOLDS
from triage.store.due import QUEUE, must_act, must_act_if_it_rises, placed_again
from triage.store.escalations import closes
from triage.store.filing import file_reading, follow, tick_all
from triage.store.keyring import of_case
from triage.store.labels import write_label
from triage.store.landing import open_raw
from triage.store.notes import write_note
from triage.store.parting import give_own_case
from triage.store.transaction import Transactions, Within
from triage.store.two_needed import keep_need
from triage.store.views import lane_counts, open_cases
from triage.store.whose import name_nobody, name_patient

#: A case whose newest reply is in one of these stands among the outgoing, unless it is urgent.
_NOT_ARRIVED = UNDERWAY | {ReplyState.UNCERTAIN, ReplyState.FAILED}


class Cases:
    """What people work on."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def file(self, reading: Reading, *, clinic: str, by: str) -> str:
        """Put a reading in the queue and return its case's id; filing it again changes nothing."""
        with self._transactions.write() as work:
            return file_reading(work, reading, clinic=clinic, by=by)

    def queue(
        self,
        *,
        clinic: str,
        by: str,
        lane: Lane | None = None,
        view: SavedView | None = None,
        filters: Filters = ALL,
        limit: int = 100,
        offset: int = 0,
    ) -> list[CaseRow]:
        """Return a page of open cases: urgent first, unsorted next, by due time, asleep last."""
        part: Any = {"clinic": clinic, "by": by, "lane": lane, "view": view}
        query = select(tables.cases).order_by(*QUEUE).limit(limit).offset(offset)
        with self._transactions.write() as work:
            here = open_cases(filters, work.now, **part)
            rows = queue_rows(work, work.rows(query.where(*here)))
            shown = [row.case.id for row in rows]
            work.note("queue.read", clinic=clinic, by=by, cases=shown)
        return rows

    def counts(self, *, clinic: str) -> dict[Lane, int]:
        """Return how many open cases stand in each lane; their sum is every open case."""
        with self._transactions.read() as work:
            return lane_counts(work, clinic)

    def version(self, *, clinic: str) -> str:
        """Return a token that changes whenever the queue does."""
        versions = tables.queue_versions
        query = select(versions.c.version).where(versions.c.clinic == clinic)
        with self._transactions.read() as work:
            return str(work.number(query))

    def get(self, case_id: str, *, clinic: str, by: str) -> CaseFile:
        """Return everything about one case; raise NotFound."""
        with self._transactions.write() as work:
            file = case_file(work, case_row(work, case_id, clinic))
            work.note("case.read", clinic=clinic, by=by, cases=(case_id,))
        return file

    def asked_portal(self, case_id: str, *, clinic: str, by: str) -> None:
        """Note that somebody looks up in the portal whom a case is about; raise NotFound."""
        with self._transactions.write() as work:
            case_row(work, case_id, clinic)
            work.note("portal.read", clinic=clinic, by=by, cases=(case_id,))

    def claim(self, case_id: str, *, clinic: str, by: str, now: datetime) -> None:
        """Take an open case; raise AlreadyClaimed while somebody else's claim holds."""
        cases = tables.cases
        free = or_(
            cases.c.claimed_by.is_(None),
            cases.c.claimed_by == by,
            cases.c.claimed_at <= now - CLAIM_HOLDS,
            # Taken before the clock was set back.
            cases.c.claimed_at >= now + CLAIM_HOLDS,
        )
        with self._transactions.write() as work:
            taken = work.run(
                update(cases)
                .where(*here(case_id, clinic), cases.c.state == CaseState.OPEN.value, free)
                .values(claimed_by=by, claimed_at=now)
            )
            if taken != 1:
                case_row(work, case_id, clinic)
                raise AlreadyClaimed(case_id)
            changed(work, "case.claimed", case_id, clinic, by)

    def take_over(
        self, case_id: str, *, clinic: str, by: str, now: datetime, reason: Protected = NOTHING
    ) -> None:
        """Take an open case whoever has it, who is told the reason. Raises NotFound."""
        with self._transactions.write() as work:
            case = open_row(work, case_id, clinic)
            set_case(work, case_id, clinic, claimed_by=by, claimed_at=now)
            earlier = case.claimed_by or ""
            if reason:
                told, kind = {earlier} - {""}, NoteKind.TAKEN_OVER
                write_note(work, case_id, reason, kind=kind, clinic=clinic, by=by, told=told)
            changed(work, "case.taken_over", case_id, clinic, by, earlier=earlier)

    def release(self, case_id: str, *, clinic: str, by: str) -> None:
        """Give a case back to the queue, whoever had it; the audit keeps who."""
        with self._transactions.write() as work:
            case = case_row(work, case_id, clinic, lock=True)
            set_case(work, case_id, clinic, claimed_by=None, claimed_at=None)
            earlier = case.claimed_by or ""
            changed(work, "case.released", case_id, clinic, by, earlier=earlier)

    def reroute(
        self,
        case_id: str,
        label: Label,
        *,
        clinic: str,
        by: str,
        score: int,
        lane: Lane,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Sort a case as a person says and keep the label; requests follow the new routes.

        What the case asked for stays in `also` where only its urgency changes.
        `seen`, here and below, is the id of the newest message the person was shown, and `was` the
        case as it was shown (`CaseFile.was`): a decision taken before another message joined, or
        before a colleague sorted, linked or closed it, raises ChangedUnderneath.
        """
        with self._transactions.write() as work:
            case = open_row(work, case_id, clinic, seen=seen)
            still_sorted(case, was)
            states = reply_states(work, [case_id])[case_id]
            away = bool(states) and states[-1] in _NOT_ARRIVED
            act = must_act_if_it_rises(work, case, label.urgency, work.now)
            place = {"route": label.route.value, "home_lane": lane.value} | act
            keep_need(work, case_id, clinic)
            asked = follow(work, case, label, clinic=clinic, by=by)
            set_case(
                work,
                case_id,
                clinic,
                route=label.route.value,
                also=records.listed(asked - {label.route}),
                urgency=int(label.urgency),
                score=score,
                lane=(Lane.OUTGOING if away and lane is not Lane.URGENT else lane).value,
                home_lane=lane.value,
                abstained=False,
                **placed_again(work, case, **place, urgency=int(label.urgency)),
                **act,
            )
            keep_need(work, case_id, clinic)
            write_label(work, label)
            changed(work, "case.rerouted", case_id, clinic, by, label=label.id)

    def link(
        self,
        case_id: str,
        *,
        clinic: str,
        by: str,
        patient_id: str,
        contact_id: str,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Say whose case it is; its messages and thread follow. Raises as `name_patient` does."""
        who = {"patient_id": patient_id, "contact_id": contact_id}
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            case = open_row(work, case_id, clinic, seen=seen)
            still_linked(work, case, was)
            name_patient(work, case, **who, by=by)

    def unlink(
        self,
        case_id: str,
        reason: Protected,
        *,
        clinic: str,
        by: str,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Say that a case is not its patient's; nobody is known to have written it from now on.

        Raises as `name_nobody` does.
        """
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            case = open_row(work, case_id, clinic, seen=seen)
            still_linked(work, case, was)
            name_nobody(work, case, reason, by=by)

    def own_case(
        self,
        case_id: str,
        message_id: str,
        reason: Protected,
        *,
        clinic: str,
        by: str,
        seen: str | None = None,
        was: str | None = None,
    ) -> None:
        """Have a message filed in a case of its own, too. Raises as `give_own_case` does."""
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            case = open_row(work, case_id, clinic, seen=seen)
            still_linked(work, case, was)
            give_own_case(work, case, message_id, reason, by=by)

    def tick(
        self, case_id: str, request_id: str, *, clinic: str, by: str, seen: str | None = None
    ) -> None:
        """Mark one request as done; raise NotFound."""
        table = tables.requests
        here = (
            table.c.clinic == clinic,
            table.c.case_id == case_id,
            table.c.id == request_id,
        )
        with self._transactions.write() as work:
            open_row(work, case_id, clinic, seen=seen)
            values = {"done": True, "done_by": by, "done_at": work.now}
            if work.run(update(table).where(*here).values(**values)) != 1:
                raise NotFound(f"request {request_id}")
            changed(work, "request.done", case_id, clinic, by, request=request_id)

    def close(
        self,
        case_id: str,
        outcome: str,
        note: Protected,
        *,
        clinic: str,
        by: str,
        seen: str | None = None,
        was: str | None = None,
        all_done: bool = False,
        within: Within | None = None,
    ) -> None:
        """Close a case; raise OpenRequest while a request is open and not `all_done`."""
        asked = tables.requests
        undone = select(asked.c.id).where(asked.c.case_id == case_id, asked.c.done.is_(False))
        with self._transactions.write() as work:
            # The same lock as filing: a message may not join a case while it is being closed.
            work.lock(f"filing {clinic}")
            case = open_row(work, case_id, clinic, seen=seen)
            still_sorted(case, was)
            if within is not None:
                within(work)
            if all_done:
                tick_all(work, case_id, clinic=clinic, by=by)
            if work.first(undone) is not None:
                raise OpenRequest(case_id)
            sealed = work.seal(tables.cases, case_id, under=of_case(case_id), note=note)
            set_case(
                work,
                case_id,
                clinic,
                state=CaseState.CLOSED.value,
                outcome=outcome,
                closed_at=work.now,
                claimed_by=None,
                claimed_at=None,
                **closes(work, case, outcome, by),
                **sealed,
            )
            changed(work, "case.closed", case_id, clinic, by, outcome=outcome)

    def open_again(self, case_id: str, why: Protected, *, clinic: str, by: str) -> None:
        """Open a closed case and take it. Raises NotFound, Erased, ChangedUnderneath."""
        with self._transactions.write() as work:
            work.lock(f"filing {clinic}")
            open_again(work, case_id, clinic, why, by)

    def attachment(self, case_id: str, attachment_id: str, *, clinic: str, by: str) -> Attachment:
        """Return one file with its bytes; raise NotFound."""
        files, messages = tables.attachments, tables.messages
        query = (
            select(files)
            .join(messages, messages.c.id == files.c.message_id)
            .where(
                files.c.clinic == clinic,
                files.c.id == attachment_id,
                messages.c.case_id == case_id,
            )
        )
        with self._transactions.write() as work:
            row = work.one(query, f"attachment {attachment_id}")
            detail = {"attachment": attachment_id}
            work.note("attachment.read", clinic=clinic, by=by, cases=(case_id,), detail=detail)
            name = work.vault.text(row.name, row.id)
            return Attachment(name, row.media_type, work.vault.open(row.content, row.id))

    def original(
        self, message_id: str, *, clinic: str, by: str, case_id: str | None = None
    ) -> RawMessage:
        """Return the bytes of a filed message, of this case if one is given; raise NotFound."""
        table = tables.messages
        query = select(table.c.raw_id, table.c.case_id).where(
            table.c.clinic == clinic, table.c.id == message_id
        )
        if case_id is not None:
            query = query.where(table.c.case_id == case_id)
        with self._transactions.write() as work:
            row = work.one(query, f"message {message_id}")
            detail = {"message": message_id}
            work.note("original.read", clinic=clinic, by=by, cases=(row.case_id,), detail=detail)
            return open_raw(work, row.raw_id, clinic)

    def mark(
        self, case_id: str, mark: Mark, *, clinic: str, by: str, seen: str | None = None
    ) -> None:
        """Put a sign on a case; one that a machine puts on a closed case opens it again."""
        with self._transactions.write() as work:
            if mark is Mark.BY_PERSON:
                case = open_row(work, case_id, clinic, seen=seen)
            else:
                case = case_row(work, case_id, clinic, lock=True, seen=seen)
            marks = records.marks(case.marks) | {mark}
            set_case(
                work,
                case_id,
                clinic,
                marks=records.listed(marks),
                state=CaseState.OPEN.value,
                closed_at=None,
                **(must_act(work, case, case.urgency, work.now) if case.closed_at else {}),
            )
            changed(work, "case.marked", case_id, clinic, by, mark=mark.value)

    def history(self, case_id: str, *, clinic: str, by: str) -> tuple[AuditEvent, ...]:
        """Return everything that ever happened to a case, oldest first; raise NotFound."""
        audit, named = tables.audit, tables.audit_cases
        query = (
            select(audit)
            .join(named, named.c.seq == audit.c.seq)
            .where(audit.c.clinic == clinic, named.c.case_id == case_id)
            .order_by(audit.c.seq)
        )
        with self._transactions.write() as work:
            work.one(select(tables.cases.c.id).where(*here(case_id, clinic)), f"case {case_id}")
            found = tuple(records.event(row) for row in work.rows(query))
            work.note("history.read", clinic=clinic, by=by, cases=(case_id,))
        return found
