"""Emergency looks at a case by people whose role does not include it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "break_glass",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(64), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("user_id", sa.String(64), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("reviewed_by", sa.Text()),
        sa.Column("reviewed_at", moment),
    )
    op.create_index("ix_break_glass_user", "break_glass", ["clinic", "user_id", "case_id"])
