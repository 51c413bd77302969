"""Finds cases, open and closed, by words of their messages and marks of their patients.

Rule of the room: no word is ever compared in the open; a page reads a bounded number of index
entries, newest case first, however many cases there are; who was shown is in the audit, what was
asked is not.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
)

from triage.domain import CaseRow, CaseState, Channel, Filters, Hits, Wanted
from triage.store import records, tables
from triage.store.casefile import queue_rows
from triage.store.filters import filtered
from triage.store.planning import among, unindexed
from triage.store.search_index import (
    address_token,
    index_case,
    index_patient,
    made_with,
    number_at,
    token,
)
from triage.store.search_words import Term, terms_of
from triage.store.transaction import Transactions, Work

#: Cases looked at in one step, and steps taken for one page at most.
STEP, STEPS = 500, 10
#: A name of more patients than this is asked of each case; fewer lead to their cases.
MANY = 200
#: Cases indexed in one transaction.
_BATCH = 100
Watch = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Sought:
    """A term as tokens, and to how many cases its rarest word leads, STEP at most."""

    words: tuple[bytes, ...]
    people: tuple[bytes, ...]
    addresses: tuple[bytes, ...]
    rarest: int


class Searches:
    """The index of cases and patients."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        #: Clinics of which every case was seen to be in the index; new ones always are.
        self._whole: set[str] = set()

    def find(
        self, wanted: Wanted, *, clinic: str, by: str, before: int | None = None, limit: int = 50
    ) -> Hits:
        """Return the newest cases that fit, from `before` backwards; audited with those shown."""
        typed = wanted.words.reveal()
        terms = terms_of(typed)
        wordless = bool(typed.strip()) and not terms
        with self._transactions.write() as work:
            look = Look(work, clinic, [_sought(work, clinic, term) for term in terms], wanted)
            rows, further = ([], None) if wordless else look.page(before, limit)
            lines = queue_rows(work, rows)
            shown = [line.case.id for line in lines]
            detail = {"count": str(len(shown))}
            work.note("search.read", clinic=clinic, by=by, cases=shown, detail=detail)
            partly = self._partly(work, clinic)
        return Hits(tuple(lines), further, partly, wordless)

    def lines(self, cases: Sequence[str], *, clinic: str, by: str) -> dict[str, CaseRow]:
        """Return case id -> its line, as far as they live in this clinic; audited."""
        table = tables.cases
        mine = (table.c.clinic == clinic, table.c.id.in_(cases), table.c.erased_at.is_(None))
        with self._transactions.write() as work:
            found = {
                line.case.id: line
                for line in queue_rows(work, work.rows(select(table).where(*mine)))
            }
            work.note("chain.read", clinic=clinic, by=by, cases=list(found))
        return found

    def catch_up(self, *, by: str, watch: Watch = lambda _done: None) -> int:
        """Index every case and patient that is not, by today's rules and key; return how many.

        Run as the owner of the tables, after a migration; what is done stays done after a kill.
        """
        count, last = self._patients(by, watch), ""
        while True:
            with self._transactions.write() as work:
                work.warm("case")
                rows = work.rows(_missing(work).where(tables.cases.c.id > last).limit(_BATCH))
                for clinic in sorted({row.clinic for row in rows}):
                    # Filing gives numbers and joins messages under the same lock.
                    work.lock(f"filing {clinic}")
                    mine = [row.id for row in rows if row.clinic == clinic]
                    for case_id in mine:
                        index_case(work, case_id)
                    work.note("search.indexed", clinic=clinic, by=by, cases=mine)
            if not rows:
                return count
            count, last = count + len(rows), rows[-1].id
            watch(len(rows))

    def _patients(self, by: str, watch: Watch) -> int:
        table, last, count = tables.patients, "", 0
        living = select(table).where(table.c.erased_at.is_(None)).order_by(table.c.id)
        while True:
            with self._transactions.write() as work:
                work.warm("patient")
                rows = work.rows(living.where(table.c.id > last).limit(_BATCH))
                for row in rows:
                    index_patient(work, records.patient(row, work.vault))
                for clinic in sorted({row.clinic for row in rows}):
                    names = " ".join(row.id for row in rows if row.clinic == clinic)
                    detail = {"patients": names}
                    work.note("search.indexed", clinic=clinic, by=by, detail=detail)
            if not rows:
                return count
            count, last = count + len(rows), rows[-1].id
            watch(len(rows))

    def waiting(self) -> int:
        """Return how many cases and patients `catch_up` has before it."""
        patients = tables.patients
        living = select(patients.c.id).where(patients.c.erased_at.is_(None))
        with self._transactions.read() as work:
            waiting = (_missing(work), living)
            return sum(
                work.number(select(func.count()).select_from(query.subquery())) for query in waiting
            )

    def _partly(self, work: Work, clinic: str) -> bool:
        if clinic in self._whole:
            return False
        if work.first(_missing(work).where(tables.cases.c.clinic == clinic)) is not None:
            return True
        self._whole.add(clinic)
        return False


class Look:
    """One search on its way through the index; `wanted` narrows down what the terms find."""

    def __init__(self, work: Work, clinic: str, terms: Sequence[Sought], wanted: Wanted) -> None:
        self._work, self._clinic, self._terms = work, clinic, terms
        self._filters, self._patient = _filters(work, wanted), wanted.patient
        self._floor: int | None = None
        if wanted.days is not None:
            self._floor = number_at(work.now - timedelta(days=wanted.days))
        weighed = [(weight, term) for term in terms if (weight := self._weight(term)) is not None]
        #: The rarest term leads; where none can, every case is looked at.
        self._leader = min(weighed, key=lambda pair: pair[0])[1] if weighed else None

    def page(self, before: int | None, limit: int) -> tuple[list[Row[Any]], int | None]:
        """Return rows of cases, newest first, and where the next page goes on."""
        if not self._terms:
            return self._unsearched(before, limit)
        found: list[Row[Any]] = []
        for _ in range(STEPS):
            numbers = self._candidates(before)
            kept = self._fitting(numbers)
            if kept:
                query = cases_query(self._clinic, self._filters)
                table = tables.search_cases
                query = query.where(among(table.c.number, kept)).order_by(table.c.number.desc())
                found += self._work.rows(query.limit(limit + 1 - len(found)))
            if len(found) > limit:
                return found[:limit], found[limit - 1].number
            if len(numbers) < STEP:
                return found, None
            before = numbers[-1]
        return found, before

    def _unsearched(self, before: int | None, limit: int) -> tuple[list[Row[Any]], int | None]:
        """Return what the filters alone let through, in one query over as many cases."""
        table = tables.search_cases
        if self._patient is not None:
            # A patient leads to all of their cases; there are never too many of them.
            query = cases_query(self._clinic, self._filters, few=True)
            query = self._within(query, table, before)
            found = self._work.rows(query.limit(limit + 1))
            return found[:limit], found[limit - 1].number if len(found) > limit else None
        window = self._within(all_query(self._clinic), table, before)
        last = self._work.first(window.offset(STEP * STEPS - 1))
        query = self._within(cases_query(self._clinic, self._filters), table, before)
        if last is not None:
            query = query.where(table.c.number >= last.number)
        found = self._work.rows(query.limit(limit + 1))
        if len(found) > limit:
            return found[:limit], found[limit - 1].number
        return found, None if last is None else int(last.number)

    def _weight(self, term: Sought) -> int | None:
        """Return about how many cases a term leads to; None when it is no way to find them."""
        query = people_query(self._clinic, term.people)
        people = _count(self._work, query, MANY + 1) if term.people else 0
        return None if people > MANY else people + term.rarest

    def _candidates(self, before: int | None) -> list[int]:
        """Return the newest numbers that the leader leads to, at most STEP."""
        if self._leader is None:
            return self._newest(all_query(self._clinic), tables.search_cases, before)
        found = set[int]()
        ways = [*self._leader.words[:1], *self._leader.addresses]
        for one in ways:
            query = tokens_query(self._clinic, one)
            found.update(self._newest(query, tables.search_tokens, before))
        if self._leader.people:
            query = cases_of_people(self._clinic, self._leader.people)
            found.update(self._newest(query, tables.search_cases, before))
        return sorted(found, reverse=True)[:STEP]

    def _newest(self, query: Select[Any], table: Any, before: int | None) -> list[int]:
        rows = self._work.rows(self._within(query, table, before).limit(STEP))
        return [int(row.number) for row in rows]

    def _within(self, query: Select[Any], table: Any, before: int | None) -> Select[Any]:
        """Begin where the last page ended, end where the cases are too old, newest first."""
        if before is not None:
            query = query.where(table.c.number < before)
        if self._floor is not None:
            query = query.where(table.c.number >= self._floor)
        return query.order_by(table.c.number.desc())

    def _fitting(self, numbers: Sequence[int]) -> list[int]:
        """Return which of these cases fit every term."""
        kept = set(numbers)
        for term in self._terms:
            if not kept:
                break
            # What the leader led to by one word fits it already.
            if term is self._leader and len(term.words) < 2:
                continue
            kept = self._fit(term, kept)
        return sorted(kept, reverse=True)

    def _fit(self, term: Sought, numbers: set[int]) -> set[int]:
        spoken = set(numbers) if term.words else set()
        for one in term.words:
            spoken &= self._those(tokens_query(self._clinic, one), tables.search_tokens, spoken)
        for one in term.addresses:
            spoken |= self._those(tokens_query(self._clinic, one), tables.search_tokens, numbers)
        if term.people and spoken != numbers:
            query = of_people(self._clinic, term.people)
            spoken |= self._those(query, tables.search_cases, numbers - spoken)
        return spoken

    def _those(self, query: Select[Any], table: Any, numbers: Iterable[int]) -> set[int]:
        rows = self._work.rows(query.where(among(table.c.number, numbers)))
        return {int(row.number) for row in rows}


def tokens_query(clinic: str, one: bytes) -> Select[Any]:
    """Find the numbers of cases that have a token."""
    table = tables.search_tokens
    return select(table.c.number).where(table.c.clinic == clinic, table.c.token == one)


def all_query(clinic: str) -> Select[Any]:
    """Find the numbers of all cases."""
    table = tables.search_cases
    return select(table.c.number).where(table.c.clinic == clinic)


def people_query(clinic: str, people: Sequence[bytes]) -> Select[Any]:
    """Find the patients that have one of these tokens."""
    table = tables.search_patients
    mine = (table.c.clinic == clinic, table.c.token.in_(people))
    return select(table.c.patient_id).where(*mine)


def cases_of_people(clinic: str, people: Sequence[bytes]) -> Select[Any]:
    """Find the numbers of all cases of a few patients, from the patients on."""
    known, cases = tables.search_cases, tables.cases
    of_them = cases.c.patient_id.in_(people_query(clinic, people))
    query = select(known.c.number).join(cases, cases.c.id == known.c.id)
    # The numbers of a whole clinic in their order are no way to a few patients' cases.
    return query.where(unindexed(known.c.clinic) == clinic, cases.c.clinic == clinic, of_them)


def of_people(clinic: str, people: Sequence[bytes]) -> Select[Any]:
    """Find which cases are these patients', from the cases on."""
    known, cases, table = tables.search_cases, tables.cases, tables.search_patients
    theirs = (
        select(literal(1))
        .where(
            table.c.clinic == clinic,
            table.c.token.in_(people),
            table.c.patient_id == cases.c.patient_id,
        )
        .correlate(cases)
        .exists()
    )
    query = select(known.c.number).join(cases, cases.c.id == known.c.id)
    return query.where(known.c.clinic == clinic, theirs)


def cases_query(
    clinic: str, filters: Sequence[ColumnElement[bool]], *, few: bool = False
) -> Select[Any]:
    """Read cases as far as the filters let them through; `few` when they leave few by an index."""
    known, cases = tables.search_cases, tables.cases
    query = select(cases, known.c.number).join(known, known.c.id == cases.c.id)
    living = (cases.c.clinic == clinic, cases.c.erased_at.is_(None))
    of_clinic = unindexed(known.c.clinic) if few else known.c.clinic
    return query.where(of_clinic == clinic, *living, *filters)


def _sought(work: Work, clinic: str, term: Term) -> Sought:
    vault = work.vault
    words = [token(vault, clinic, word) for word in term.words]
    counted = sorted((_count(work, tokens_query(clinic, one), STEP), one) for one in words)
    return Sought(
        # The rarest word of a term leads.
        tuple(one for _, one in counted),
        tuple(token(vault, clinic, mark) for mark in term.people),
        tuple(address_token(vault, clinic, channel, term.address) for channel in Channel)
        if term.address
        else (),
        min((count for count, _ in counted), default=0),
    )


def _count(work: Work, query: Select[Any], limit: int) -> int:
    short = query.limit(limit).subquery()
    return work.number(select(func.count()).select_from(short))


def _filters(work: Work, wanted: Wanted) -> list[ColumnElement[bool]]:
    cases, found = tables.cases, list[ColumnElement[bool]]()
    if wanted.state is not None:
        found.append(cases.c.state == wanted.state.value)
    if wanted.lane is not None:
        in_lane = and_(cases.c.lane == wanted.lane.value, cases.c.state == CaseState.OPEN.value)
        found.append(in_lane)
    if wanted.patient is not None:
        found.append(cases.c.patient_id == wanted.patient)
    # How old is asked of the index itself, by `Look`.
    asked = Filters(wanted.route, wanted.urgency, wanted.channel, None, wanted.held_by)
    return found + filtered(asked, work.now)


def _missing(work: Work) -> Select[Any]:
    """Find living cases without tokens, or with tokens of earlier rules or another key."""
    cases, known = tables.cases, tables.search_cases
    query = select(cases.c.id, cases.c.clinic).outerjoin(known, known.c.id == cases.c.id)
    today = known.c.made_with == made_with(work.vault)
    return query.where(cases.c.erased_at.is_(None), or_(known.c.id.is_(None), ~today)).order_by(
        cases.c.id
    )
