"""What one guard is: a condition under which the database refuses a row.

Rule of the room: conditions are made of constants; nothing that anybody typed comes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One refusal: on `event` of a row in `table`, when `when` holds, saying `says`."""

    table: str
    event: str
    says: str
    when: str

    @property
    def name(self) -> str:
        """The trigger's name in the database."""
        return f"guard_{self.table}_{self.says.replace(' ', '_')}_{self.event.lower()}"


def changed(columns: Sequence[str]) -> str:
    """Return the condition that one of these columns is another than before."""
    return " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in columns)


def exists(table: str, condition: str) -> str:
    """Return the condition that there is such a row."""
    return f"EXISTS (SELECT 1 FROM {table} WHERE {condition})"  # noqa: S608  # Both are constants of ours; nothing a user typed comes here.
