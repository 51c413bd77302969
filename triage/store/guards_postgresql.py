"""The guards as PostgreSQL keeps them: one function each, on triggers that always fire.

Rule of the room: ALWAYS, so that not even a session in replica mode passes a guard by; and with
a search path of their own, so that nobody's temporary table stands in for the real one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from triage.store.guard import Guard

#: Bits of pg_trigger.tgtype: for each row, before, and the event.
_ROW, _BEFORE = 1, 2
_EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
_NAME_LENGTH = 63


def drop(connection: Connection) -> None:
    """Drop every guard there is."""
    for name, table in _ours(connection):
        connection.exec_driver_sql(f'DROP TRIGGER "{name}" ON "{table}"')


def make(connection: Connection, guards: Sequence["Guard"], kept: Sequence[str]) -> None:
    """Make every guard, and a refusal to truncate the tables that are kept."""
    for guard in guards:
        _make(connection, _short(guard.name), guard.table, guard.event, _body(guard))
    for table in kept:
        _make(connection, f"guard_{table}_truncate", table, "TRUNCATE", _no_truncate(table))


def write_down(guards: Sequence["Guard"], kept: Sequence[str]) -> dict[str, str]:
    """Return name -> definition of every guard there must be."""
    rows = {
        _short(guard.name): _definition(guard.table, _ROW | _EVENTS[guard.event], "A", _body(guard))
        for guard in guards
    }
    truncates = {
        f"guard_{table}_truncate": _definition(table, _EVENTS["TRUNCATE"], "A", _no_truncate(table))
        for table in kept
    }
    return rows | truncates


def read(connection: Connection) -> dict[str, str]:
    """Return name -> definition of every trigger and rule on the store's tables."""
    query = (
        "SELECT t.tgname, c.relname, t.tgtype, t.tgenabled, p.prosrc,"
        " t.tgqual IS NULL AND t.tgattr::text = '' AND p.proname = t.tgname"
        " AND NOT p.prosecdef AND p.proconfig = ARRAY['search_path=public, pg_temp']"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE NOT t.tgisinternal AND n.nspname = 'public'"
    )
    found = {}
    for name, table, kind, enabled, body, plain in connection.exec_driver_sql(query):
        mode = _letter(enabled) if plain else "with conditions"
        found[str(name)] = _definition(str(table), int(kind) & ~_BEFORE, mode, str(body))
        if not int(kind) & _BEFORE:
            found[str(name)] = "after"
    rules = "SELECT rulename FROM pg_rules WHERE schemaname = 'public'"
    found |= {str(name): "rule" for (name,) in connection.exec_driver_sql(rules)}
    return found


def _letter(enabled: object) -> str:
    return enabled.decode() if isinstance(enabled, bytes) else str(enabled)


def _definition(table: str, kind: int, enabled: str, body: str) -> str:
    return f"{table} {kind} {enabled} {body}"


def _ours(connection: Connection) -> list[tuple[str, str]]:
    query = (
        "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE NOT t.tgisinternal AND n.nspname = 'public'"
    )
    return [(str(name), str(table)) for name, table in connection.exec_driver_sql(query)]


def _make(connection: Connection, name: str, table: str, event: str, body: str) -> None:
    each = "STATEMENT" if event == "TRUNCATE" else "ROW"
    connection.exec_driver_sql(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = public, pg_temp AS $${body}$$"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()"
    )
    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _body(guard: "Guard") -> str:
    row = "OLD" if guard.event == "DELETE" else "NEW"
    return (
        f" BEGIN IF {guard.when} THEN"
        f" RAISE EXCEPTION 'guard: {guard.table}, {guard.says}'; END IF;"
        f" RETURN {row}; END "
    )


def _no_truncate(table: str) -> str:
    return f" BEGIN RAISE EXCEPTION 'guard: {table}, never truncated'; END "


def _short(name: str) -> str:
    return name[:_NAME_LENGTH]
