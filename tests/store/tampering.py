"""Ways to change what the audit says, as somebody who owns the database and can write SQL.

Each takes an open connection without guards, the newest anchored number of each chain, and
chance; it changes the chains and says in words what it did.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from triage.audit import GENESIS, seal
from triage.domain import AuditEvent
from triage.store import tables
from triage.store.rawrows import event_of, raw_columns

Anchored = Mapping[str, int]
Tamper = Callable[[Connection, Anchored, random.Random], str]

COLUMNS = ("clinic", "at", "actor", "action", "cases", "detail", "previous", "digest", "chain")
_AUDIT = tables.audit.c


def without_guards(connection: Connection) -> None:
    """Take triggers, foreign key and unique index of the audit away, as the owner may."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        )
        for (name,) in names.all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        for table in ("audit", "audit_cases", "audit_heads"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.exec_driver_sql(
            "ALTER TABLE audit_cases DROP CONSTRAINT IF EXISTS fk_audit_cases_seq"
        )
    connection.exec_driver_sql("DROP INDEX IF EXISTS uq_audit_number")
    connection.commit()


def begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def edit(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Give one field of one event another value."""
    old, name = any_event(connection, chance), chance.choice(COLUMNS)
    kept = getattr(old, name)
    other = {
        "at": old.at + timedelta(microseconds=chance.choice([1, -1, 86_400_000_000])),
        "cases": [*old.cases, "case-x"] if chance.random() < 0.5 else ["x", *old.cases[1:]],
        "detail": {**old.detail, chance.choice(["case", "count", "reply"]): str(chance.random())},
    }.get(name, flipped(kept, chance) if isinstance(kept, str) else kept)
    change(connection, old.seq, **{name: other})
    return f"{name} of {old.seq}"


def garbage(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Write something into a field that is no value of its kind."""
    seq = any_event(connection, chance).seq
    name, value = chance.choice(
        [("cases", "7"), ("detail", "[]"), ("detail", '"x"'), ("cases", "{}"), ("actor", "")]
    )
    cast = "" if connection.dialect.name == "sqlite" or name == "actor" else "::json"
    said = f"UPDATE audit SET {name} = '{value}'{cast} WHERE seq = {seq}"
    if connection.dialect.name == "sqlite" and chance.random() < 0.5:
        name, value = chance.choice(
            [("at", "'soon'"), ("cases", "'{'"), ("actor", "x'ff'"), ("number", "'1st'")]
        )
        said = f"UPDATE audit SET {name} = CAST({value} AS TEXT) WHERE seq = {seq}"
    connection.exec_driver_sql(said)
    return f"garbage in {name} of {seq}"


def delete(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Take out a few events of a chain, sometimes closing the gap, always mending the index."""
    events = any_chain(connection, chance)
    first, count = chance.randrange(len(events) - 3), chance.randint(1, 3)
    drop(connection, events[first : first + count])
    closed = chance.random() < 0.6
    if closed:
        for event in events[first + count :]:
            change(connection, event.seq, number=event.number - count)
        set_head(connection, events[0].chain)
    return f"deleted {count} of {events[0].chain}, gap closed: {closed}"


def insert(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Put an event in that never happened, made of another, and move the later ones up."""
    events = any_chain(connection, chance)
    like, at = chance.choice(events), chance.randrange(len(events))
    move_up(connection, events[at].seq)
    for event in reversed(events[at:]):
        change(connection, event.seq + 1, number=event.number + 1)
    fake = AuditEvent(events[at].seq, like.clinic, like.at, flipped(like.actor, chance),
                      "case.read", chain=like.chain, number=at + 1)  # fmt: skip
    before = events[at - 1].digest if at else GENESIS
    put(connection, seal(fake, before, key=b"not the key"))
    set_head(connection, like.chain)
    return f"inserted into {like.chain}"


def reorder(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Let two events of a chain change places, with their digests or without."""
    one, other = chance.sample(any_chain(connection, chance), 2)
    drop(connection, [one, other])
    whole = chance.random() < 0.5
    for event, place in ((other, one), (one, other)):
        links = (event.previous, event.digest) if whole else (place.previous, place.digest)
        moved = replace(event, seq=place.seq, number=place.number)
        put(connection, replace(moved, previous=links[0], digest=links[1]))
    return f"swapped {one.seq} and {other.seq}, links too: {whole}"


def move(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Move an event from one chain to the end of another, closing its gap, heads set right."""
    chain, other = chance.sample(sorted(chains(connection)), 2)
    events, theirs = chains(connection)[chain], chains(connection)[other]
    at = chance.choice([len(events) - 1, chance.randrange(len(events))])
    links = {"previous": theirs[-1].digest} if chance.random() < 0.5 else {}
    change(connection, events[at].seq, chain=other, number=len(theirs) + 1, **links)
    for event in events[at + 1 :]:
        change(connection, event.seq, number=event.number - 1)
    for each in (chain, other):
        set_head(connection, each)
    return f"moved {at + 1} of {chain} to {other}"


def swap(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Let two whole chains change names, heads included."""
    one, other = chance.sample(sorted(chains(connection)), 2)
    for table in ("audit", "audit_heads"):
        for old, new in ((one, "aside"), (other, one), ("aside", other)):
            said = text(f"UPDATE {table} SET chain = :new WHERE chain = :old")
            connection.execute(said, {"old": old, "new": new})
    return f"swapped {one} and {other}"


def truncate(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Cut the end of a chain off and set its head back, so that nothing inside shows it."""
    events = any_chain(connection, chance, anchored)
    last = chance.randrange(1, anchored[events[0].chain])
    drop(connection, events[last:])
    set_head(connection, events[0].chain)
    return f"cut {events[0].chain} off after {last}"


def lose(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Take a whole chain away, with its head or with the head as it was born."""
    events = any_chain(connection, chance, anchored)
    drop(connection, events)
    said = text("DELETE FROM audit_heads WHERE chain = :chain")
    if chance.random() < 0.5:
        said = text("UPDATE audit_heads SET number = 0, digest = :digest WHERE chain = :chain")
        said = said.bindparams(digest=GENESIS)
    connection.execute(said, {"chain": events[0].chain})
    return f"lost {events[0].chain}"


def rewrite(key: bytes, *, whole: bool = False) -> Tamper:
    """Return a tamper that writes a chain anew with `key`, from its start or from some event on."""

    def written(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
        events = any_chain(connection, chance, anchored)
        chain = events[0].chain
        first = 0 if whole else chance.randrange(anchored[chain])
        places = [event.seq for event in events[first:]]
        before, rest = (events[first - 1].digest if first else GENESIS), events[first:]
        drop(connection, rest)
        if len(rest) > 1 and chance.random() < 0.5:
            rest.pop(0)
        for number, (seq, old) in enumerate(zip(places, rest, strict=False), first + 1):
            # The first is changed for sure: with the right key the same words are no tampering.
            other = number == first + 1 or chance.random() < 0.3
            actor = flipped(old.actor, chance) if other else old.actor
            event = seal(replace(old, seq=seq, number=number, actor=actor), before, key=key)
            put(connection, event)
            before = event.digest
        set_head(connection, chain)
        return f"rewritten {chain} from {first + 1}"

    return written


def misfile(connection: Connection, anchored: Anchored, chance: random.Random) -> str:
    """Hide an event from a case's history, or blame one on a case."""
    event = any_event(connection, chance)
    if event.cases and chance.random() < 0.6:
        connection.exec_driver_sql(f"DELETE FROM audit_cases WHERE seq = {event.seq}")
        return f"hid {event.seq}"
    seq = chance.choice([event.seq, 100_000])
    connection.exec_driver_sql(f"INSERT INTO audit_cases (seq, case_id) VALUES ({seq}, 'blamed')")
    return f"blamed {seq}"


def chains(connection: Connection) -> dict[str, list[AuditEvent]]:
    """Return every chain as it lies there."""
    found: dict[str, list[AuditEvent]] = {}
    for row in connection.execute(select(*raw_columns(connection)).order_by(_AUDIT.seq)):
        event = event_of(row)
        found.setdefault(event.chain, []).append(event)
    return found


def any_chain(
    connection: Connection, chance: random.Random, anchored: Anchored | None = None
) -> list[AuditEvent]:
    """Return one chain that is long enough, and anchored where that is asked for."""
    found = chains(connection)
    fit = [name for name in sorted(found) if len(found[name]) > 5]
    return found[chance.choice([name for name in fit if anchored is None or name in anchored])]


def any_event(connection: Connection, chance: random.Random) -> AuditEvent:
    """Return one event, of whatever chain."""
    events = [event for chain in chains(connection).values() for event in chain]
    return chance.choice(sorted(events, key=lambda event: event.seq))


def change(connection: Connection, seq: int, **values: Any) -> None:
    """Give columns of one event other values."""
    connection.execute(tables.audit.update().where(_AUDIT.seq == seq).values(**values))


def put(connection: Connection, event: AuditEvent) -> None:
    """Write one event with its entries in the index of cases."""
    row: dict[str, Any] = {name: getattr(event, name) for name in COLUMNS}
    row |= {"cases": list(event.cases), "detail": dict(event.detail), "number": event.number}
    connection.execute(tables.audit.insert(), [{"seq": event.seq, **row}])
    for case_id in dict.fromkeys(event.cases):
        entry = {"seq": event.seq, "case_id": case_id}
        connection.execute(tables.audit_cases.insert(), [entry])


def drop(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Take events out, with their entries in the index."""
    seqs = [event.seq for event in events]
    for table in (tables.audit_cases, tables.audit):
        connection.execute(table.delete().where(table.c.seq.in_(seqs)))


def move_up(connection: Connection, first: int) -> None:
    """Give every event from `first` on the next number in the order of all."""
    last = connection.execute(select(func.max(_AUDIT.seq))).scalar_one()
    for seq in range(last, first - 1, -1):
        for table in ("audit", "audit_cases"):
            said = text(f"UPDATE {table} SET seq = :seq + 1 WHERE seq = :seq")
            connection.execute(said, {"seq": seq})


def set_head(connection: Connection, chain: str) -> None:
    """Set the head of a chain to where it now ends."""
    query = select(_AUDIT.number, _AUDIT.digest).where(_AUDIT.chain == chain)
    number, digest = connection.execute(query.order_by(_AUDIT.number.desc()).limit(1)).one()
    heads = tables.audit_heads
    mine = heads.update().where(heads.c.chain == chain)
    connection.execute(mine.values(number=number, digest=digest))


def flipped(word: str, chance: random.Random) -> str:
    """Return a word with one letter changed."""
    place = chance.randrange(len(word)) if word else 0
    letter = chance.choice([c for c in "0123456789abcdef" if c != word[place : place + 1]])
    return word[:place] + letter + word[place + 1 :]
