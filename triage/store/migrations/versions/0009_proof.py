"""Proofs of approvals: the key of one browser for one session, and which one an approval names."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "proof_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("public", sa.String(130), nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_proof_keys_user_id"),
    )
    # Approvals from before have none; what they queued is refused and shown to a person.
    op.add_column("approvals", sa.Column("key_id", sa.String(64), nullable=True))
