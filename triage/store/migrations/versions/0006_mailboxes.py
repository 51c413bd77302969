"""What each mailbox held when it was last compared with the ledger, and what is owed to us."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _place(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    words = [sa.Column(name, sa.Text(), nullable=False) for name in ("inbox", "mailbox", "epoch")]
    identity = sa.Column("id", sa.String(64), primary_key=True)
    return [identity, sa.Column("clinic", sa.String(64), nullable=False), *words, *columns]


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "mailboxes",
        *_place(
            sa.Column("listed", sa.Integer(), nullable=False),
            sa.Column("owed", sa.Integer(), nullable=False),
            sa.Column("compared_at", moment, nullable=False),
            sa.Column("repaired", sa.Integer(), nullable=False),
            sa.Column("repaired_at", moment, nullable=True),
        ),
        sa.UniqueConstraint("clinic", "inbox", "mailbox", name="uq_mailboxes_key"),
    )
    op.create_table(
        "uncollected",
        *_place(
            sa.Column("uid", sa.Text(), nullable=False),
            sa.Column("fate", sa.String(16), nullable=False),
            sa.Column("tries", sa.Integer(), nullable=False),
            sa.Column("since", moment, nullable=False),
            sa.Column("by", sa.Text(), nullable=True),
        ),
        sa.UniqueConstraint(
            "clinic", "inbox", "mailbox", "epoch", "uid", name="uq_uncollected_key"
        ),
    )
    # Landing looks here whether a message whose ledger row is gone lies in the store all the same.
    op.create_index(
        "ix_raw_messages_place", "raw_messages", ["clinic", "inbox", "mailbox", "epoch", "uid"]
    )
