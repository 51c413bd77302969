"""Tables of what people work on: cases, requests, drafts, approvals, replies, labels."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

threads = Table(
    "threads",
    metadata,
    identity(),
    clinic_column(),
    Column("patient_id", ForeignKey("patients.id")),
    Column("contact_id", ForeignKey("contacts.id")),
)

cases = Table(
    "cases",
    metadata,
    identity(),
    clinic_column(),
    Column("thread_id", ForeignKey("threads.id"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    # The lane it returns to when no reply of it is on its way.
    Column("home_lane", String(16), nullable=False),
    Column("route", String(32), nullable=False),
    Column("also", JSON, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("score", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("abstained", Boolean, nullable=False),
    Column("marks", JSON, nullable=False),
    Column("patient_id", ForeignKey("patients.id"), index=True),
    Column("contact_id", ForeignKey("contacts.id")),
    Column("channel", String(16), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("last_message_at", Moment, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_at", Moment),
    Column("closed_at", Moment),
    Column("outcome", Text),
    sealed("cases", "note", nullable=True),
    Column("erased_at", Moment),
    # When somebody should have answered, and what stands above that; see domain/practice.py.
    Column("due_at", Moment),
    Column("tier", Integer, nullable=False, server_default="0"),
    Column("haste", Integer, nullable=False, server_default="1"),
    # Since when somebody has to act, and who did: only a person of the clinic can.
    Column("urgent_since", Moment),
    Column("acted_at", Moment),
    Column("acted_by", ForeignKey("users.id")),
    Column("acted_how", String(32)),
    Column("acted_to", String(64)),
)
Index(
    "ix_cases_queue",
    cases.c.clinic,
    cases.c.urgency.desc(),
    cases.c.tier.desc(),
    cases.c.due_at,
    cases.c.opened_at,
    cases.c.id,
    sqlite_where=cases.c.state == "open",
    postgresql_where=cases.c.state == "open",
)

requests = Table(
    "requests",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("route", String(32), nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("done_by", Text),
    Column("done_at", Moment),
)

drafts = Table(
    "drafts",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("channel", String(16), nullable=False),
    sealed("drafts", "recipient"),
    sealed("drafts", "in_reply_to"),
    sealed("drafts", "subject"),
    sealed("drafts", "body"),
    sealed("drafts", "attachments"),
    Column("suggested", Boolean, nullable=False),
    Column("author", Text, nullable=False),
    Column("edited_at", Moment, nullable=False),
    # Set once the words were approved; a case has at most one draft without it.
    Column("reply_id", String(64)),
)
Index(
    "uq_drafts_open",
    drafts.c.case_id,
    unique=True,
    sqlite_where=drafts.c.reply_id.is_(None),
    postgresql_where=drafts.c.reply_id.is_(None),
)

approvals = Table(
    "approvals",
    metadata,
    identity(),
    clinic_column(),
    Column("reply_id", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("approver", ForeignKey("users.id"), nullable=False),
    Column("approved_at", Moment, nullable=False),
    Column("proof", Text, nullable=False),
    # The proof key that the proof names.
    Column("key_id", String(64)),
)

replies = Table(
    "replies",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("contact_id", ForeignKey("contacts.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("approval_id", ForeignKey("approvals.id"), unique=True),
    Column("channel", String(16), nullable=False),
    sealed("replies", "recipient"),
    sealed("replies", "in_reply_to"),
    sealed("replies", "subject"),
    sealed("replies", "body"),
    sealed("replies", "attachments"),
    sealed("replies", "message_id"),
    Column("message_id_index", LargeBinary, nullable=False, unique=True),
    Column("not_before", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("settled_at", Moment),
    sealed("replies", "receipt", nullable=True),
    sealed("replies", "why", nullable=True),
)
Index("ix_replies_due", replies.c.state, replies.c.not_before)

# A delivery report named the reply's Message-ID; it holds no word of the report.
bounces = Table(
    "bounces",
    metadata,
    identity(),
    clinic_column(),
    Column("reply_id", ForeignKey("replies.id"), nullable=False, index=True),
    Column("raw_id", ForeignKey("raw_messages.id"), nullable=False),
    Column("why", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", Moment, nullable=False),
)

labels = Table(
    "labels",
    metadata,
    identity(),
    clinic_column(),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("shown_route", String(32), nullable=False),
    Column("shown_also", JSON, nullable=False),
    Column("shown_urgency", Integer, nullable=False),
    Column("route", String(32), nullable=False),
    Column("also", JSON, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    sealed("labels", "why"),
    Column("source", String(32), nullable=False),
)

sample_items = Table(
    "sample_items",
    metadata,
    identity(),
    clinic_column(),
    Column("day", Date, nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("message_id", ForeignKey("messages.id"), nullable=False),
    Column("judged_right", Boolean),
    Column("label_id", ForeignKey("labels.id")),
    Column("judged_by", Text),
    Column("judged_at", Moment),
    UniqueConstraint("clinic", "message_id", name="uq_sample_items_message"),
    Index("ix_sample_items_day", "clinic", "day"),
)
