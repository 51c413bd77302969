"""A chain of the audit for each kind of process; what was one chain goes on as the first of them.

The rows of the first chain stay as they were sealed; only their place in it is written beside.
"""

import sqlalchemy as sa
from alembic import op

from triage.store.guards import drop_guards

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    connection = op.get_bind()
    # Rows that are never changed get their place now; every guard is made anew at the end.
    drop_guards(connection)
    chain = sa.Column("chain", sa.String(32), nullable=False, server_default="first")
    op.add_column("audit", chain)
    op.add_column("audit", sa.Column("number", _COUNT, nullable=False, server_default="0"))
    op.execute("UPDATE audit SET number = seq")
    op.create_index("uq_audit_number", "audit", ["chain", "number"], unique=True)
    op.create_index("ix_audit_cases_seq", "audit_cases", ["seq", "case_id"])
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(32), primary_key=True),
        sa.Column("number", _COUNT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.execute(
        "INSERT INTO audit_heads (chain, number, digest)"
        " SELECT 'first', seq, digest FROM audit_head WHERE seq > 0"
    )
    op.drop_table("audit_head")
    if connection.dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE audit_order")
        op.execute(
            "SELECT setval('audit_order', (SELECT COALESCE(max(seq), 0) + 1 FROM audit), false)"
        )
