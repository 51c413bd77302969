"""Notes among colleagues: written once, sealed under the case's key, read on the desk only.

Rule of the room: nothing that drafts, approves or sends knows this module; a wall in
`tests/test_notes_wall.py` holds that.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from triage.domain import CaseRow, Mention, Note, NoteKind, Protected, new_id
from triage.errors import Erased, NotFound
from triage.store import tables
from triage.store.casefile import queue_rows
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work

#: An `@` that begins a word; the name behind it is compared with the staff's.
_AT = re.compile(r"(?<![\w.@-])@([a-z0-9][a-z0-9._@-]*)", re.IGNORECASE)


class Notes:
    """What colleagues wrote for one another, and who is named in it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def write(
        self,
        case_id: str,
        words: Protected,
        *,
        kind: NoteKind = NoteKind.NOTE,
        told: Iterable[str] = (),
        clinic: str,
        by: str,
    ) -> str:
        """Put a note beside a case and tell whom it names; raise NotFound or Erased."""
        with self._transactions.write() as work:
            here_or_raise(work, case_id, clinic)
            return write_note(work, case_id, words, kind=kind, told=told, clinic=clinic, by=by)

    def for_me(self, *, clinic: str, by: str) -> list[tuple[Mention, CaseRow]]:
        """Return what names this person and was not ticked off, newest first, with its case."""
        notes, mentions, cases = tables.notes, tables.mentions, tables.cases
        query = (
            select(mentions.c.id, mentions.c.note_id, mentions.c.case_id)
            .join(notes, notes.c.id == mentions.c.note_id)
            .join(cases, cases.c.id == mentions.c.case_id)
            .where(
                mentions.c.clinic == clinic,
                mentions.c.user_id == by,
                mentions.c.seen_at.is_(None),
                cases.c.erased_at.is_(None),
            )
            .order_by(notes.c.at.desc(), notes.c.id)
            .limit(200)
        )
        with self._transactions.write() as work:
            found = work.rows(query)
            ids = sorted({row.case_id for row in found})
            rows = work.rows(select(cases).where(cases.c.id.in_(ids)))
            lines = {line.case.id: line for line in queue_rows(work, rows)}
            said = {note.id: note for note in notes_of(work, ids)}
            work.note("notes.read", clinic=clinic, by=by, cases=ids)
        return [(Mention(row.id, said[row.note_id]), lines[row.case_id]) for row in found]

    def unseen(self, *, clinic: str, by: str) -> int:
        """Return how many notes wait for this person."""
        mentions, cases = tables.mentions, tables.cases
        query = (
            select(func.count())
            .select_from(mentions)
            .join(cases, cases.c.id == mentions.c.case_id)
            .where(
                mentions.c.clinic == clinic,
                mentions.c.user_id == by,
                mentions.c.seen_at.is_(None),
                cases.c.erased_at.is_(None),
            )
        )
        with self._transactions.read() as work:
            return work.number(query)

    def tick_off(self, mention_id: str, *, clinic: str, by: str, now: datetime) -> None:
        """Say that the person it names has seen it; raise NotFound for anybody else's."""
        table = tables.mentions
        mine = (table.c.clinic == clinic, table.c.id == mention_id, table.c.user_id == by)
        with self._transactions.write() as work:
            row = work.one(select(table.c.case_id).where(*mine), f"mention {mention_id}")
            work.run(update(table).where(*mine, table.c.seen_at.is_(None)).values(seen_at=now))
            detail = {"mention": mention_id}
            work.note("note.seen", clinic=clinic, by=by, cases=(row.case_id,), detail=detail)


def here_or_raise(work: Work, case_id: str, clinic: str) -> None:
    """Raise NotFound for a case of nobody here, Erased for one that is gone."""
    cases = tables.cases
    query = select(cases.c.erased_at).where(cases.c.clinic == clinic, cases.c.id == case_id)
    if work.one(query, f"case {case_id}").erased_at is not None:
        raise Erased(f"case {case_id}")


def write_note(
    work: Work,
    case_id: str,
    words: Protected,
    *,
    kind: NoteKind,
    clinic: str,
    by: str,
    told: Iterable[str] = (),
    team_id: str | None = None,
) -> str:
    """Write a note in the caller's transaction; return its id. Raises NotFound for a stranger."""
    note_id, table = new_id(), tables.notes
    work.add(
        table,
        id=note_id,
        clinic=clinic,
        case_id=case_id,
        kind=kind.value,
        by_user=by,
        at=work.now,
        team_id=team_id,
        **work.seal(table, note_id, under=of_case(case_id), words=words),
    )
    for user_id in sorted(_named(work, words, told, clinic) - {by}):
        mention = {"id": new_id(), "clinic": clinic, "note_id": note_id}
        work.add(tables.mentions, **mention, case_id=case_id, user_id=user_id)
    detail = {"note": note_id, "kind": kind.value}
    work.note("note.written", clinic=clinic, by=by, cases=(case_id,), detail=detail)
    return note_id


def _named(work: Work, words: Protected, told: Iterable[str], clinic: str) -> set[str]:
    """Return whom a note is for: whom its writer picked, and every @name of the staff in it."""
    users, picked = tables.users, set(told)
    rows = work.rows(select(users).where(users.c.clinic == clinic))
    if not picked <= {row.id for row in rows}:
        raise NotFound("a colleague")
    typed = {found.casefold().rstrip(".-@_") for found in _AT.findall(words.reveal())}
    named = {row.id for row in rows if row.username.casefold() in typed}
    return {row.id for row in rows if row.active and row.id in named | picked}


def notes_of(work: Work, case_ids: Sequence[str]) -> list[Note]:
    """Return the notes beside these cases, oldest first; the caller writes the audit row."""
    notes, mentions = tables.notes, tables.mentions
    query = select(notes).where(notes.c.case_id.in_(case_ids)).order_by(notes.c.at, notes.c.id)
    rows = work.rows(query) if case_ids else []
    told: dict[str, list[str]] = defaultdict(list)
    named = select(mentions.c.note_id, mentions.c.user_id).where(mentions.c.case_id.in_(case_ids))
    for row in work.rows(named.order_by(mentions.c.user_id)) if rows else []:
        told[row.note_id].append(row.user_id)
    return [
        Note(
            id=row.id,
            case_id=row.case_id,
            kind=NoteKind(row.kind),
            words=work.vault.text(row.words, row.id),
            by=row.by_user,
            at=row.at,
            told=tuple(told[row.id]),
            team_id=row.team_id,
        )
        for row in rows
    ]
