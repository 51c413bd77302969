"""Tables of the practice and the people around it."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

clinics = Table(
    "clinics",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    Column("timezone", String(64), nullable=False),
)

teams = Table(
    "teams",
    metadata,
    identity(),
    clinic_column(),
    Column("name", Text, nullable=False),
    Column("routes", JSON, nullable=False),
    UniqueConstraint("clinic", "name", name="uq_teams_name"),
)

users = Table(
    "users",
    metadata,
    identity(),
    clinic_column(),
    Column("username", String(128), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password", Text, nullable=False),
    # Whether somebody else knows it, because they made it.
    Column("password_given", Boolean, nullable=False, server_default=true()),
    # Of the pages; empty until the person chooses one.
    Column("language", String(8), nullable=False, server_default=""),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of the token; the token itself is known to the browser only.
    identity(),
    clinic_column(),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("opened_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    # When the second factor was given; without it a session is only half open.
    Column("factor_at", Moment),
    # How it began: `password`, or `openid` for who came through an identity provider.
    Column("way", String(16), nullable=False, server_default="password"),
    # The secret offered to a person who enrols in this session.
    sealed("sessions", "offered", nullable=True),
)

patients = Table(
    "patients",
    metadata,
    identity(),
    clinic_column(),
    sealed("patients", "name"),
    sealed("patients", "birth_date"),
    sealed("patients", "mrn"),
    Column("mrn_index", LargeBinary),
    Column("language", String(16), nullable=False),
    sealed("patients", "identifiers", nullable=True),
    Column("erased_at", Moment),
    UniqueConstraint("clinic", "mrn_index", name="uq_patients_mrn"),
)

contacts = Table(
    "contacts",
    metadata,
    identity(),
    clinic_column(),
    Column("patient_id", ForeignKey("patients.id"), nullable=False, index=True),
    Column("channel", String(16), nullable=False),
    sealed("contacts", "address"),
    Column("address_index", LargeBinary, nullable=False),
    sealed("contacts", "name"),
    Column("relation", String(32), nullable=False),
    Column("verified_by", Text),
    Column("consent_to_email", Boolean, nullable=False),
    Column("language", String(16), nullable=False),
    Column("consent_by", Text),
    Column("consent_at", Moment),
    # Counts what people changed by hand, so that nobody overwrites a colleague unseen.
    Column("version", Integer, nullable=False, server_default="0"),
    Column("retired_at", Moment),
    Column("retired_by", Text),
    UniqueConstraint("patient_id", "channel", "address_index", name="uq_contacts_address"),
    Index("ix_contacts_address", "clinic", "channel", "address_index"),
)

signatures = Table(
    "signatures",
    metadata,
    identity(),
    clinic_column(),
    Column("what", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_signatures_what", "clinic", "what", "digest"),
)

#: Emergency looks at a case; each waits for a supervisor.
break_glass = Table(
    "break_glass",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    sealed("break_glass", "reason"),
    Column("at", Moment, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("reviewed_by", Text),
    Column("reviewed_at", Moment),
    Index("ix_break_glass_user", "clinic", "user_id", "case_id"),
)
