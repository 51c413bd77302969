"""Delivery reports that gave one of our replies back."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bounces",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("reply_id", sa.String(64), sa.ForeignKey("replies.id"), nullable=False),
        sa.Column("raw_id", sa.String(64), sa.ForeignKey("raw_messages.id"), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_bounces_reply_id", "bounces", ["reply_id"])
