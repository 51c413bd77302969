"""What colleagues know of one case, who else looks at it, and who asks for an approval.

Rule of the room: who has a page open is ids and moments, gone after an hour; what they wrote is
read with its audit row in the same transaction.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from triage.domain import Ask, CaseRow, Draft, NoteKind, Protected, Together
from triage.errors import ChangedUnderneath, NotFound
from triage.store import records, tables
from triage.store.beside import beside_of
from triage.store.casefile import queue_rows
from triage.store.claims import let_go
from triage.store.drafts import open_draft
from triage.store.notes import here_or_raise, notes_of, write_note
from triage.store.second import standing
from triage.store.transaction import Transactions, Work

#: Who asked for the page within this time is there.
HERE = timedelta(minutes=1)
_FORGOTTEN = timedelta(hours=1)


class Colleagues:
    """The other people around a case."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def about(self, case_id: str, *, clinic: str, by: str, now: datetime) -> Together:
        """Return what colleagues know of a case, and say that `by` looks at it; audited."""
        with self._transactions.write() as work:
            here_or_raise(work, case_id, clinic)
            _look(work, case_id, clinic, by, now)
            row = work.first(open_draft(case_id, clinic))
            draft = records.draft(row, work.vault) if row is not None else None
            due, first = standing(work, draft, case_id, clinic, by)
            work.note("notes.read", clinic=clinic, by=by, cases=(case_id,))
            return Together(
                notes=tuple(notes_of(work, [case_id])),
                beside=beside_of(work, [case_id])[case_id],
                here=_others(work, case_id, by, now),
                ask=_ask(work, case_id, draft),
                needs_two=due,
                first=first,
            )

    def here(self, case_id: str, *, clinic: str, by: str, now: datetime) -> tuple[str, ...]:
        """Say that `by` still looks at a case; return the ids of the others who do."""
        with self._transactions.write() as work:
            here_or_raise(work, case_id, clinic)
            _look(work, case_id, clinic, by, now)
            return _others(work, case_id, by, now)

    def ask(self, case_id: str, words: Protected, *, clinic: str, by: str) -> None:
        """Put the saved words of a case on the approvers' list; raise ChangedUnderneath.

        A claim of who asks ends: it would keep the approver out.
        """
        table = tables.asks
        with self._transactions.write() as work:
            here_or_raise(work, case_id, clinic)
            row = work.first(open_draft(case_id, clinic))
            if row is None:
                raise ChangedUnderneath("There are no saved words to approve.")
            work.run(delete(table).where(table.c.case_id == case_id))
            asked = {"case_id": case_id, "draft_id": row.id, "by_user": by, "at": work.now}
            work.add(table, clinic=clinic, **asked)
            if words:
                kind = NoteKind.ASKED
                write_note(work, case_id, words, kind=kind, clinic=clinic, by=by)
            let_go(work, case_id, clinic=clinic, by=by)
            work.note("approval.asked", clinic=clinic, by=by, cases=(case_id,))
            work.moved(clinic)

    def give_back(self, case_id: str, words: Protected, *, clinic: str, by: str) -> None:
        """Take asked-for words off the approvers' list with a remark for who wrote them."""
        table, drafts = tables.asks, tables.drafts
        with self._transactions.write() as work:
            here_or_raise(work, case_id, clinic)
            row = work.first(select(table).where(table.c.case_id == case_id))
            author = work.first(
                select(drafts.c.author).where(
                    drafts.c.case_id == case_id, drafts.c.reply_id.is_(None)
                )
            )
            if row is None and author is None:
                raise NotFound("saved words")
            work.run(delete(table).where(table.c.case_id == case_id))
            told = {row.by_user} if row is not None else {author.author} if author else set()
            write_note(
                work, case_id, words, kind=NoteKind.REMARK, clinic=clinic, by=by, told=told - {by}
            )
            work.note("approval.returned", clinic=clinic, by=by, cases=(case_id,))
            work.moved(clinic)

    def asked(self, *, clinic: str, by: str) -> list[tuple[Ask, CaseRow]]:
        """Return the words somebody asks to have approved, longest waiting first; audited."""
        table, cases, drafts = tables.asks, tables.cases, tables.drafts
        query = (
            select(table)
            .join(cases, cases.c.id == table.c.case_id)
            .join(drafts, (drafts.c.case_id == cases.c.id) & drafts.c.reply_id.is_(None))
            .where(
                table.c.clinic == clinic,
                cases.c.state == "open",
                drafts.c.id == table.c.draft_id,
                drafts.c.edited_at <= table.c.at,
            )
            .order_by(table.c.at, table.c.case_id)
        )
        with self._transactions.write() as work:
            found = work.rows(query)
            ids = [row.case_id for row in found]
            lines = queue_rows(work, work.rows(select(cases).where(cases.c.id.in_(ids))))
            by_id = {line.case.id: line for line in lines}
            work.note("asks.read", clinic=clinic, by=by, cases=ids)
        return [(Ask(row.case_id, row.by_user, row.at), by_id[row.case_id]) for row in found]


def _look(work: Work, case_id: str, clinic: str, by: str, now: datetime) -> None:
    table = tables.presence
    work.lock(f"here {case_id}")
    work.run(delete(table).where(table.c.case_id == case_id, table.c.seen_at < now - _FORGOTTEN))
    mine = (table.c.case_id == case_id, table.c.user_id == by)
    if not work.run(update(table).where(*mine).values(seen_at=now)):
        work.add(table, case_id=case_id, user_id=by, clinic=clinic, seen_at=now)


def _others(work: Work, case_id: str, by: str, now: datetime) -> tuple[str, ...]:
    table = tables.presence
    query = select(table.c.user_id).where(
        table.c.case_id == case_id, table.c.user_id != by, table.c.seen_at > now - HERE
    )
    return tuple(row.user_id for row in work.rows(query.order_by(table.c.user_id)))


def _ask(work: Work, case_id: str, draft: Draft | None) -> Ask | None:
    """Return who asks for an approval of the words as they are saved now."""
    row = work.first(select(tables.asks).where(tables.asks.c.case_id == case_id))
    if row is None or draft is None or row.draft_id != draft.id or row.at < draft.edited_at:
        return None
    return Ask(case_id, row.by_user, row.at)
