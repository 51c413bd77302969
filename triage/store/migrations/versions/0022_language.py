"""The language of the pages that a person chose."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    language = sa.Column("language", sa.String(8), nullable=False, server_default="")
    op.add_column("users", language)
