"""Tables of working together: teams' people, notes, whose case it is, sleep, second approvals.

What colleagues write to one another is sealed under the case's key; no role that sends or reads
mail is granted the table it stands in.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
)

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

team_members = Table(
    "team_members",
    metadata,
    Column("team_id", ForeignKey("teams.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    clinic_column(),
    Index("ix_team_members_user", "user_id"),
)

notes = Table(
    "notes",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    sealed("notes", "words"),
    Column("by_user", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("team_id", String(64)),
)

#: Whom a note names; ticked off by that person.
mentions = Table(
    "mentions",
    metadata,
    identity(),
    clinic_column(),
    Column("note_id", ForeignKey("notes.id"), nullable=False, index=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("seen_at", Moment),
    Index("ix_mentions_user", "user_id", "seen_at"),
)

assignments = Table(
    "assignments",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    clinic_column(),
    Column("user_id", ForeignKey("users.id"), index=True),
    Column("team_id", ForeignKey("teams.id"), index=True),
    Column("by_user", String(64), nullable=False),
    Column("at", Moment, nullable=False),
)

snoozes = Table(
    "snoozes",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    clinic_column(),
    Column("kind", String(16), nullable=False),
    Column("until", Moment, nullable=False),
    Column("by_user", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("asleep", Boolean, nullable=False),
    Column("woken_at", Moment),
    Index("ix_snoozes_until", "until"),
)

saved_views = Table(
    "saved_views",
    metadata,
    identity(),
    clinic_column(),
    Column("name", String(60), nullable=False),
    Column("team_id", ForeignKey("teams.id")),
    Column("routes", JSON, nullable=False),
    Column("lanes", JSON, nullable=False),
    Column("assigned", String(16), nullable=False),
    UniqueConstraint("clinic", "name", name="uq_saved_views_name"),
)

#: Who has the page of a case open: colleagues' ids and a moment, nothing else.
presence = Table(
    "presence",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    clinic_column(),
    Column("seen_at", Moment, nullable=False),
)

#: Saved words a writer asked somebody to approve.
asks = Table(
    "asks",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    clinic_column(),
    Column("draft_id", String(64), nullable=False),
    Column("by_user", ForeignKey("users.id"), nullable=False),
    Column("at", Moment, nullable=False),
)

#: Routes whose replies two people must approve. A row stays when it is switched off.
two_approvers = Table(
    "two_approvers",
    metadata,
    Column("clinic", String(64), primary_key=True),
    Column("route", String(32), primary_key=True),
    Column("by_user", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("off_by", String(64)),
    Column("off_at", Moment),
)

#: Cases whose replies two people must approve, whatever they are sorted as by now.
two_needed = Table(
    "two_needed",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    clinic_column(),
    Column("at", Moment, nullable=False),
)

#: The first yes to words that need two; the second one is the approval itself.
first_approvals = Table(
    "first_approvals",
    metadata,
    identity(),
    clinic_column(),
    Column("reply_id", String(64), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("approver", ForeignKey("users.id"), nullable=False),
    Column("approved_at", Moment, nullable=False),
    Column("proof", String(200), nullable=False),
    Column("key_id", String(64), nullable=False),
    UniqueConstraint("reply_id", "digest", "approver", name="uq_first_approvals_yes"),
)
