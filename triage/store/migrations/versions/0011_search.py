"""Search: keyed digests of words, and which case or patient they lead to."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_cases",
        sa.Column("id", sa.String(64), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("clinic", sa.String(64), nullable=False),
        sa.Column("number", number, nullable=False),
        sa.Column("made_with", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("clinic", "number", name="uq_search_cases_number"),
    )
    op.create_table(
        "search_tokens",
        sa.Column("clinic", sa.String(64), primary_key=True),
        sa.Column("token", sa.LargeBinary(), primary_key=True),
        sa.Column("number", number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_search_tokens_number", "search_tokens", ["clinic", "number"])
    op.create_table(
        "search_patients",
        sa.Column("clinic", sa.String(64), primary_key=True),
        sa.Column("token", sa.LargeBinary(), primary_key=True),
        sa.Column("patient_id", sa.String(64), sa.ForeignKey("patients.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_search_patients_patient_id", "search_patients", ["patient_id"])
