"""Filters of the queue as they stand in an address: words of ours and ids, never a patient's.

Rule of the room: what an address says is what is shown and counted; an empty part asks nothing.
"""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query

from triage.domain import Channel, Filters, Lane, Route, Urgency, User

#: Stands for oneself and for nobody where a person could be chosen.
ME, NOBODY = "me", "-"

Place = Literal[""] | Lane
Asks = Literal[""] | Route
How = Literal["", "routine", "today", "emergency"]
Way = Literal[""] | Channel
Age = Literal["", "1", "7", "30", "365"]
Held = Annotated[str, Query(max_length=64, pattern="^[A-Za-z0-9-]*$")]
#: The id of a saved view.
View = Annotated[str, Query(max_length=64, pattern="^[A-Za-z0-9]*$")]


class Part:
    """Which part of the queue an address names."""

    def __init__(
        self,
        *,
        lane: Place = "",
        view: View = "",
        route: Asks = "",
        urgency: How = "",
        channel: Way = "",
        age: Age = "",
        held: Held = "",
    ) -> None:
        self.lane = lane or None
        self.view = view
        #: What the address says, without what it does not ask.
        self.said = {
            name: str(value)
            for name, value in {
                "lane": lane,
                "view": view,
                "route": route,
                "urgency": urgency,
                "channel": channel,
                "age": age,
                "held": held,
            }.items()
            if value
        }

    def filters(self, person: User) -> Filters:
        """Return the filters, for the person who asks."""
        said = self.said
        return Filters(
            route=Route(said["route"]) if "route" in said else None,
            urgency=Urgency.of(said["urgency"]) if "urgency" in said else None,
            channel=Channel(said["channel"]) if "channel" in said else None,
            days=int(said["age"]) if "age" in said else None,
            held_by={ME: person.id, NOBODY: ""}.get(said["held"], said["held"])
            if "held" in said
            else None,
        )

    def address(self, *without: str) -> str:
        """Return the part as the end of an address, without some of what it says."""
        return urlencode({name: said for name, said in self.said.items() if name not in without})


Parts = Annotated[Part, Depends()]
