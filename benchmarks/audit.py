"""A million rows of the audit, verified as `triage audit verify` does it."""

import statistics
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, update

from benchmarks.rounds import ROUNDS, few, keep, rounds
from triage.audit import GENESIS, seal
from triage.domain import AuditEvent
from triage.store import Keys, migrate, tables, verify_database
from triage.store.engine import connect

EVENTS = 1_000_000
WANTED = {"seconds_per_million": "<= 60"}
_BATCH = 5000


def events(count: int, key: bytes) -> Iterator[AuditEvent]:
    """Yield a chain of reads and writes of some thousand cases."""
    at, digest = datetime(2026, 11, 2, 8, tzinfo=UTC), GENESIS
    for seq in range(1, count + 1):
        at += timedelta(milliseconds=137)
        cases = tuple(f"{(seq + n) % 5000:032x}" for n in range(20 if seq % 50 == 0 else 1))
        action = "queue.read" if len(cases) > 1 else "case.read"
        detail = {"label": f"{seq:032x}"} if seq % 7 == 0 else {}
        event = AuditEvent(seq, "c1", at, f"user-{seq % 40}", action, cases, detail)
        sealed = seal(event, digest, key=key)
        digest = sealed.digest
        yield sealed


def fill(url: str, keys: Keys, count: int) -> None:
    """Write a chain straight into a database, past its guards, and set its head."""
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        names = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        for (name,) in connection.exec_driver_sql(names).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        batch: list[AuditEvent] = []
        for event in events(count, keys.audit):
            batch.append(event)
            if len(batch) == _BATCH or event.seq == count:
                _write(connection, batch)
                batch.clear()
        connection.execute(update(tables.audit_head).values(seq=count, digest=event.digest))
        connection.commit()
    engine.dispose()


def _write(connection: Connection, batch: list[AuditEvent]) -> None:
    names = ("seq", "clinic", "at", "actor", "action", "previous", "digest")
    rows = [
        {name: getattr(event, name) for name in names}
        | {"cases": list(event.cases), "detail": dict(event.detail)}
        for event in batch
    ]
    connection.execute(insert(tables.audit), rows)
    named = [{"seq": event.seq, "case_id": case} for event in batch for case in event.cases]
    connection.execute(insert(tables.audit_cases), named)


def per_million(values: list[float], count: int) -> float:
    """Return the median of some seconds as seconds a million events."""
    return round(statistics.median(values) * 1_000_000 / count, 1)


def measure() -> None:
    count = few(EVENTS)
    with tempfile.TemporaryDirectory() as name:
        keys, url = Keys.make(Path(name) / "keys"), f"sqlite:///{Path(name) / 'triage.db'}"
        migrate(url, keys)
        fill(url, keys, count)

        def verify() -> None:
            verdict = verify_database(url, keys)
            assert verdict.holds
            assert verdict.events == count

        taken = rounds({"verify": verify}, what="audit", count=1 if ROUNDS == 1 else 3)
    result = {
        "what": "every link of the audit chain verified, encrypted SQLite, one core",
        "events": count,
        "seconds_per_million": per_million([each["verify"] for each in taken], count),
        "rounds": len(taken),
    }
    keep("audit", result, wanted=WANTED)
