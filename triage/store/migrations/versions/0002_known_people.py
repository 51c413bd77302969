"""What a clinic knows of its people: further identifiers, what leaked, versions of the roster."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("patients", sa.Column("identifiers", sa.LargeBinary(), nullable=True))
    op.add_column("messages", sa.Column("redacted_files", sa.LargeBinary(), nullable=True))
    op.add_column("messages", sa.Column("leaks", sa.JSON(), nullable=True))
    op.create_table(
        "roster_versions",
        sa.Column("clinic", sa.String(64), primary_key=True),
        sa.Column("version", count, nullable=False),
    )
