"""The list for a time without a machine: what stands on it, and what was done from it.

Rule of the room: a list names every open case there is; an entry is written once, by name, and
never changed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from triage.domain import (
    NOTHING,
    OLDEST_LIST,
    CaseRow,
    CaseState,
    Outage,
    PaperEntry,
    PaperItem,
    PaperList,
    Urgency,
    new_id,
)
from triage.errors import AlreadyEntered, ChangedUnderneath, NotFound
from triage.store import tables
from triage.store.casefile import queue_rows
from triage.store.keyring import of_case
from triage.store.paper_lines import lines_of
from triage.store.transaction import Transactions, Within, Work

#: Cases read at once.
_STEP = 200


class Paper:
    """What people need when nothing works, and what they tell us afterwards."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def now(self, *, clinic: str, by: str) -> PaperList:
        """Return every open case as it goes on paper, in the order of the queue; audited."""
        cases = tables.cases
        query = (
            select(cases)
            .where(cases.c.clinic == clinic, cases.c.state == CaseState.OPEN.value)
            .order_by(cases.c.urgency.desc(), cases.c.score.desc(), cases.c.opened_at, cases.c.id)
        )
        with self._transactions.write() as work:
            found = work.rows(query)
            items = [
                one
                for at in range(0, len(found), _STEP)
                for one in lines_of(work, found[at : at + _STEP])
            ]
            ids = tuple(str(row.id) for row in found)
            for at in range(0, len(ids), _STEP):
                work.note("paper.listed", clinic=clinic, by=by, cases=ids[at : at + _STEP])
            name = work.first(select(tables.clinics.c.name).where(tables.clinics.c.id == clinic))
        content = {
            "clinic": name.name if name else clinic,
            "made_at": work.now.isoformat(timespec="seconds"),
            "items": items,
        }
        counts = [int(str(item["messages"])) for item in items]
        messages = dict(zip(ids, counts, strict=True))
        return PaperList(work.now, ids, content, messages)

    def written(self, made: PaperList, *, clinic: str) -> None:
        """Remember which cases stood on the list that lies on the disk now.

        The list before it is kept when it is so old that people worked from it meanwhile.
        """
        table = tables.paper_lists
        newest = (table.c.clinic == clinic, table.c.until.is_(None))
        with self._transactions.write() as work:
            work.lock(f"paper {clinic}")
            row = work.first(select(table.c.id, table.c.made_at, table.c.cases).where(*newest))
            cases = {case_id: made.messages.get(case_id) for case_id in made.cases}
            fresh = {"made_at": made.made_at, "cases": cases}
            # Nobody can have worked from a list with nothing on it.
            if row is not None and row.cases and made.made_at - row.made_at > OLDEST_LIST:
                _end(work, row.id, made.made_at, clinic=clinic, by="worker")
                row = None
            if row is None:
                work.add(table, id=new_id(), clinic=clinic, **fresh)
            else:
                work.run(update(table).where(table.c.id == row.id).values(**fresh))

    def newest(self, *, clinic: str) -> datetime | None:
        """Return when the list that lies on the disk was made; None before the first."""
        table = tables.paper_lists
        query = select(table.c.made_at).where(table.c.clinic == clinic, table.c.until.is_(None))
        with self._transactions.read() as work:
            row = work.first(query)
        return row.made_at if row else None

    def begin(self, *, clinic: str, by: str, now: datetime) -> None:
        """Say that people worked from the newest list although the machine ran; raise NotFound."""
        table = tables.paper_lists
        newest = select(table.c.id).where(table.c.clinic == clinic, table.c.until.is_(None))
        with self._transactions.write() as work:
            work.lock(f"paper {clinic}")
            _end(work, work.one(newest, "a list").id, now, clinic=clinic, by=by)

    def missing(self, *, clinic: str) -> int:
        """Return how many cases that were on paper nobody has said anything about."""
        with self._transactions.read() as work:
            return sum(map(len, _lacking(work, clinic).values()))

    def begun(self, *, clinic: str) -> bool:
        """Whether somebody has entered a part of a list, and the rest is missing."""
        entries = tables.paper_entries
        with self._transactions.read() as work:
            some = entries.c.list_id.in_(list(_lacking(work, clinic)))
            return work.first(select(entries.c.id).where(some).limit(1)) is not None

    def outages(self, *, clinic: str, by: str, limit: int = 10) -> tuple[Outage, ...]:
        """Return the times on paper, newest first, with every case that stood on each list.

        The newest ones, and each that still lacks an entry however old it is.
        """
        table = tables.paper_lists
        ended = (table.c.clinic == clinic, table.c.until.is_not(None))
        newest = (table.c.until.desc(), table.c.id)
        with self._transactions.write() as work:
            ids = select(table.c.id).where(*ended).order_by(*newest).limit(limit)
            shown = {row.id for row in work.rows(ids)} | _lacking(work, clinic).keys()
            query = select(table).where(*ended, table.c.id.in_(sorted(shown)))
            found = tuple(_outage(work, row) for row in work.rows(query.order_by(*newest)))
            read = sorted({item.case_id for outage in found for item in outage.items})
            work.note("paper.read", clinic=clinic, by=by, cases=read)
        return found

    def check(self, list_id: str, entry: PaperEntry, *, clinic: str) -> None:
        """Raise what `enter` would raise now: NotFound, AlreadyEntered."""
        with self._transactions.read() as work:
            _check(work, list_id, entry, clinic)

    def enter(self, list_id: str, entry: PaperEntry, *, clinic: str) -> None:
        """Keep what was done with one case on paper; raise NotFound, AlreadyEntered."""
        with self._transactions.write() as work:
            _enter(work, list_id, entry, clinic)

    def entering(self, list_id: str, entry: PaperEntry, *, clinic: str) -> Within:
        """Return `enter` as a step of the transaction that closes the case or ends its alarm.

        Raises ChangedUnderneath where a message has joined that did not stand on the list.
        """

        def step(work: Work) -> None:
            _enter(work, list_id, entry, clinic)
            _nothing_joined(work, list_id, entry.case_id)

        return step

    def entry(self, list_id: str, case_id: str, *, clinic: str, by: str) -> PaperEntry | None:
        """Return what somebody entered for one case; None where nobody has."""
        table = tables.paper_entries
        mine = (table.c.clinic == clinic, table.c.list_id == list_id, table.c.case_id == case_id)
        with self._transactions.write() as work:
            row = work.first(select(table).where(*mine))
            if row is None:
                return None
            work.note("paper.read", clinic=clinic, by=by, cases=(case_id,))
            return _entry(work, row)

    def enter_rest(self, list_id: str, outcome: str, *, clinic: str, by: str) -> int:
        """Enter the same for every case of a list that lacks an entry; return how many."""
        lists = tables.paper_lists
        ended = select(lists.c.id).where(
            lists.c.clinic == clinic, lists.c.id == list_id, lists.c.until.is_not(None)
        )
        with self._transactions.write() as work:
            work.lock(f"paper {clinic}")
            work.one(ended, f"list {list_id}")
            rest = _lacking(work, clinic).get(list_id, [])
            for case_id in rest:
                entry = PaperEntry(case_id, by, work.now, outcome, by)
                _write(work, list_id, entry, clinic)
            detail = {"outcome": outcome, "acted_by": by}
            for at in range(0, len(rest), _STEP):
                some = rest[at : at + _STEP]
                work.note("paper.entered", clinic=clinic, by=by, cases=some, detail=detail)
        return len(rest)


def _lacking(work: Work, clinic: str) -> dict[str, list[str]]:
    """Return list -> its cases without an entry, in its order; what was erased needs none."""
    lists, entries, cases = tables.paper_lists, tables.paper_entries, tables.cases
    ended = select(lists.c.id, lists.c.cases).where(
        lists.c.clinic == clinic, lists.c.until.is_not(None)
    )
    told = select(entries.c.list_id, entries.c.case_id).where(entries.c.clinic == clinic)
    known = {(row.list_id, row.case_id) for row in work.rows(told)}
    found = {
        row.id: [one for one in row.cases if (row.id, one) not in known] for row in work.rows(ended)
    }
    ids, gone = sorted({one for rest in found.values() for one in rest}), set[str]()
    for at in range(0, len(ids), _STEP):
        some = cases.c.id.in_(ids[at : at + _STEP])
        erased = select(cases.c.id).where(some, cases.c.erased_at.is_not(None))
        gone |= {row.id for row in work.rows(erased)}
    left = {key: [one for one in rest if one not in gone] for key, rest in found.items()}
    return {key: rest for key, rest in left.items() if rest}


def _check(work: Work, list_id: str, entry: PaperEntry, clinic: str) -> None:
    lists, entries, users = tables.paper_lists, tables.paper_entries, tables.users
    ended = select(lists.c.cases).where(
        lists.c.clinic == clinic, lists.c.id == list_id, lists.c.until.is_not(None)
    )
    told = select(entries.c.id).where(
        entries.c.list_id == list_id, entries.c.case_id == entry.case_id
    )
    who = select(users.c.id).where(users.c.clinic == clinic, users.c.id == entry.acted_by)
    work.one(who, f"user {entry.acted_by}")
    if entry.case_id not in work.one(ended, f"list {list_id}").cases:
        raise NotFound(f"case {entry.case_id}")
    if work.first(told) is not None:
        raise AlreadyEntered(f"case {entry.case_id}")


def _enter(work: Work, list_id: str, entry: PaperEntry, clinic: str) -> None:
    work.lock(f"paper {clinic}")
    _check(work, list_id, entry, clinic)
    _write(work, list_id, entry, clinic)
    detail = {"outcome": entry.outcome, "acted_by": entry.acted_by}
    said = {"clinic": clinic, "by": entry.entered_by}
    work.note("paper.entered", **said, cases=(entry.case_id,), detail=detail)


def _nothing_joined(work: Work, list_id: str, case_id: str) -> None:
    """Raise ChangedUnderneath unless a case, locked by the caller, has what stood on the list.

    Messages are counted, because a machine that comes back may have any time on its clock. Only a
    list that an earlier version wrote does not know the number.
    """
    lists, messages, raws = tables.paper_lists, tables.messages, tables.raw_messages
    made = work.one(select(lists.c.cases, lists.c.made_at).where(lists.c.id == list_id), "a list")
    mine = select(func.count()).select_from(messages).where(messages.c.case_id == case_id)
    known = made.cases[case_id] if isinstance(made.cases, dict) else None
    if known is None:
        late = mine.join(raws, raws.c.id == messages.c.raw_id)
        joined = work.number(late.where(raws.c.filed_at >= made.made_at)) > 0
    else:
        joined = work.number(mine) > known
    if joined:
        raise ChangedUnderneath(
            "Another message has joined since this list was made. Read it first. "
            "Decide in the case itself, then enter this again."
        )


def _write(work: Work, list_id: str, entry: PaperEntry, clinic: str) -> None:
    entries, entry_id = tables.paper_entries, new_id()
    work.add(
        entries,
        id=entry_id,
        clinic=clinic,
        list_id=list_id,
        case_id=entry.case_id,
        acted_by=entry.acted_by,
        acted_at=entry.acted_at,
        outcome=entry.outcome,
        entered_by=entry.entered_by,
        entered_at=work.now,
        **work.seal(entries, entry_id, under=of_case(entry.case_id), note=entry.note),
    )


def _end(work: Work, list_id: str, until: datetime, *, clinic: str, by: str) -> None:
    table = tables.paper_lists
    work.run(update(table).where(table.c.id == list_id).values(until=until))
    work.note("paper.worked_from", clinic=clinic, by=by, detail={"list": list_id})


def _outage(work: Work, row: Row[Any]) -> Outage:
    """Read one time on paper; what was erased since stands on it without words."""
    cases, entries = tables.cases, tables.paper_entries
    told = {
        one.case_id: one for one in work.rows(select(entries).where(entries.c.list_id == row.id))
    }
    ids, items = list(row.cases), []
    for at in range(0, len(ids), _STEP):
        rows = work.rows(select(cases).where(cases.c.id.in_(ids[at : at + _STEP])))
        lines = queue_rows(work, [one for one in rows if one.erased_at is None])
        items += [_item(work, line, told.get(line.case.id)) for line in lines]
    place = {case_id: at for at, case_id in enumerate(ids)}
    items.sort(key=lambda item: (item.entry is not None, place[item.case_id]))
    return Outage(row.id, row.made_at, row.until, tuple(items))


def _item(work: Work, line: CaseRow, told: Row[Any] | None) -> PaperItem:
    return PaperItem(
        case_id=line.case.id,
        patient=line.patient or line.sender,
        subject=line.subject,
        urgency=Urgency(line.case.urgency),
        open=line.case.state is CaseState.OPEN,
        entry=None if told is None else _entry(work, told),
    )


def _entry(work: Work, row: Row[Any]) -> PaperEntry:
    return PaperEntry(
        case_id=row.case_id,
        acted_by=row.acted_by,
        acted_at=row.acted_at,
        outcome=row.outcome,
        entered_by=row.entered_by,
        note=work.vault.text(row.note, row.id) if row.note else NOTHING,
    )
