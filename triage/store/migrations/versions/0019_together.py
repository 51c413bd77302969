"""Working together: teams' people, notes, whose case it is, sleep, views, second approvals."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _notes()
    _hands()
    _approvals()


def _id(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=null, primary_key=key)


def _moment(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}")


def _notes() -> None:
    op.create_table(
        "notes",
        _id("id", key=True),
        _id("clinic"),
        _id("case_id"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        _id("by_user"),
        _moment("at"),
        _id("team_id", null=True),
        _of("notes", "case_id", "cases"),
    )
    op.create_index("ix_notes_case_id", "notes", ["case_id"])
    op.create_table(
        "mentions",
        _id("id", key=True),
        _id("clinic"),
        _id("note_id"),
        _id("case_id"),
        _id("user_id"),
        _moment("seen_at", null=True),
        _of("mentions", "note_id", "notes"),
        _of("mentions", "case_id", "cases"),
        _of("mentions", "user_id", "users"),
    )
    op.create_index("ix_mentions_note_id", "mentions", ["note_id"])
    op.create_index("ix_mentions_user", "mentions", ["user_id", "seen_at"])


def _hands() -> None:
    op.create_table(
        "team_members",
        _id("team_id", key=True),
        _id("user_id", key=True),
        _id("clinic"),
        _of("team_members", "team_id", "teams"),
        _of("team_members", "user_id", "users"),
    )
    op.create_index("ix_team_members_user", "team_members", ["user_id"])
    op.create_table(
        "assignments",
        _id("case_id", key=True),
        _id("clinic"),
        _id("user_id", null=True),
        _id("team_id", null=True),
        _id("by_user"),
        _moment("at"),
        _of("assignments", "case_id", "cases"),
        _of("assignments", "user_id", "users"),
        _of("assignments", "team_id", "teams"),
    )
    op.create_index("ix_assignments_user_id", "assignments", ["user_id"])
    op.create_index("ix_assignments_team_id", "assignments", ["team_id"])
    op.create_table(
        "snoozes",
        _id("case_id", key=True),
        _id("clinic"),
        sa.Column("kind", sa.String(16), nullable=False),
        _moment("until"),
        _id("by_user"),
        _moment("at"),
        sa.Column("asleep", sa.Boolean(), nullable=False),
        _moment("woken_at", null=True),
        _of("snoozes", "case_id", "cases"),
    )
    op.create_index("ix_snoozes_until", "snoozes", ["until"])
    op.create_table(
        "saved_views",
        _id("id", key=True),
        _id("clinic"),
        sa.Column("name", sa.String(60), nullable=False),
        _id("team_id", null=True),
        sa.Column("routes", sa.JSON(), nullable=False),
        sa.Column("lanes", sa.JSON(), nullable=False),
        sa.Column("assigned", sa.String(16), nullable=False),
        _of("saved_views", "team_id", "teams"),
        sa.UniqueConstraint("clinic", "name", name="uq_saved_views_name"),
    )
    op.create_table(
        "presence",
        _id("case_id", key=True),
        _id("user_id", key=True),
        _id("clinic"),
        _moment("seen_at"),
        _of("presence", "case_id", "cases"),
        _of("presence", "user_id", "users"),
    )


def _approvals() -> None:
    op.create_table(
        "asks",
        _id("case_id", key=True),
        _id("clinic"),
        _id("draft_id"),
        _id("by_user"),
        _moment("at"),
        _of("asks", "case_id", "cases"),
        _of("asks", "by_user", "users"),
    )
    op.create_table(
        "two_approvers",
        _id("clinic", key=True),
        sa.Column("route", sa.String(32), primary_key=True),
        _id("by_user"),
        _moment("at"),
        _id("off_by", null=True),
        _moment("off_at", null=True),
    )
    op.create_table(
        "first_approvals",
        _id("id", key=True),
        _id("clinic"),
        _id("reply_id"),
        sa.Column("digest", sa.String(64), nullable=False),
        _id("approver"),
        _moment("approved_at"),
        sa.Column("proof", sa.String(200), nullable=False),
        _id("key_id"),
        _of("first_approvals", "approver", "users"),
        sa.UniqueConstraint("reply_id", "digest", "approver", name="uq_first_approvals_yes"),
    )
    op.create_index("ix_first_approvals_reply_id", "first_approvals", ["reply_id"])
