"""The day's requests for another appointment, picked by words of their messages.

Rule of the room: a bounded number of open cases is opened, those that fit are shown, and the
audit names them.
"""

from typing import Any

from sqlalchemy import Row, String, and_, cast, exists, or_, select

from triage.domain import CaseRow, CaseState, Lane, Protected, Route, Urgency
from triage.store import tables
from triage.store.casefile import queue_rows
from triage.store.transaction import Transactions, Work

#: So many open cases are looked at, newest first.
LOOKED_AT = 500


class Picks:
    """Cases for one job done many times."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def reschedules(
        self, words: Protected, *, clinic: str, by: str, limit: int
    ) -> tuple[list[CaseRow], int, dict[str, str]]:
        """Return open calm cases about another appointment whose messages hold every word.

        At most `limit` of them, those of a known patient first, and how many more there are; then
        case id -> the language of whoever is answered there, where that is known. One in which
        somebody saved words is at work already and would come up at every go.
        """
        cases, drafts = tables.cases, tables.drafts
        begun = exists().where(drafts.c.case_id == cases.c.id, drafts.c.reply_id.is_(None))
        also = cast(cases.c.also, String).like(f'%"{Route.RESCHEDULE.value}"%')
        query = (
            select(cases)
            .where(
                cases.c.clinic == clinic,
                cases.c.state == CaseState.OPEN.value,
                cases.c.urgency == int(Urgency.ROUTINE),
                cases.c.lane.in_([Lane.SORTED.value, Lane.UNSORTED.value]),
                or_(cases.c.route == Route.RESCHEDULE.value, also),
                ~begun,
            )
            .order_by(cases.c.last_message_at.desc(), cases.c.id)
            .limit(LOOKED_AT)
        )
        wanted = words.reveal().casefold().split()
        with self._transactions.write() as work:
            rows = work.rows(query)
            fits = [row for row in rows if _holds(work, row, wanted)]
            fits.sort(key=lambda row: row.patient_id is None)
            lines = queue_rows(work, fits[:limit])
            shown = [line.case.id for line in lines]
            languages = _languages(work, shown)
            work.note("queue.picked", clinic=clinic, by=by, cases=shown)
        return lines, len(fits) - len(lines), languages

    def next_draft(self, *, clinic: str, by: str, after: str = "") -> str | None:
        """Return a case whose saved words wait for this person, who wrote them; ids only.

        `after` is the case the walk is at. It goes by when a case was opened, which no saving
        moves, so that it comes to each case once. Words this person has approved as the first of
        two wait for somebody else.
        """
        drafts, cases, said = tables.drafts, tables.cases, tables.first_approvals
        approved = exists().where(
            said.c.reply_id == drafts.c.id,
            said.c.approver == by,
            said.c.approved_at >= drafts.c.edited_at,
        )
        at = select(cases.c.opened_at).where(cases.c.clinic == clinic, cases.c.id == after)
        query = (
            select(cases.c.id)
            .join(drafts, drafts.c.case_id == cases.c.id)
            .where(
                drafts.c.clinic == clinic,
                drafts.c.author == by,
                drafts.c.reply_id.is_(None),
                cases.c.state == CaseState.OPEN.value,
                cases.c.claimed_by == by,
                ~approved,
            )
            .order_by(cases.c.opened_at, cases.c.id)
        )
        with self._transactions.read() as work:
            if (here := work.first(at)) is not None:
                later = cases.c.opened_at > here.opened_at
                same = and_(cases.c.opened_at == here.opened_at, cases.c.id > after)
                query = query.where(or_(later, same))
            row = work.first(query)
        return None if row is None else str(row.id)


def _languages(work: Work, shown: list[str]) -> dict[str, str]:
    cases, contacts = tables.cases, tables.contacts
    query = (
        select(cases.c.id, contacts.c.language)
        .join(contacts, contacts.c.id == cases.c.contact_id)
        .where(cases.c.id.in_(shown))
    )
    return {str(row.id): str(row.language) for row in work.rows(query)}


def _holds(work: Work, row: Row[Any], wanted: list[str]) -> bool:
    if not wanted:
        return True
    table = tables.messages
    query = select(table.c.id, table.c.subject, table.c.body).where(table.c.case_id == row.id)
    said = " ".join(
        work.vault.text(text, found.id).reveal()
        for found in work.rows(query)
        for text in (found.subject, found.body)
    ).casefold()
    return all(word in said for word in wanted)
