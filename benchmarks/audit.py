"""A million rows of the audit in four chains, verified as `triage audit verify` does it.

`python -m benchmarks.run audit`; beside it, the digests alone: no check can take less.
"""

import hmac
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, update

from benchmarks.rounds import ROUNDS, few, keep, ratio, rounds
from triage.audit import GENESIS, event_key, link, seal
from triage.domain import AuditEvent, Head
from triage.store import Keys, migrate, tables, verify_database
from triage.store.engine import connect
from triage.store.trail import PARTS

EVENTS = 1_000_000
WANTED = {"seconds_per_million": "<= 60", "cpu_seconds_per_million": "<= 60"}
_BATCH = 5000


def events(count: int, key: bytes) -> Iterator[AuditEvent]:
    """Yield reads and writes of some thousand cases, as four processes would leave them."""
    at, chance = datetime(2026, 11, 2, 8, tzinfo=UTC), random.Random(1)
    ends = {part: Head(part, 0, GENESIS) for part in PARTS}
    for seq in range(1, count + 1):
        at += timedelta(milliseconds=137)
        cases = tuple(f"{(seq + n) % 5000:032x}" for n in range(20 if seq % 50 == 0 else 1))
        action = "queue.read" if len(cases) > 1 else "case.read"
        detail = {"label": f"{seq:032x}"} if seq % 7 == 0 else {}
        end = ends[chance.choice(PARTS)]
        event = AuditEvent(
            seq, "c1", at, f"user-{seq % 40}", action, cases, detail,
            chain=end.chain, number=end.number + 1,
        )  # fmt: skip
        sealed = seal(event, end.digest, key=key)
        ends[end.chain] = Head(end.chain, sealed.number, sealed.digest)
        yield sealed


def fill(url: str, keys: Keys, count: int) -> None:
    """Write chains straight into a database, past its guards, and set their heads."""
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        names = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        for (name,) in connection.exec_driver_sql(names).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        batch: list[AuditEvent] = []
        ends: dict[str, AuditEvent] = {}
        for event in events(count, keys.audit):
            batch.append(event)
            ends[event.chain] = event
            if len(batch) == _BATCH or event.seq == count:
                _write(connection, batch)
                batch.clear()
        heads = tables.audit_heads
        for chain, end in ends.items():
            mine = update(heads).where(heads.c.chain == chain)
            connection.execute(mine.values(number=end.number, digest=end.digest))
        connection.commit()
    engine.dispose()


def _write(connection: Connection, batch: list[AuditEvent]) -> None:
    names = ("seq", "clinic", "at", "actor", "action", "previous", "digest", "chain", "number")
    rows = [
        {name: getattr(event, name) for name in names}
        | {"cases": list(event.cases), "detail": dict(event.detail)}
        for event in batch
    ]
    connection.execute(insert(tables.audit), rows)
    named = [{"seq": event.seq, "case_id": case} for event in batch for case in event.cases]
    connection.execute(insert(tables.audit_cases), named)


def digests(count: int, key: bytes) -> None:
    """Make the three digests of as many events, and nothing else."""
    words, digest = b"x" * 200, GENESIS
    for seq in range(count):
        digest = link(digest, hmac.digest(event_key(key, seq), words, "sha256").hex())


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
            began = time.process_time()
            verdict = verify_database(url, keys)
            cpu.append(time.process_time() - began)
            assert verdict.holds
            assert (verdict.events, len(verdict.heads)) == (count, len(PARTS))

        cpu: list[float] = []
        sides = {"verify": verify, "digests": lambda: digests(count, keys.audit)}
        taken = rounds(sides, what="audit", count=1 if ROUNDS == 1 else 3)
    result = {
        "what": "every link of four audit chains verified, encrypted SQLite, one core",
        "events": count,
        "seconds_per_million": per_million([each["verify"] for each in taken], count),
        # What a machine of our own would take: others' work on a shared one is not in it.
        "cpu_seconds_per_million": per_million(cpu, count),
        "over_the_digests_alone": ratio(taken, "verify", "digests"),
        "rounds": len(taken),
        "command": "python -m benchmarks.run audit",
    }
    keep("audit", result, wanted=WANTED)
