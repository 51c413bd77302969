"""Accounts: passwords one was given, and being known to an identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until now nobody could choose a password: every one that is there was given by somebody.
    op.add_column(
        "users",
        sa.Column("password_given", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.add_column(
        "sessions", sa.Column("way", sa.String(16), nullable=False, server_default="password")
    )
    op.create_table(
        "openid_subjects",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["users.id"], name="fk_openid_subjects_id"),
        sa.UniqueConstraint("clinic", "issuer", "subject", name="uq_openid_subjects_subject"),
    )
    op.create_table(
        "openid_starts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
    )
