"""When no drafter may say anything.

Rule of the room: reads of a message its marks and nothing else.
"""

from triage.domain import Lane, Mark, Message, Priority, Redacted, Route, Urgency

#: Nobody, or only a machine, could have understood or written these.
_SILENT_MARKS = frozenset({Mark.AUTOMATIC, Mark.NOT_READ, Mark.RULES_FAILED, Mark.UNCLASSIFIED})
#: A person sorts these first; a text for the wrong route would only mislead.
_SILENT_LANES = frozenset({Lane.UNREADABLE, Lane.UNSORTED})


def is_urgent(priority: Priority) -> bool:
    """Whether a message is urgent by any of its signs."""
    return (
        priority.urgency > Urgency.ROUTINE
        or priority.route is Route.URGENT_CLINICAL
        or priority.lane is Lane.URGENT
    )


def is_silent(message: Message, redacted: Redacted, priority: Priority) -> bool:
    """Whether a message gets no words at all, urgent or not."""
    return (
        message.automatic
        or bool(message.marks & _SILENT_MARKS)
        or bool(redacted.withheld)
        or priority.route is Route.NOT_FOR_US
        or priority.lane in _SILENT_LANES
    )
