"""Tables of what came in: raw messages, the ledger of landing, cursors, and messages as read."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
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

raw_messages = Table(
    "raw_messages",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("media_type", String(128), nullable=False),
    # A blind index of the SHA-256, so that a short known text cannot be guessed from it.
    Column("digest", LargeBinary, nullable=False),
    sealed("raw_messages", "content"),
    Column("received_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("filed_at", Moment),
)
Index(
    "ix_raw_messages_waiting",
    raw_messages.c.received_at,
    raw_messages.c.id,
    sqlite_where=raw_messages.c.filed_at.is_(None),
    postgresql_where=raw_messages.c.filed_at.is_(None),
)
Index(
    "ix_raw_messages_place",
    raw_messages.c.clinic,
    raw_messages.c.inbox,
    raw_messages.c.mailbox,
    raw_messages.c.epoch,
    raw_messages.c.uid,
)

ledger = Table(
    "ledger",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("raw_id", ForeignKey("raw_messages.id"), nullable=False, index=True),
    Column("fate", String(16), nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("clinic", "inbox", "mailbox", "epoch", "uid", "digest", name="uq_ledger_key"),
    Index("ix_ledger_digest", "clinic", "inbox", "mailbox", "digest"),
)

cursors = Table(
    "cursors",
    metadata,
    identity(),
    clinic_column(),
    Column("inbox", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("moved_at", Moment, nullable=False),
    UniqueConstraint("clinic", "inbox", "mailbox", name="uq_cursors_key"),
)

messages = Table(
    "messages",
    metadata,
    identity(),
    clinic_column(),
    Column("raw_id", ForeignKey("raw_messages.id"), nullable=False, unique=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("thread_id", ForeignKey("threads.id"), nullable=False, index=True),
    Column("contact_id", ForeignKey("contacts.id")),
    Column("patient_id", ForeignKey("patients.id")),
    Column("channel", String(16), nullable=False),
    Column("received_at", Moment, nullable=False, index=True),
    sealed("messages", "sender"),
    sealed("messages", "sender_name"),
    sealed("messages", "subject"),
    sealed("messages", "body"),
    # The first words, so that a page of the queue opens no whole message.
    sealed("messages", "preview"),
    sealed("messages", "quoted"),
    sealed("messages", "signature"),
    sealed("messages", "html"),
    sealed("messages", "readings"),
    sealed("messages", "message_id"),
    Column("message_id_index", LargeBinary, index=True),
    sealed("messages", "reply_references"),
    sealed("messages", "portal_thread"),
    Column("portal_thread_index", LargeBinary, index=True),
    sealed("messages", "topic"),
    Column("automatic", Boolean, nullable=False),
    Column("sender_doubtful", Boolean, nullable=False),
    Column("marks", JSON, nullable=False),
    sealed("messages", "redacted_subject"),
    sealed("messages", "redacted_body"),
    sealed("messages", "redacted_files", nullable=True),
    # What the leak meter found after redaction: type -> how many.
    Column("leaks", JSON),
    Column("spans", JSON, nullable=False),
    Column("withheld", JSON, nullable=False),
    Column("redactor", Text, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    sealed("attachments", "name"),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    sealed("attachments", "content"),
)

redactions = Table(
    "redactions",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("placeholder", String(64), nullable=False),
    Column("type", String(16), nullable=False),
    sealed("redactions", "original"),
)

classifications = Table(
    "classifications",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, unique=True),
    Column("route", String(32), nullable=False),
    Column("also", JSON, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("abstained", Boolean, nullable=False),
    Column("model", Text, nullable=False),
    Column("scores", JSON, nullable=False),
    sealed("classifications", "because"),
)

priorities = Table(
    "priorities",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, unique=True),
    Column("route", String(32), nullable=False),
    Column("also", JSON, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("score", Integer, nullable=False),
    Column("lane", String(16), nullable=False),
    sealed("priorities", "because"),
)

flags = Table(
    "flags",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("urgency", Integer, nullable=False),
    sealed("flags", "quote"),
    sealed("flags", "because"),
)

suggestions = Table(
    "suggestions",
    metadata,
    identity(),
    clinic_column(),
    Column("message_id", ForeignKey("messages.id"), nullable=False, unique=True),
    # Redacted words, yet sealed: a placeholder the redactor missed would stand here in plain.
    sealed("suggestions", "subject"),
    sealed("suggestions", "body"),
    Column("template", Text, nullable=False),
    Column("language", String(16), nullable=False),
)
