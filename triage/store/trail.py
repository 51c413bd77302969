"""Writes the rows of the audit: on a chain that no other transaction is writing to.

Rule of the room: nobody waits for anybody's head. Each kind of process has chains of its own; of
two that write at the same moment, the second takes another chain, or begins one.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, text, update

from triage.audit import GENESIS, seal
from triage.domain import AuditEvent, Head
from triage.store import tables

#: Kinds of processes; whoever opens the store without saying which is a command.
WEB, WORKER, SENDER, COMMAND = "web", "worker", "sender", "command"
PARTS = (WEB, WORKER, SENDER, COMMAND)


def append(connection: Connection, events: Sequence[AuditEvent], *, part: str, key: bytes) -> None:
    """Seal events to the end of a free chain of `part` and write them."""
    _go_on(connection, _free(connection, part), events, key)


def renew_chains(connection: Connection, *, key: bytes, by: str, at: datetime) -> int:
    """Say at the end of every chain that a new key follows; return how many there are.

    Run as the owner, while whoever writes is held off, so that no chain is left out.
    """
    clinics = connection.scalars(select(tables.clinics.c.id).order_by(tables.clinics.c.id)).all()
    detail = {"key": "audit"}
    events = [AuditEvent(0, clinic, at, by, "keys.rotated", (), detail) for clinic in clinics]
    heads = heads_of(connection)
    for head in heads:
        _go_on(connection, head, events, key)
    return len(heads)


def _go_on(connection: Connection, head: Head, events: Sequence[AuditEvent], key: bytes) -> None:
    heads = tables.audit_heads
    mine = update(heads).where(heads.c.chain == head.chain)
    # Drawn while the head is held: within a chain the order of all is that of the chain.
    for event, seq in zip(events, _order(connection, len(events)), strict=True):
        placed = replace(event, seq=seq, chain=head.chain, number=head.number + 1)
        sealed = seal(placed, head.digest, key=key)
        head = Head(head.chain, sealed.number, sealed.digest)
        _write(connection, sealed)
        connection.execute(mine.values(number=head.number, digest=head.digest))


def heads_of(connection: Connection) -> tuple[Head, ...]:
    """Return where every chain ends that has begun."""
    table = tables.audit_heads
    query = select(table).where(table.c.number > 0).order_by(table.c.chain)
    return tuple(Head(str(each.chain), int(each.number), str(each.digest))
                 for each in connection.execute(query))  # fmt: skip


def begin_chains(connection: Connection) -> None:
    """Give every kind of process its first chain, where it has none; run as owner."""
    known = set(connection.scalars(select(tables.audit_heads.c.chain)))
    for part in PARTS:
        if part not in known:
            _begin(connection, part)


def go_on(connection: Connection) -> None:
    """Let the order of all go on after the rows that are there; run as owner."""
    if connection.dialect.name == "postgresql":
        said = "SELECT setval('audit_order', (SELECT COALESCE(max(seq), 0) + 1 FROM audit), false)"
        connection.execute(text(said))


def _free(connection: Connection, part: str) -> Head:
    """Take a chain of `part` that nobody holds, or begin one; on SQLite nobody else writes."""
    table = tables.audit_heads
    mine = (table.c.chain == part) | table.c.chain.startswith(f"{part}.", autoescape=True)
    query = select(table).where(mine).order_by(table.c.chain).limit(1)
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is not None:
        return Head(str(row.chain), int(row.number), str(row.digest))
    # A number nobody else was given: two that begin a chain do not wait for each other either.
    (number,) = _order(connection, 1)
    return _begin(connection, f"{part}.{number}")


def _begin(connection: Connection, chain: str) -> Head:
    connection.execute(insert(tables.audit_heads).values(chain=chain, number=0, digest=GENESIS))
    return Head(chain, 0, GENESIS)


def _order(connection: Connection, count: int) -> Sequence[int]:
    """Return the next numbers in the order of all."""
    if connection.dialect.name == "postgresql":
        draw = text("SELECT nextval('public.audit_order') FROM generate_series(1, :count)")
        return [int(seq) for seq in connection.scalars(draw, {"count": count})]
    last = connection.execute(text("SELECT COALESCE(max(seq), 0) FROM audit")).scalar_one()
    return range(last + 1, last + 1 + count)


def _write(connection: Connection, event: AuditEvent) -> None:
    row = {
        "seq": event.seq,
        "clinic": event.clinic,
        "at": event.at,
        "actor": event.actor,
        "action": event.action,
        "cases": list(event.cases),
        "detail": dict(event.detail),
        "previous": event.previous,
        "digest": event.digest,
        "chain": event.chain,
        "number": event.number,
    }
    connection.execute(insert(tables.audit), [row])
    named = [{"case_id": case, "seq": event.seq} for case in dict.fromkeys(event.cases)]
    if named:
        connection.execute(insert(tables.audit_cases), named)
