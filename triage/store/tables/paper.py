"""Tables of the time without a machine: which cases stood on the list, and what was done."""

from sqlalchemy import JSON, Column, ForeignKey, Index, String, Table, UniqueConstraint

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

#: The newest list of each clinic, and every earlier one that people worked from: it has an end.
paper_lists = Table(
    "paper_lists",
    metadata,
    identity(),
    clinic_column(),
    Column("made_at", Moment, nullable=False),
    Column("until", Moment),
    Column("cases", JSON, nullable=False),
    Index("ix_paper_lists_until", "clinic", "until"),
)

paper_entries = Table(
    "paper_entries",
    metadata,
    identity(),
    clinic_column(),
    Column("list_id", ForeignKey("paper_lists.id"), nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("acted_by", ForeignKey("users.id"), nullable=False),
    Column("acted_at", Moment, nullable=False),
    Column("outcome", String(32), nullable=False),
    sealed("paper_entries", "note"),
    Column("entered_by", ForeignKey("users.id"), nullable=False),
    Column("entered_at", Moment, nullable=False),
    UniqueConstraint("list_id", "case_id", name="uq_paper_entries_case"),
)
