"""A clinic's own templates and which of them serve; contacts that were taken out of use."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _templates()
    _contacts()


def _id(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=null, primary_key=key)


def _moment(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}")


def _templates() -> None:
    op.create_table(
        "own_templates",
        _id("id", key=True),
        _id("clinic"),
        sa.Column("route", sa.String(32), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        _id("author"),
        _moment("at"),
        _of("own_templates", "author", "users"),
        sa.UniqueConstraint(
            "clinic", "route", "language", "number", name="uq_own_templates_number"
        ),
    )
    op.create_table(
        "templates_in_service",
        _id("id", key=True),
        _id("clinic"),
        sa.Column("route", sa.String(32), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _id("template_id", null=True),
        _id("by_user"),
        _moment("at"),
        _of("templates_in_service", "template_id", "own_templates"),
        _of("templates_in_service", "by_user", "users"),
        sa.UniqueConstraint(
            "clinic", "route", "language", "number", name="uq_templates_in_service"
        ),
    )


def _contacts() -> None:
    op.add_column(
        "contacts", sa.Column("version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("contacts", _moment("retired_at", null=True))
    op.add_column("contacts", sa.Column("retired_by", sa.Text(), nullable=True))
