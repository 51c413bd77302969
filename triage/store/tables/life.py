"""Tables of the end of a life: what was erased, and what a legal hold keeps."""

from sqlalchemy import JSON, Column, Index, LargeBinary, String, Table, Text

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

#: Blind indexes under a key that does not serve yet: a rotation fills this row by row while the old
#: ones are in use, and puts them in their places in one transaction.
fresh_indexes = Table(
    "fresh_indexes",
    metadata,
    # Table and column, such as `messages.message_id_index`.
    Column("name", String(64), primary_key=True),
    Column("row_id", String(64), primary_key=True),
    # What stood there: the fresh one is for this only.
    Column("before", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)
