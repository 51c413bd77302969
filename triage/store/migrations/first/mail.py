"""The first tables of what came in and what people work on."""

import sqlalchemy as sa
from alembic import op

from triage.store.migrations.first.columns import (
    blob,
    clinic,
    flag,
    identity,
    link,
    moment,
    name,
    number,
    sealed,
    share,
    text,
    words,
)


def landing() -> None:
    op.create_table(
        "raw_messages",
        identity(),
        clinic(),
        text("inbox"),
        text("mailbox"),
        text("epoch"),
        text("uid"),
        name("channel", 16),
        name("media_type", 128),
        blob("digest"),
        sealed("content"),
        moment("received_at"),
        number("attempts"),
        moment("filed_at", nullable=True),
    )
    op.create_index(
        "ix_raw_messages_waiting",
        "raw_messages",
        ["received_at", "id"],
        sqlite_where=sa.text("filed_at IS NULL"),
        postgresql_where=sa.text("filed_at IS NULL"),
    )
    op.create_table(
        "ledger",
        identity(),
        clinic(),
        text("inbox"),
        text("mailbox"),
        text("epoch"),
        text("uid"),
        blob("digest"),
        link("ledger", "raw_id", "raw_messages.id"),
        name("fate", 16),
        moment("at"),
        sa.UniqueConstraint(
            "clinic", "inbox", "mailbox", "epoch", "uid", "digest", name="uq_ledger_key"
        ),
    )
    op.create_index("ix_ledger_digest", "ledger", ["clinic", "inbox", "mailbox", "digest"])
    op.create_index("ix_ledger_raw_id", "ledger", ["raw_id"])
    op.create_table(
        "cursors",
        identity(),
        clinic(),
        text("inbox"),
        text("mailbox"),
        text("epoch"),
        text("uid"),
        moment("moved_at"),
        sa.UniqueConstraint("clinic", "inbox", "mailbox", name="uq_cursors_key"),
    )


def cases() -> None:
    op.create_table(
        "threads",
        identity(),
        clinic(),
        link("threads", "patient_id", "patients.id", nullable=True),
        link("threads", "contact_id", "contacts.id", nullable=True),
    )
    op.create_table(
        "cases",
        identity(),
        clinic(),
        link("cases", "thread_id", "threads.id"),
        name("state", 16),
        name("lane", 16),
        name("home_lane", 16),
        name("route", 32),
        words("also"),
        number("urgency"),
        number("score"),
        share("confidence"),
        flag("abstained"),
        words("marks"),
        link("cases", "patient_id", "patients.id", nullable=True),
        link("cases", "contact_id", "contacts.id", nullable=True),
        name("channel", 16),
        moment("opened_at"),
        moment("last_message_at"),
        text("claimed_by", nullable=True),
        moment("claimed_at", nullable=True),
        moment("closed_at", nullable=True),
        text("outcome", nullable=True),
        sealed("note", nullable=True),
    )
    op.create_index("ix_cases_patient_id", "cases", ["patient_id"])
    op.create_index(
        "ix_cases_queue",
        "cases",
        ["clinic", sa.text("urgency DESC"), sa.text("score DESC"), "opened_at", "id"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_cases_thread_id", "cases", ["thread_id"])
    op.create_table(
        "requests",
        identity(),
        clinic(),
        link("requests", "case_id", "cases.id"),
        number("position"),
        name("route", 32),
        number("urgency"),
        flag("done"),
        text("done_by", nullable=True),
        moment("done_at", nullable=True),
    )
    op.create_index("ix_requests_case_id", "requests", ["case_id"])


def messages() -> None:
    op.create_table(
        "messages",
        identity(),
        clinic(),
        link("messages", "raw_id", "raw_messages.id"),
        link("messages", "case_id", "cases.id"),
        link("messages", "thread_id", "threads.id"),
        link("messages", "contact_id", "contacts.id", nullable=True),
        link("messages", "patient_id", "patients.id", nullable=True),
        name("channel", 16),
        moment("received_at"),
        sealed("sender"),
        sealed("sender_name"),
        sealed("subject"),
        sealed("body"),
        sealed("preview"),
        sealed("quoted"),
        sealed("signature"),
        sealed("html"),
        sealed("readings"),
        sealed("message_id"),
        blob("message_id_index", nullable=True),
        sealed("reply_references"),
        sealed("portal_thread"),
        blob("portal_thread_index", nullable=True),
        sealed("topic"),
        flag("automatic"),
        flag("sender_doubtful"),
        words("marks"),
        sealed("redacted_subject"),
        sealed("redacted_body"),
        words("spans"),
        words("withheld"),
        text("redactor"),
        sa.UniqueConstraint("raw_id", name="uq_messages_raw_id"),
    )
    op.create_index("ix_messages_case_id", "messages", ["case_id"])
    op.create_index("ix_messages_message_id_index", "messages", ["message_id_index"])
    op.create_index("ix_messages_portal_thread_index", "messages", ["portal_thread_index"])
    op.create_index("ix_messages_received_at", "messages", ["received_at"])
    op.create_index("ix_messages_thread_id", "messages", ["thread_id"])


def parts() -> None:
    op.create_table(
        "attachments",
        identity(),
        clinic(),
        link("attachments", "message_id", "messages.id"),
        number("position"),
        sealed("name"),
        text("media_type"),
        number("size"),
        sealed("content"),
    )
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])
    op.create_table(
        "redactions",
        identity(),
        clinic(),
        link("redactions", "message_id", "messages.id"),
        number("position"),
        name("placeholder", 64),
        name("type", 16),
        sealed("original"),
    )
    op.create_index("ix_redactions_message_id", "redactions", ["message_id"])


def judgements() -> None:
    op.create_table(
        "classifications",
        identity(),
        clinic(),
        link("classifications", "message_id", "messages.id"),
        name("route", 32),
        words("also"),
        number("urgency"),
        share("confidence"),
        flag("abstained"),
        text("model"),
        words("scores"),
        sealed("because"),
        sa.UniqueConstraint("message_id", name="uq_classifications_message_id"),
    )
    op.create_table(
        "priorities",
        identity(),
        clinic(),
        link("priorities", "message_id", "messages.id"),
        name("route", 32),
        words("also"),
        number("urgency"),
        number("score"),
        name("lane", 16),
        sealed("because"),
        sa.UniqueConstraint("message_id", name="uq_priorities_message_id"),
    )
    op.create_table(
        "flags",
        identity(),
        clinic(),
        link("flags", "message_id", "messages.id"),
        number("position"),
        text("rule"),
        number("urgency"),
        sealed("quote"),
        sealed("because"),
    )
    op.create_index("ix_flags_message_id", "flags", ["message_id"])
    op.create_table(
        "suggestions",
        identity(),
        clinic(),
        link("suggestions", "message_id", "messages.id"),
        sealed("subject"),
        sealed("body"),
        text("template"),
        name("language", 16),
        sa.UniqueConstraint("message_id", name="uq_suggestions_message_id"),
    )
