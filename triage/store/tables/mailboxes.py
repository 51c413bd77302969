"""Tables of mailboxes: what they held when last compared, and what a server owes us."""

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from triage.store.columns import Moment, clinic_column, identity, metadata

mailboxes = Table(
    "mailboxes",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("listed", Integer, nullable=False),
    Column("owed", Integer, nullable=False),
    Column("compared_at", Moment, nullable=False),
    Column("repaired", Integer, nullable=False),
    Column("repaired_at", Moment),
    UniqueConstraint("clinic", "inbox", "mailbox", name="uq_mailboxes_key"),
)

uncollected = Table(
    "uncollected",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("fate", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("since", Moment, nullable=False),
    # Who chose to ignore it.
    Column("by", Text),
    UniqueConstraint("clinic", "inbox", "mailbox", "epoch", "uid", name="uq_uncollected_key"),
)
