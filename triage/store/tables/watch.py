"""Tables of the watch: test mails that were sent and those that came back."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from triage.store.columns import Moment, clinic_column, identity, metadata

canaries = Table(
    "canaries",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("sent_at", Moment, nullable=False),
    # Both set once, when it came back.
    Column("seen_at", Moment),
    Column("raw_id", ForeignKey("raw_messages.id"), unique=True),
    Index("ix_canaries_inbox", "clinic", "inbox", "sent_at"),
)
