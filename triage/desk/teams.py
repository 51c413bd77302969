"""Teams, saved views and where two must approve: how a practice arranges its work."""

from collections.abc import Iterable

from triage.desk.rights import Right, may, require
from triage.domain import Assigned, Lane, Role, Route, SavedView, Team, User, new_id
from triage.errors import NotAnswerable, NoWords
from triage.store import Store

#: The views everybody has: what is theirs, and what is their teams'.
MINE, TEAMS = "mine", "teams"
LONGEST_NAME = 60


class TeamDesk:
    """The counter where supervisors arrange the work."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def teams(self, actor: User) -> tuple[tuple[Team, frozenset[str]], ...]:
        """Return every team with the ids of its people."""
        require(actor, Right.SEE_QUEUE)
        members = self._store.assignments.members(clinic=actor.clinic)
        teams = self._store.people.teams(clinic=actor.clinic)
        return tuple((team, members.get(team.id, frozenset())) for team in teams)

    def put_team(
        self,
        actor: User,
        *,
        called: str,
        members: Iterable[str],
        routes: Iterable[Route] = (),
        team_id: str | None = None,
    ) -> Team:
        """Add a team, or change one; a team left by everybody gives its cases back."""
        require(actor, Right.MANAGE_TEAMS)
        team = Team(team_id or new_id(), actor.clinic, _name(called), frozenset(routes))
        people = set(members)
        staff = {one.id: one for one in self._store.people.users(clinic=actor.clinic)}
        if any(one in staff and not may(staff[one], Right.WORK_CASE) for one in people):
            raise NotAnswerable("Only people who work on cases can be in a team.")
        self._store.assignments.put_team(team, people, by=actor.id)
        return team

    def views(self, actor: User) -> tuple[SavedView, ...]:
        """Return every saved view of the clinic."""
        require(actor, Right.SEE_QUEUE)
        return tuple(self._store.views.all(clinic=actor.clinic))

    def put_view(
        self,
        actor: User,
        *,
        called: str,
        team_id: str | None = None,
        routes: Iterable[Route] = (),
        lanes: Iterable[Lane] = (),
        assigned: Assigned = Assigned.ANYBODY,
    ) -> SavedView:
        """Save a view for a team, or for everybody; raise NameTaken, NotFound."""
        require(actor, Right.MANAGE_TEAMS)
        view = SavedView(
            new_id(),
            actor.clinic,
            _name(called),
            team_id,
            frozenset(routes),
            frozenset(lanes),
            assigned,
        )
        self._store.views.put(view, by=actor.id)
        return view

    def remove_view(self, actor: User, view_id: str) -> None:
        """Forget a saved view."""
        require(actor, Right.MANAGE_TEAMS)
        self._store.views.remove(view_id, clinic=actor.clinic, by=actor.id)

    def two_approvers(self, actor: User) -> frozenset[Route]:
        """Return the routes whose replies two people must approve."""
        require(actor, Right.SEE_QUEUE)
        return self._store.second.routes(clinic=actor.clinic)

    def want_two(self, actor: User, routes: Iterable[Route]) -> None:
        """Want two approvers for these routes and no others from now on."""
        require(actor, Right.MANAGE_TEAMS)
        self._store.second.set_routes(routes, clinic=actor.clinic, by=actor.id)


def offered(store: Store, actor: User) -> tuple[SavedView, ...]:
    """Return the views a person may pick: their own, everybody's and their teams'.

    A supervisor is offered every team's.
    """
    mine = store.views.my_teams(clinic=actor.clinic, by=actor.id)
    every = Role.SUPERVISOR in actor.roles
    saved = [
        view
        for view in store.views.all(clinic=actor.clinic)
        if every or view.team_id is None or view.team_id in mine
    ]
    own = (
        SavedView(MINE, actor.clinic, "Mine", assigned=Assigned.ME),
        SavedView(TEAMS, actor.clinic, "My teams", assigned=Assigned.MY_TEAMS),
    )
    return (*own[: 2 if mine else 1], *saved)


def _name(name: str) -> str:
    one_line = " ".join(name.split())[:LONGEST_NAME]
    if not one_line:
        raise NoWords("a name")
    return one_line
