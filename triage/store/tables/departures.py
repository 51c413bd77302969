"""Table of the bytes that replies left as."""

from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

departures = Table(
    "departures",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("reply_id", ForeignKey("replies.id"), nullable=False),
    # Which of the reply's claims it was: a reply that was postponed is claimed again.
    Column("claimed_at", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    sealed("departures", "content"),
    UniqueConstraint("reply_id", "claimed_at", name="uq_departures_claim"),
)
