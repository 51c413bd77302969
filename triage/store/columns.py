"""The column types every table is made of.

Rule of the room: a column with patient text is `sealed(...)`, and it refuses plain text.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, LargeBinary, MetaData, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from triage.store.sealed import SealedValue

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Sealed(TypeDecorator[SealedValue]):
    """Encrypted bytes; accepts only what the vault sealed for this very column."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, table: str = "", column: str = "") -> None:
        super().__init__()
        self.table, self.column = table, column

    def process_bind_param(
        self,
        value: SealedValue | None,
        dialect: Dialect,  # noqa: ARG002  # SQLAlchemy passes it.
    ) -> bytes | None:
        """Pass on sealed bytes; raise TypeError for anything that was not sealed for here."""
        if value is None:
            return None
        if not isinstance(value, SealedValue):
            raise TypeError(f"{self.table}.{self.column} accepts only sealed values")
        if (value.table, value.column) != (self.table, self.column):
            raise TypeError(f"a value for {value.table}.{value.column} was given to {self.column}")
        return value.stored

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002  # SQLAlchemy passes it.
    ) -> SealedValue | None:
        """Give the bytes their place back, so that only the right place opens them."""
        return None if value is None else SealedValue(self.table, self.column, bytes(value))


class Moment(TypeDecorator[datetime]):
    """A point in time, kept and given back in UTC; refuses times without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite keeps it without a zone, so that its text sorts."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a moment needs a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002  # SQLAlchemy passes it.
    ) -> datetime | None:
        """Return UTC whatever zone the session has."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def identity() -> Column[str]:
    """Return the primary key: an opaque id."""
    return Column("id", String(64), primary_key=True)


def clinic_column() -> Column[str]:
    """Return the clinic's id, which stands on every row."""
    return Column("clinic", String(64), nullable=False)


def sealed(table: str, column: str, *, nullable: bool = False) -> Column[SealedValue]:
    """Return a column for patient text."""
    return Column(column, Sealed(table, column), nullable=nullable)
