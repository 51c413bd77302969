"""The first tables of what leaves, and of what people judged."""

import sqlalchemy as sa
from alembic import op

from triage.store.migrations.first.columns import (
    blob,
    clinic,
    day,
    flag,
    identity,
    link,
    moment,
    name,
    number,
    sealed,
    text,
    words,
)


def drafts() -> None:
    op.create_table(
        "drafts",
        identity(),
        clinic(),
        link("drafts", "case_id", "cases.id"),
        text("contact_id"),
        name("channel", 16),
        sealed("recipient"),
        sealed("in_reply_to"),
        sealed("subject"),
        sealed("body"),
        sealed("attachments"),
        flag("suggested"),
        text("author"),
        moment("edited_at"),
        name("reply_id", 64, nullable=True),
    )
    op.create_index(
        "uq_drafts_open",
        "drafts",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("reply_id IS NULL"),
        postgresql_where=sa.text("reply_id IS NULL"),
    )


def replies() -> None:
    op.create_table(
        "approvals",
        identity(),
        clinic(),
        name("reply_id", 64),
        name("digest", 64),
        link("approvals", "approver", "users.id"),
        moment("approved_at"),
        text("proof"),
        sa.UniqueConstraint("reply_id", name="uq_approvals_reply_id"),
    )
    op.create_table(
        "replies",
        identity(),
        clinic(),
        link("replies", "case_id", "cases.id"),
        link("replies", "contact_id", "contacts.id"),
        name("state", 16),
        name("digest", 64),
        link("replies", "approval_id", "approvals.id", nullable=True),
        name("channel", 16),
        sealed("recipient"),
        sealed("in_reply_to"),
        sealed("subject"),
        sealed("body"),
        sealed("attachments"),
        sealed("message_id"),
        blob("message_id_index"),
        moment("not_before"),
        moment("claimed_at", nullable=True),
        moment("settled_at", nullable=True),
        sealed("receipt", nullable=True),
        sealed("why", nullable=True),
        sa.UniqueConstraint("approval_id", name="uq_replies_approval_id"),
        sa.UniqueConstraint("message_id_index", name="uq_replies_message_id_index"),
    )
    op.create_index("ix_replies_case_id", "replies", ["case_id"])
    op.create_index("ix_replies_due", "replies", ["state", "not_before"])


def labels() -> None:
    op.create_table(
        "labels",
        identity(),
        clinic(),
        link("labels", "case_id", "cases.id"),
        text("model"),
        name("shown_route", 32),
        words("shown_also"),
        number("shown_urgency"),
        name("route", 32),
        words("also"),
        number("urgency"),
        text("by"),
        moment("at"),
        sealed("why"),
        name("source", 32),
    )
    op.create_index("ix_labels_case_id", "labels", ["case_id"])
    op.create_table(
        "sample_items",
        identity(),
        clinic(),
        day("day"),
        link("sample_items", "case_id", "cases.id"),
        link("sample_items", "message_id", "messages.id"),
        flag("judged_right", nullable=True),
        link("sample_items", "label_id", "labels.id", nullable=True),
        text("judged_by", nullable=True),
        moment("judged_at", nullable=True),
        sa.UniqueConstraint("clinic", "message_id", name="uq_sample_items_message"),
    )
    op.create_index("ix_sample_items_day", "sample_items", ["clinic", "day"])
