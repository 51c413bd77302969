"""Tables of search: keyed digests of words, and which case or patient they lead to.

A token is an HMAC with the index key, cut to eight bytes; docs/adr/0014 says what it gives away.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table
from sqlalchemy import UniqueConstraint as Unique

from triage.store.columns import clinic_column, metadata

#: Microseconds; SQLite calls every whole number an integer.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

#: A case as search knows it. Its number is the moment it was opened, so that the newest case of a
#: word is the first one read; `made_with` tells the rules and the key that made its tokens.
search_cases = Table(
    "search_cases",
    metadata,
    Column("id", String(64), ForeignKey("cases.id"), primary_key=True),
    clinic_column(),
    Column("number", _NUMBER, nullable=False),
    Column("made_with", LargeBinary, nullable=False),
    Unique("clinic", "number", name="uq_search_cases_number"),
)

search_tokens = Table(
    "search_tokens",
    metadata,
    Column("clinic", String(64), primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    # Erasing asks for everything of one case.
    Index("ix_search_tokens_number", "clinic", "number"),
    sqlite_with_rowid=False,
)

search_patients = Table(
    "search_patients",
    metadata,
    Column("clinic", String(64), primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), primary_key=True),
    Index("ix_search_patients_patient_id", "patient_id"),
    sqlite_with_rowid=False,
)
