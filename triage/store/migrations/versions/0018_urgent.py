"""Due times, the closed loop of urgent cases, and settings a practice manager edits."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _cases()
    _settings()
    op.create_table(
        "escalations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(64), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waited", sa.Float(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boot", sa.String(64), nullable=False),
        sa.Column("ticks", sa.Float(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("stepped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("case_id", "since", name="uq_escalations_since"),
    )
    op.create_index("ix_escalations_living", "escalations", ["clinic", "ended_at"])


def _cases() -> None:
    for name in ("due_at", "urgent_since", "acted_at"):
        op.add_column("cases", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name, number in (("tier", "0"), ("haste", "1")):
        column = sa.Column(name, sa.Integer(), nullable=False, server_default=number)
        op.add_column("cases", column)
    op.add_column("cases", sa.Column("acted_how", sa.String(32), nullable=True))
    op.add_column("cases", sa.Column("acted_to", sa.String(64), nullable=True))
    # In words: SQLite adds a column with a foreign key, but no foreign key to a column.
    op.execute(
        "ALTER TABLE cases ADD COLUMN acted_by VARCHAR(64)"
        " CONSTRAINT fk_cases_acted_by REFERENCES users (id)"
    )
    # Until the targets are next looked at, what is older stands above; nothing is lost from sight.
    op.execute(
        "UPDATE cases SET due_at = opened_at, tier = CASE home_lane"
        " WHEN 'unreadable' THEN 2 WHEN 'unsorted' THEN 1 ELSE 0 END"
    )
    # What is urgent already waits since its newest message, and alarms until somebody acts.
    op.execute(
        "UPDATE cases SET urgent_since = last_message_at WHERE urgency > 0 AND state = 'open'"
    )
    op.drop_index("ix_cases_queue", "cases")
    names = ("clinic", "urgency DESC", "tier DESC", "due_at", "opened_at", "id")
    order = [sa.text(name) for name in names]
    op.create_index(
        "ix_cases_queue",
        "cases",
        order,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _settings() -> None:
    op.create_table(
        "practice_settings",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("setting", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("clinic", "setting", "version", name="uq_practice_settings_version"),
    )
