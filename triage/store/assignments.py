"""Whose work a case is, and who works in which team.

Rule of the room: an assigned case stays in its lane of the queue for everybody; whoever leaves
takes no case along.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Row, delete, select, update

from triage.domain import (
    CaseState,
    NoteKind,
    Protected,
    Team,
)
from triage.errors import AlreadyClaimed, ChangedUnderneath, NameTaken, NotAnswerable, NotFound
from triage.store import claims, records, tables
from triage.store.notes import write_note
from triage.store.transaction import Transactions, Work


class Assignments:
    """Cases by person and team, and teams by their people."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def assign(
        self,
        case_id: str,
        *,
        user_id: str | None,
        team_id: str | None,
        reason: Protected,
        clinic: str,
        by: str,
        over: bool = False,
        told: Collection[str] = (),
    ) -> None:
        """Give a case to a person or a team, or to neither; the reason stays beside it.

        A claim of the giver ends; `told` are others who are to read the reason. Raises NotFound
        for a stranger, NotAnswerable for whom nobody would see it, and AlreadyClaimed while a
        colleague has it, unless `over`.
        """
        with self._transactions.write() as work:
            work.lock(f"staff {clinic}")
            row = _open_case(work, case_id, clinic)
            if claims.holder(row, work.now) not in (None, by) and not over:
                raise AlreadyClaimed(case_id)
            hand(work, row, user_id, team_id, reason, clinic=clinic, by=by, told=told)

    def members(self, *, clinic: str) -> dict[str, frozenset[str]]:
        """Return team id -> ids of its people; every team of the clinic is in it."""
        members, teams = tables.team_members, tables.teams
        found: dict[str, set[str]] = defaultdict(set)
        with self._transactions.read() as work:
            for row in work.rows(select(members).where(members.c.clinic == clinic)):
                found[row.team_id].add(row.user_id)
            known = work.rows(select(teams.c.id).where(teams.c.clinic == clinic))
        return {row.id: frozenset(found[row.id]) for row in known}

    def put_team(self, team: Team, members: Iterable[str], *, by: str) -> None:
        """Add or change a team with its people; an emptied team's cases go back to everybody.

        Raises NotFound for another clinic's team or person.
        """
        table, people, wanted = tables.teams, tables.team_members, set(members)
        values = {"name": team.name, "routes": records.listed(team.routes)}
        with self._transactions.write() as work:
            work.lock(f"staff {team.clinic}")
            users = tables.users
            staff = work.rows(select(users.c.id).where(users.c.clinic == team.clinic))
            if not wanted <= {row.id for row in staff}:
                raise NotFound("a colleague")
            named = (table.c.clinic == team.clinic, table.c.name == team.name)
            if work.first(select(table.c.id).where(*named, table.c.id != team.id)):
                raise NameTaken("a team of this name is there")
            known = work.first(select(table.c.clinic).where(table.c.id == team.id))
            if known is not None and known.clinic != team.clinic:
                raise NotFound(f"team {team.id}")
            if known is None:
                work.add(table, id=team.id, clinic=team.clinic, **values)
            else:
                work.run(update(table).where(table.c.id == team.id).values(**values))
            work.run(delete(people).where(people.c.team_id == team.id))
            for user_id in sorted(wanted):
                work.add(people, team_id=team.id, user_id=user_id, clinic=team.clinic)
            return_orphans(work, clinic=team.clinic, by=by)
            # What stands in a view of "my teams" is another from now on.
            work.moved(team.clinic)
            detail = {"team": team.id, "members": " ".join(sorted(wanted))}
            detail |= {"name": team.name, "routes": " ".join(values["routes"])}
            work.note("team.changed", clinic=team.clinic, by=by, detail=detail)

    def give_back(self, user_id: str, *, clinic: str, by: str) -> None:
        """Take every case from somebody who does not work on cases any more."""
        with self._transactions.write() as work:
            take_from(work, user_id, clinic=clinic, by=by)


def hand(
    work: Work,
    case: Row[Any],
    user_id: str | None,
    team_id: str | None,
    reason: Protected,
    *,
    clinic: str,
    by: str,
    told: Collection[str] = (),
) -> None:
    """Give a case away in the caller's transaction, which holds its row and `staff CLINIC`."""
    table, cases = tables.assignments, tables.cases
    readers = _receivers(work, user_id, team_id, clinic) | set(told)
    before = work.first(select(table.c.user_id).where(table.c.case_id == case.id))
    work.run(delete(table).where(table.c.case_id == case.id))
    if user_id or team_id:
        whose = {"case_id": case.id, "user_id": user_id, "team_id": team_id}
        work.add(table, clinic=clinic, by_user=by, at=work.now, **whose)
    former = {claims.holder(case, work.now), before.user_id if before else None}
    if reason:
        readers |= {one for one in former if one and _active(work, one)}
        kind = NoteKind.HANDED_OVER
        who = {"clinic": clinic, "by": by}
        write_note(work, case.id, reason, kind=kind, told=readers, team_id=team_id, **who)
    if case.claimed_by != user_id or user_id is None:
        free = {"claimed_by": None, "claimed_at": None}
        work.run(update(cases).where(cases.c.id == case.id).values(**free))
    detail = {"user": user_id or "", "team": team_id or ""}
    work.note("case.assigned", clinic=clinic, by=by, cases=(case.id,), detail=detail)
    work.moved(clinic)


def take_from(work: Work, user_id: str, *, clinic: str, by: str) -> None:
    """Give a person's cases back to everybody, and those of teams where nobody is left."""
    table = tables.assignments
    mine = select(table.c.case_id).where(table.c.clinic == clinic, table.c.user_id == user_id)
    _return(work, mine, clinic=clinic, by=by, earlier=user_id)
    people = tables.team_members
    work.run(delete(people).where(people.c.clinic == clinic, people.c.user_id == user_id))
    work.moved(clinic)
    return_orphans(work, clinic=clinic, by=by)


def return_orphans(work: Work, *, clinic: str, by: str) -> None:
    """Give back to everybody the cases of teams without an active person."""
    table, people, users = tables.assignments, tables.team_members, tables.users
    staffed = (
        select(people.c.team_id)
        .join(users, users.c.id == people.c.user_id)
        .where(people.c.clinic == clinic, users.c.active.is_(True))
    )
    query = select(table.c.case_id).where(
        table.c.clinic == clinic, table.c.team_id.is_not(None), table.c.team_id.not_in(staffed)
    )
    _return(work, query, clinic=clinic, by=by, earlier="team")


def _return(work: Work, query: Any, *, clinic: str, by: str, earlier: str) -> None:
    table = tables.assignments
    found = [str(row.case_id) for row in work.rows(query.order_by(table.c.case_id))]
    if found:
        work.run(delete(table).where(table.c.case_id.in_(found)))
        detail = {"earlier": earlier}
        work.note("case.unassigned", clinic=clinic, by=by, cases=found, detail=detail)
        work.moved(clinic)


def _open_case(work: Work, case_id: str, clinic: str) -> Row[Any]:
    cases = tables.cases
    here = (cases.c.clinic == clinic, cases.c.id == case_id)
    row = work.one(select(cases).where(*here).with_for_update(), f"case {case_id}")
    if row.state != CaseState.OPEN.value:
        raise ChangedUnderneath(f"case {case_id} is closed")
    return row


def _receivers(work: Work, user_id: str | None, team_id: str | None, clinic: str) -> set[str]:
    """Return who is told: the person; a team sees it in its list. Raises NotFound."""
    users, people, teams = tables.users, tables.team_members, tables.teams
    if user_id is not None:
        query = select(users.c.active).where(users.c.clinic == clinic, users.c.id == user_id)
        if not work.one(query, f"user {user_id}").active:
            raise NotAnswerable("This person does not work here any more.")
        return {user_id}
    if team_id is not None:
        work.one(
            select(teams.c.id).where(teams.c.clinic == clinic, teams.c.id == team_id),
            f"team {team_id}",
        )
        there = (
            select(people.c.user_id)
            .join(users, users.c.id == people.c.user_id)
            .where(people.c.team_id == team_id, users.c.active.is_(True))
        )
        if work.first(there) is None:
            raise NotAnswerable("Nobody works in this team yet.")
    return set()


def _active(work: Work, user_id: str) -> bool:
    users = tables.users
    return (
        work.first(select(users.c.id).where(users.c.id == user_id, users.c.active.is_(True)))
        is not None
    )
