"""The first tables of the practice, and of what is remembered."""

import sqlalchemy as sa
from alembic import op

from triage.store.migrations.first.columns import (
    COUNT,
    blob,
    clinic,
    count,
    flag,
    identity,
    link,
    moment,
    name,
    sealed,
    text,
    words,
)


def trail() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", COUNT, primary_key=True, autoincrement=False),
        clinic(),
        moment("at"),
        text("actor"),
        name("action", 64),
        words("cases"),
        words("detail"),
        name("previous", 64),
        name("digest", 64),
    )
    op.create_index("ix_audit_clinic", "audit", ["clinic", "seq"])
    op.create_table(
        "audit_cases",
        sa.Column("case_id", sa.String(64), primary_key=True),
        sa.Column(
            "seq",
            COUNT,
            sa.ForeignKey("audit.seq", name="fk_audit_cases_seq"),
            primary_key=True,
            autoincrement=False,
        ),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        count("seq"),
        name("digest", 64),
    )
    op.create_table(
        "key_checks",
        sa.Column("name", sa.String(16), primary_key=True),
        blob("value"),
    )
    op.create_table(
        "queue_versions",
        sa.Column("clinic", sa.String(64), primary_key=True),
        count("version"),
    )
    op.create_table(
        "beats",
        sa.Column("process", sa.String(64), primary_key=True),
        moment("at"),
        words("notes"),
    )


def people() -> None:
    op.create_table(
        "clinics",
        identity(),
        text("name"),
        name("timezone", 64),
    )
    op.create_table(
        "teams",
        identity(),
        clinic(),
        text("name"),
        words("routes"),
        sa.UniqueConstraint("clinic", "name", name="uq_teams_name"),
    )
    op.create_table(
        "users",
        identity(),
        clinic(),
        name("username", 128),
        text("display_name"),
        words("roles"),
        flag("active"),
        text("password"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "sessions",
        identity(),
        clinic(),
        link("sessions", "user_id", "users.id"),
        moment("opened_at"),
        moment("seen_at"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def patients() -> None:
    op.create_table(
        "patients",
        identity(),
        clinic(),
        sealed("name"),
        sealed("birth_date"),
        sealed("mrn"),
        blob("mrn_index", nullable=True),
        name("language", 16),
        sa.UniqueConstraint("clinic", "mrn_index", name="uq_patients_mrn"),
    )
    op.create_table(
        "contacts",
        identity(),
        clinic(),
        link("contacts", "patient_id", "patients.id"),
        name("channel", 16),
        sealed("address"),
        blob("address_index"),
        sealed("name"),
        name("relation", 32),
        text("verified_by", nullable=True),
        flag("consent_to_email"),
        name("language", 16),
        sa.UniqueConstraint("patient_id", "channel", "address_index", name="uq_contacts_address"),
    )
    op.create_index("ix_contacts_address", "contacts", ["clinic", "channel", "address_index"])
    op.create_index("ix_contacts_patient_id", "contacts", ["patient_id"])
    op.create_table(
        "signatures",
        identity(),
        clinic(),
        text("what"),
        name("digest", 64),
        text("user_id"),
        moment("at"),
    )
    op.create_index("ix_signatures_what", "signatures", ["clinic", "what", "digest"])
