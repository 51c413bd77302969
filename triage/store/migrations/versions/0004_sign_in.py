"""Signing in: authenticator apps, failed tries, and browsers that are known."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("sessions", sa.Column("factor_at", moment, nullable=True))
    op.add_column("sessions", sa.Column("offered", sa.LargeBinary(), nullable=True))
    op.create_table(
        "second_factors",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["users.id"], name="fk_second_factors_id"),
    )
    op.create_table(
        "log_in_tries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
    )
    op.create_table(
        "known_browsers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("browser", sa.String(64), nullable=False),
        sa.Column(
            "user_id",
            sa.String(64),
            sa.ForeignKey("users.id", name="fk_known_browsers_user_id"),
            nullable=False,
        ),
        sa.Column("seen_at", moment, nullable=False),
    )
    op.create_index("ix_known_browsers_browser", "known_browsers", ["browser"])
