"""Column kinds as the first migration knew them, apart from those the store uses today."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def identity() -> sa.Column[str]:
    return sa.Column("id", sa.String(64), primary_key=True)


def clinic() -> sa.Column[str]:
    return name("clinic", 64)


def link(table: str, column: str, target: str, *, nullable: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey(target, name=f"fk_{table}_{column}")
    return sa.Column(column, sa.String(64), key, nullable=nullable)


def name(column: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.String(length), nullable=nullable)


def text(column: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.Text(), nullable=nullable)


def sealed(column: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(column, sa.LargeBinary(), nullable=nullable)


def blob(column: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(column, sa.LargeBinary(), nullable=nullable)


def moment(column: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(column, sa.DateTime(timezone=True), nullable=nullable)


def day(column: str, *, nullable: bool = False) -> sa.Column[date]:
    return sa.Column(column, sa.Date(), nullable=nullable)


def words(column: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(column, sa.JSON(), nullable=nullable)


def flag(column: str, *, nullable: bool = False) -> sa.Column[bool]:
    return sa.Column(column, sa.Boolean(), nullable=nullable)


def share(column: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(column, sa.Float(), nullable=nullable)


def number(column: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(column, sa.Integer(), nullable=nullable)


def count(column: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(column, COUNT, nullable=nullable)
