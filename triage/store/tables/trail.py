"""Tables of what is remembered: the audit's chains, their heads, and the check of the keys."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from triage.store.columns import Moment, clinic_column, metadata

_COUNT = BigInteger().with_variant(Integer, "sqlite")

#: `seq` counts over all chains; on PostgreSQL a sequence gives it, which nobody waits for.
audit = Table(
    "audit",
    metadata,
    Column("seq", _COUNT, primary_key=True, autoincrement=False),
    clinic_column(),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("cases", JSON, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    # Rows from before each process had a chain of its own are the first chain's.
    Column("chain", String(32), nullable=False, server_default="first"),
    Column("number", _COUNT, nullable=False, server_default="0"),
    Index("ix_audit_clinic", "clinic", "seq"),
    Index("uq_audit_number", "chain", "number", unique=True),
)

#: Which audit rows name a case; derived from `audit.cases`, so it stands outside the chain.
audit_cases = Table(
    "audit_cases",
    metadata,
    Column("case_id", String(64), primary_key=True),
    Column("seq", ForeignKey("audit.seq"), primary_key=True),
    Index("ix_audit_cases_seq", "seq", "case_id"),
)

#: Where each chain ends; a transaction takes one that nobody else is writing to.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("number", _COUNT, nullable=False),
    Column("digest", String(64), nullable=False),
)

#: Tells a wrong key at start-up instead of at the first message.
key_checks = Table(
    "key_checks",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: A counter per clinic that moves whenever its queue does.
queue_versions = Table(
    "queue_versions",
    metadata,
    Column("clinic", String(64), primary_key=True),
    Column("version", _COUNT, nullable=False),
)

#: A counter per clinic that moves whenever its patients or staff do.
roster_versions = Table(
    "roster_versions",
    metadata,
    Column("clinic", String(64), primary_key=True),
    Column("version", _COUNT, nullable=False),
)

#: The last sign of life of each process.
beats = Table(
    "beats",
    metadata,
    Column("process", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("notes", JSON, nullable=False),
    # Model -> [steps, seconds], where the process asks models.
    Column("paces", JSON),
)
