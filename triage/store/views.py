"""Saved views: parts of the queue under a name, counted by the very conditions that show them.

Rule of the room: a view shows less of the queue and changes nothing; the lanes stay whole.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, String, and_, cast, delete, func, or_, select

from triage.domain import Assigned, CaseState, Filters, Lane, Route, SavedView
from triage.errors import NameTaken, NotFound
from triage.store import records, tables
from triage.store.filters import filtered
from triage.store.transaction import Transactions, Work


class Views:
    """The saved views of a clinic."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self, *, clinic: str) -> list[SavedView]:
        """Return every saved view, by name."""
        table = tables.saved_views
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.name)
        with self._transactions.read() as work:
            return [_read(row) for row in work.rows(query)]

    def put(self, view: SavedView, *, by: str) -> None:
        """Save a view; raise NameTaken, or NotFound for another clinic's team."""
        table, teams = tables.saved_views, tables.teams
        mine = table.c.clinic == view.clinic
        with self._transactions.write() as work:
            work.lock(f"views {view.clinic}")
            if work.first(select(table.c.id).where(mine, table.c.name == view.name)):
                raise NameTaken("a view of this name is there")
            if view.team_id is not None:
                here = (teams.c.clinic == view.clinic, teams.c.id == view.team_id)
                work.one(select(teams.c.id).where(*here), f"team {view.team_id}")
            work.add(
                table,
                id=view.id,
                clinic=view.clinic,
                name=view.name,
                team_id=view.team_id,
                routes=records.listed(view.routes),
                lanes=records.listed(view.lanes),
                assigned=view.assigned.value,
            )
            work.note("view.saved", clinic=view.clinic, by=by, detail={"view": view.id})

    def remove(self, view_id: str, *, clinic: str, by: str) -> None:
        """Forget a view; no case is in it alone. Raises NotFound."""
        table = tables.saved_views
        mine = (table.c.clinic == clinic, table.c.id == view_id)
        with self._transactions.write() as work:
            if not work.run(delete(table).where(*mine)):
                raise NotFound(f"view {view_id}")
            work.note("view.removed", clinic=clinic, by=by, detail={"view": view_id})

    def counts(self, views: Iterable[SavedView], *, clinic: str, by: str) -> dict[str, int]:
        """Return view id -> how many open cases this person sees in it."""
        cases = tables.cases
        here = (cases.c.clinic == clinic, cases.c.state == CaseState.OPEN.value)
        count = select(func.count()).select_from(cases).where(*here)
        with self._transactions.read() as work:
            return {
                view.id: work.number(count.where(narrowed(view, clinic=clinic, by=by)))
                for view in views
            }

    def count(
        self,
        filters: Filters,
        *,
        clinic: str,
        by: str,
        lane: Lane | None = None,
        view: SavedView | None = None,
    ) -> int:
        """Return how many open cases pass filters, in a lane or view or in the whole queue."""
        count = select(func.count()).select_from(tables.cases)
        with self._transactions.read() as work:
            here = open_cases(filters, work.now, clinic=clinic, by=by, lane=lane, view=view)
            return work.number(count.where(*here))

    def my_teams(self, *, clinic: str, by: str) -> frozenset[str]:
        """Return the ids of the teams a person works in."""
        with self._transactions.read() as work:
            return frozenset(row.team_id for row in work.rows(_teams_of(clinic, by)))


def open_cases(
    filters: Filters,
    now: datetime,
    *,
    clinic: str,
    by: str,
    lane: Lane | None,
    view: SavedView | None,
) -> list[ColumnElement[bool]]:
    """Return what an open case must be to be shown, and counted, in a part of the queue."""
    cases = tables.cases
    here = [cases.c.clinic == clinic, cases.c.state == CaseState.OPEN.value]
    if lane is not None:
        here.append(cases.c.lane == lane.value)
    if view is not None:
        here.append(narrowed(view, clinic=clinic, by=by))
    return here + filtered(filters, now)


def lane_counts(work: Work, clinic: str) -> dict[Lane, int]:
    """Return how many open cases stand in each lane."""
    cases = tables.cases
    mine = (cases.c.clinic == clinic, cases.c.state == CaseState.OPEN.value)
    query = select(cases.c.lane, func.count().label("cases")).where(*mine)
    found = {Lane(row.lane): int(row.cases) for row in work.rows(query.group_by(cases.c.lane))}
    return {lane: found.get(lane, 0) for lane in Lane}


def narrowed(view: SavedView, *, clinic: str, by: str) -> ColumnElement[bool]:
    """Return the condition under which a case is in a view, for the person who looks."""
    cases, whose = tables.cases, tables.assignments
    parts: list[ColumnElement[bool]] = []
    if view.routes:
        named = [cases.c.route.in_([route.value for route in view.routes])]
        parts.append(or_(*named, *_also(view.routes)))
    if view.lanes:
        parts.append(cases.c.lane.in_([lane.value for lane in view.lanes]))
    if view.assigned is Assigned.ME:
        mine = select(whose.c.case_id).where(whose.c.user_id == by)
        parts.append(or_(cases.c.id.in_(mine), cases.c.claimed_by == by))
    elif view.assigned is Assigned.MY_TEAMS:
        teams = _teams_of(clinic, by)
        theirs = select(whose.c.case_id).where(whose.c.team_id.in_(teams))
        parts.append(cases.c.id.in_(theirs))
    elif view.assigned is Assigned.NOBODY:
        parts.append(cases.c.id.not_in(select(whose.c.case_id).where(whose.c.clinic == clinic)))
    return and_(cases.c.id.is_not(None), *parts)


def _also(routes: Sequence[Route] | frozenset[Route]) -> list[ColumnElement[bool]]:
    text = cast(tables.cases.c.also, String)
    return [text.like(f'%"{route.value}"%') for route in sorted(routes)]


def _teams_of(clinic: str, by: str) -> Any:
    people = tables.team_members
    return select(people.c.team_id).where(people.c.clinic == clinic, people.c.user_id == by)


def _read(row: Row[Any]) -> SavedView:
    return SavedView(
        id=row.id,
        clinic=row.clinic,
        name=row.name,
        team_id=row.team_id,
        routes=records.routes(row.routes),
        lanes=frozenset(Lane(word) for word in row.lanes),
        assigned=Assigned(row.assigned),
    )
