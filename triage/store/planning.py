"""A word to the planners of both engines, where they know less of the rows than we do.

Rule of the room: it changes how rows are found and never which.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam


def unindexed(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a text column as a value that no index leads to.

    Nearly every row has the clinic that is asked for, which SQLite's planner cannot know: led by
    the clinic it looks through all that ever was, with a better index at hand.
    """
    return column.concat("")


def among(column: ColumnElement[Any], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Return whether a number is one of hundreds, which stand in the statement itself.

    PostgreSQL plans a statement that came a few times before without a look at its values, and
    for hundreds of numbers it does not know it reads through all that there are.
    """
    written = bindparam(
        None, sorted(numbers), BigInteger, unique=True, expanding=True, literal_execute=True
    )
    return column.in_(written)
