"""Tables of what was checked before a yes, and of the clinic's own forms."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

#: One row beside each approval; its id is the approval's.
checks = Table(
    "checks",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("reply_id", String(64), nullable=False, unique=True),
    sealed("checks", "suggested", nullable=True),
    # Kinds and places such as `time-1`; never a word.
    Column("confirmed", JSON, nullable=False),
    Column("milliseconds", Integer),
)

forms = Table(
    "forms",
    metadata,
    identity(),
    clinic_column(),
    sealed("forms", "name"),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    sealed("forms", "content"),
    Column("added_by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("retired_by", Text),
    Column("retired_at", Moment),
    Index("ix_forms_digest", "clinic", "digest"),
)
