"""The time without a machine: the lists people worked from, and what they did."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _to(table: str, column: str, name: str) -> sa.Column[str]:
    target = sa.ForeignKey(f"{table}.id", name=name)
    return sa.Column(column, sa.String(64), target, nullable=False)


def upgrade() -> None:
    op.create_table(
        "paper_lists",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cases", sa.JSON(), nullable=False),
    )
    op.create_index("ix_paper_lists_until", "paper_lists", ["clinic", "until"])
    op.create_table(
        "paper_entries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        _to("paper_lists", "list_id", "fk_paper_entries_list_id"),
        _to("cases", "case_id", "fk_paper_entries_case_id"),
        _to("users", "acted_by", "fk_paper_entries_acted_by"),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        _to("users", "entered_by", "fk_paper_entries_entered_by"),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("list_id", "case_id", name="uq_paper_entries_case"),
    )
