"""What narrows down a page of the queue; made of words and ids that may stand in an address."""

from dataclasses import dataclass

from triage.domain.words import Channel, Route, Urgency


@dataclass(frozen=True, slots=True)
class Filters:
    """Every part that is given shows less; a part that is None asks nothing."""

    route: Route | None = None
    urgency: Urgency | None = None
    channel: Channel | None = None
    #: Its newest message came at most so many days ago.
    days: int | None = None
    #: The id of who has the case; empty for nobody.
    held_by: str | None = None

    def __bool__(self) -> bool:
        return self != ALL


#: Nothing is left out.
ALL = Filters()
