"""Tables of signing in beyond the password."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from triage.store.columns import Moment, clinic_column, identity, metadata, sealed

second_factors = Table(
    "second_factors",
    metadata,
    # A person has one authenticator app, so the row bears the person's id.
    Column("id", String(64), ForeignKey("users.id"), primary_key=True),
    clinic_column(),
    sealed("second_factors", "secret"),
    Column("made_at", Moment, nullable=False),
    # The step of the last code that was taken; it never works again.
    Column("last_step", Integer, nullable=False),
)

#: The public half of the key a browser made for one session; with the session it ends.
proof_keys = Table(
    "proof_keys",
    metadata,
    # SHA-256 of the public key.
    identity(),
    clinic_column(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    # The session it was made in, which need not be there any more.
    Column("session_id", String(64), nullable=False),
    Column("public", String(130), nullable=False),
    Column("until", Moment, nullable=False),
    Column("certificate", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
)

log_in_tries = Table(
    "log_in_tries",
    metadata,
    # A keyed digest of what is counted: an account nobody may have has no clinic.
    identity(),
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)

known_browsers = Table(
    "known_browsers",
    metadata,
    # Keyed digests: of the browser's token and the person's name, and of the token alone.
    identity(),
    clinic_column(),
    Column("browser", String(64), nullable=False, index=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("seen_at", Moment, nullable=False),
)

#: Who of us is whom at an identity provider; an administrator said so.
openid_subjects = Table(
    "openid_subjects",
    metadata,
    # A person is known by one subject, so the row bears the person's id.
    Column("id", String(64), ForeignKey("users.id"), primary_key=True),
    clinic_column(),
    Column("issuer", Text, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("linked_at", Moment, nullable=False),
    UniqueConstraint("clinic", "issuer", "subject", name="uq_openid_subjects_subject"),
)

#: Log-ins on their way through an identity provider; nobody is known yet, so there is no clinic.
openid_starts = Table(
    "openid_starts",
    metadata,
    # SHA-256 of the state; what it belongs to is known to one browser only.
    identity(),
    Column("begun_at", Moment, nullable=False),
)
