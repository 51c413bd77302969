"""The end of a case's life: what was erased, what may not be, and when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _row(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    identity = sa.Column("id", sa.String(64), primary_key=True)
    return [identity, sa.Column("clinic", sa.String(64), nullable=False), *columns]


def _subject() -> list[sa.Column[Any]]:
    return [
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
    ]


def upgrade() -> None:
    for table in ("cases", "patients"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "erasures",
        *_row(
            *_subject(),
            sa.Column("owners", sa.JSON(), nullable=False),
            sa.Column("by", sa.Text(), nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        ),
    )
    op.create_table(
        "holds",
        *_row(
            *_subject(),
            sa.Column("reason", sa.LargeBinary(), nullable=False),
            sa.Column("by", sa.Text(), nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("lifted_by", sa.Text(), nullable=True),
            sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        ),
    )
    op.create_index("ix_holds_subject", "holds", ["clinic", "kind", "subject"])
