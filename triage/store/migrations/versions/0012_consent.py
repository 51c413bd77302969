"""Consent to e-mail: who recorded it and when.

What an older database holds came from a roster: its yes stands, recorded by the roster at a time
nobody knows; everybody else has not agreed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("consent_by", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True))
    contacts = sa.table(
        "contacts", sa.column("consent_by", sa.Text()), sa.column("consent_to_email", sa.Boolean())
    )
    agreed = sa.update(contacts).where(contacts.c.consent_to_email.is_(True))
    op.execute(agreed.values(consent_by="roster"))
