"""Cases for which two people must approve, whatever they are sorted as afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "two_needed",
        sa.Column("case_id", sa.String(64), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_two_needed_case_id"),
    )
    # What is open already: what was closed is opened again by a message, which is filed anew.
    also = "CAST(cases.also AS text)"
    op.execute(
        "INSERT INTO two_needed (case_id, clinic, at) SELECT cases.id, cases.clinic,"  # noqa: S608  # Constants of this file.
        " cases.opened_at FROM cases WHERE cases.state = 'open' AND EXISTS (SELECT 1 FROM"
        " two_approvers WHERE two_approvers.clinic = cases.clinic AND two_approvers.off_at IS NULL"
        f" AND (cases.route = two_approvers.route OR REPLACE({also}, '\"' || two_approvers.route"
        f" || '\"', '') <> {also}))"
    )
