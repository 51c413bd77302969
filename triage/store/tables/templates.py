"""Tables of a clinic's own words for replies.

Written once: a version is never changed, and what served when can always be told.
"""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, UniqueConstraint

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

own_templates = Table(
    "own_templates",
    metadata,
    identity(),
    clinic_column(),
    Column("route", String(32), nullable=False),
    Column("language", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    # Nobody's case; sealed because a person typed it and may have pasted what they should not.
    sealed("own_templates", "subject"),
    sealed("own_templates", "text"),
    Column("author", ForeignKey("users.id"), nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("clinic", "route", "language", "number", name="uq_own_templates_number"),
)

#: The newest row of a route and language says what serves; without a version, the shipped words.
templates_in_service = Table(
    "templates_in_service",
    metadata,
    identity(),
    clinic_column(),
    Column("route", String(32), nullable=False),
    Column("language", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("template_id", ForeignKey("own_templates.id")),
    Column("by_user", ForeignKey("users.id"), nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("clinic", "route", "language", "number", name="uq_templates_in_service"),
)
