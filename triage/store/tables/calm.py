"""What a person wants to be told of and when; nothing about a patient."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Table

from triage.store.columns import Moment, clinic_column, metadata

calm = Table(
    "calm",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    clinic_column(),
    Column("quiet", Boolean, nullable=False),
    # Day of the week -> from when to when, in the clinic's time; empty: always.
    Column("hours", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)
