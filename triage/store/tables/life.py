"""Tables of the end of a life: what was erased, and what a legal hold keeps."""

from sqlalchemy import JSON, Column, Index, String, Table, Text

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

#: One row per erasure; `done_at` is empty until the keys are destroyed.
erasures = Table(
    "erasures",
    metadata,
    identity(),
    clinic_column(),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("owners", JSON, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("done_at", Moment),
)

holds = Table(
    "holds",
    metadata,
    identity(),
    clinic_column(),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    sealed("holds", "reason"),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", Moment),
    Index("ix_holds_subject", "clinic", "kind", "subject"),
)
