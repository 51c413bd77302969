"""Tables of what a practice manager decides, and of urgent messages nobody has acted on."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from triage.store.columns import Moment, clinic_column, identity, metadata

#: Every version of every setting; the newest counts. Times, numbers and names of staff only.
practice_settings = Table(
    "practice_settings",
    metadata,
    identity(),
    clinic_column(),
    Column("setting", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("value", JSON, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("clinic", "setting", "version", name="uq_practice_settings_version"),
)

#: One row per urgent case and moment from which somebody had to act.
escalations = Table(
    "escalations",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("since", Moment, nullable=False),
    # Seconds nobody acted, as the watch counted them: no clock that is set can make it less.
    Column("waited", Float, nullable=False),
    # When it counted last: by the clock, and by a counter of the machine that nobody sets.
    Column("counted_at", Moment, nullable=False),
    Column("boot", String(64), nullable=False),
    Column("ticks", Float, nullable=False),
    # How many steps were taken; 3 is all.
    Column("step", Integer, nullable=False),
    Column("stepped_at", Moment),
    Column("ended_at", Moment),
    UniqueConstraint("case_id", "since", name="uq_escalations_since"),
    Index("ix_escalations_living", "clinic", "ended_at"),
)
