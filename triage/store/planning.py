"""A word to the planners of both engines, where they know less of the rows than we do.

Rule of the room: it changes how rows are found and never which.
"""

from typing import Any

from sqlalchemy import ColumnElement


def unindexed(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a text column as a value that no index leads to.

    Nearly every row has the clinic that is asked for, which SQLite's planner cannot know: led by
    the clinic it looks through all that ever was, with a better index at hand.
    """
    return column.concat("")
