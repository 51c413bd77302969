"""Replies: what was checked before each yes, and the clinic's own forms."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column(
            "case_id",
            sa.String(64),
            sa.ForeignKey("cases.id", name="fk_checks_case_id"),
            nullable=False,
        ),
        sa.Column("reply_id", sa.String(64), nullable=False),
        sa.Column("suggested", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed", sa.JSON(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.UniqueConstraint("reply_id", name="uq_checks_reply_id"),
    )
    op.create_index("ix_checks_case_id", "checks", ["case_id"])
    op.create_table(
        "forms",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_by", sa.Text(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_forms_digest", "forms", ["clinic", "digest"])
