"""Ways to change what the audit says, as somebody who owns the database and can write SQL.

Each takes an open connection without guards, the numbers of the newest event and of the newest
anchored one, and chance; it changes the chain and says in words what it did.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select, text, type_coerce
from sqlalchemy.types import NULLTYPE

from triage.audit import GENESIS, seal
from triage.domain import AuditEvent
from triage.store import tables
from triage.store.chain import _event

Tamper = Callable[[Connection, int, int, random.Random], str]

COLUMNS = ("clinic", "at", "actor", "action", "cases", "detail", "previous", "digest")
_MOVE = text("UPDATE audit SET seq = :new WHERE seq = :old")


def without_guards(connection: Connection) -> None:
    """Take the triggers and the foreign key of the audit away, as the owner of the tables may."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        )
        for (name,) in names.all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        for table in ("audit", "audit_cases", "audit_head"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.exec_driver_sql(
            "ALTER TABLE audit_cases DROP CONSTRAINT IF EXISTS fk_audit_cases_seq"
        )
    connection.commit()


def begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def edit(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Give one field of one event another value."""
    seq, name = chance.randint(1, newest), chance.choice(COLUMNS)
    old = one(connection, seq)
    kept = getattr(old, name)
    other = {
        "at": old.at + timedelta(microseconds=chance.choice([1, -1, 86_400_000_000])),
        "cases": [*old.cases, "case-x"] if chance.random() < 0.5 else ["x", *old.cases[1:]],
        "detail": {**old.detail, chance.choice(["case", "count", "reply"]): str(chance.random())},
    }.get(name, flipped(kept, chance) if isinstance(kept, str) else kept)
    column = tables.audit.c[name]
    connection.execute(
        tables.audit.update().where(tables.audit.c.seq == seq).values({column: other})
    )
    return f"{name} of {seq}"


def garbage(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Write something into a field that is no value of its kind."""
    seq = chance.randint(1, newest)
    name, value = chance.choice(
        [("cases", "7"), ("detail", "[]"), ("detail", '"x"'), ("cases", "{}"), ("actor", "")]
    )
    cast = "" if connection.dialect.name == "sqlite" or name == "actor" else "::json"
    said = f"UPDATE audit SET {name} = '{value}'{cast} WHERE seq = {seq}"
    if connection.dialect.name == "sqlite" and chance.random() < 0.5:
        name, value = chance.choice([("at", "'soon'"), ("cases", "'{'"), ("actor", "x'ff'")])
        said = f"UPDATE audit SET {name} = CAST({value} AS TEXT) WHERE seq = {seq}"
    connection.exec_driver_sql(said)
    return f"garbage in {name} of {seq}"


def delete(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Take out a few events, sometimes closing the gap, always mending the index."""
    first, count = chance.randint(1, newest - 3), chance.randint(1, 3)
    drop(connection, first, first + count - 1)
    closed = chance.random() < 0.6
    if closed:
        shift(connection, first + count, newest, -count)
        head(connection, newest - count)
    return f"deleted {count} from {first}, gap closed: {closed}"


def insert(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Put an event in that never happened, made of another, and move the later ones up."""
    seq, like = chance.randint(1, newest + 1), one(connection, chance.randint(1, newest))
    shift(connection, seq, newest, +1)
    event = AuditEvent(seq, like.clinic, like.at, flipped(like.actor, chance), "case.read")
    before = one(connection, seq - 1).digest if seq > 1 else GENESIS
    put(connection, seal(event, before, key=b"not the key"))
    head(connection, newest + 1)
    return f"inserted at {seq}"


def reorder(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Let two events change places, with their digests or without."""
    one_seq, other_seq = chance.sample(range(1, newest + 1), 2)
    first, second = one(connection, one_seq), one(connection, other_seq)
    drop(connection, one_seq, one_seq)
    drop(connection, other_seq, other_seq)
    whole = chance.random() < 0.5
    for seq, event, place in ((one_seq, second, first), (other_seq, first, second)):
        links = (event.previous, event.digest) if whole else (place.previous, place.digest)
        moved = AuditEvent(
            seq, event.clinic, event.at, event.actor, event.action, event.cases, event.detail,
            *links,
        )  # fmt: skip
        put(connection, moved)
    return f"swapped {one_seq} and {other_seq}, links too: {whole}"


def truncate(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Cut the end off and set the head back, so that nothing inside shows it."""
    last = chance.randint(0, anchored - 1)
    drop(connection, last + 1, newest)
    head(connection, last)
    return f"cut off after {last}"


def rewrite(key: bytes) -> Tamper:
    """Return a tamper that writes the chain anew with `key` from some event on."""

    def written(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
        first = chance.randint(1, anchored)
        events = [one(connection, seq) for seq in range(first, newest + 1)]
        before = one(connection, first - 1).digest if first > 1 else GENESIS
        drop(connection, first, newest)
        events.pop(0) if len(events) > 1 and chance.random() < 0.5 else events.append(events[0])
        for seq, old in enumerate(events, first):
            actor = flipped(old.actor, chance) if chance.random() < 0.3 else old.actor
            event = AuditEvent(seq, old.clinic, old.at, actor, old.action, old.cases, old.detail)
            sealed = seal(event, before, key=key)
            put(connection, sealed)
            before = sealed.digest
        head(connection, first + len(events) - 1)
        return f"rewritten from {first}"

    return written


def misfile(connection: Connection, newest: int, anchored: int, chance: random.Random) -> str:
    """Hide an event from a case's history, or blame one on a case."""
    seq = chance.randint(1, newest)
    if one(connection, seq).cases and chance.random() < 0.6:
        connection.exec_driver_sql(f"DELETE FROM audit_cases WHERE seq = {seq}")
        return f"hid {seq}"
    seq = chance.choice([seq, newest + 5])
    connection.exec_driver_sql(f"INSERT INTO audit_cases (seq, case_id) VALUES ({seq}, 'blamed')")
    return f"blamed {seq}"


def one(connection: Connection, seq: int) -> AuditEvent:
    """Return one event as it lies there."""
    columns = [type_coerce(column, NULLTYPE) for column in tables.audit.c]
    return _event(connection.execute(select(*columns).where(tables.audit.c.seq == seq)).one())


def put(connection: Connection, event: AuditEvent) -> None:
    """Write one event with its entries in the index of cases."""
    row: dict[str, Any] = {name: getattr(event, name) for name in COLUMNS}
    row |= {"cases": list(event.cases), "detail": dict(event.detail)}
    connection.execute(tables.audit.insert(), [{"seq": event.seq, **row}])
    for case_id in dict.fromkeys(event.cases):
        entry = {"seq": event.seq, "case_id": case_id}
        connection.execute(tables.audit_cases.insert(), [entry])


def drop(connection: Connection, first: int, last: int) -> None:
    """Take events out, with their entries in the index."""
    for table in ("audit_cases", "audit"):
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE seq BETWEEN {first} AND {last}")


def shift(connection: Connection, first: int, last: int, by: int) -> None:
    """Give a run of events other numbers."""
    places = range(first, last + 1) if by < 0 else range(last, first - 1, -1)
    for seq in places:
        connection.execute(_MOVE, {"old": seq, "new": seq + by})
        index = text("UPDATE audit_cases SET seq = :new WHERE seq = :old")
        connection.execute(index, {"old": seq, "new": seq + by})


def head(connection: Connection, seq: int) -> None:
    """Set the head to where the chain now ends."""
    digest = one(connection, seq).digest if seq else GENESIS
    said = text("UPDATE audit_head SET seq = :seq, digest = :digest")
    connection.execute(said, {"seq": seq, "digest": digest})


def flipped(word: str, chance: random.Random) -> str:
    """Return a word with one letter changed."""
    place = chance.randrange(len(word)) if word else 0
    letter = chance.choice([c for c in "0123456789abcdef" if c != word[place : place + 1]])
    return word[:place] + letter + word[place + 1 :]
