"""What pages need to name colleagues: people by id, teams by id.

Rule of the room: names of staff only.
"""

from typing import Any

from triage.desk import Desk, Right, may
from triage.domain import User


def around(desk: Desk, user: User) -> dict[str, Any]:
    """Return the names of the clinic's people and teams, and who of them works on cases."""
    people = desk.people.users(user) if may(user, Right.SEE_QUEUE) else ()
    teams = desk.teams.teams(user) if people else ()
    return {
        "names": {person.id: person.display_name for person in people},
        "staff": [person for person in people if may(person, Right.WORK_CASE)],
        "teams": [team for team, members in teams if members],
        "team_names": {team.id: team.name for team, _ in teams},
    }
