"""The watch: test mails through the real mailbox, and how the models do."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("beats", sa.Column("paces", sa.JSON(), nullable=True))
    op.create_table(
        "canaries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "raw_id",
            sa.String(64),
            sa.ForeignKey("raw_messages.id", name="fk_canaries_raw_id"),
            nullable=True,
        ),
        sa.UniqueConstraint("raw_id", name="uq_canaries_raw_id"),
    )
    op.create_index("ix_canaries_inbox", "canaries", ["clinic", "inbox", "sent_at"])
