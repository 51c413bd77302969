"""On PostgreSQL some roles see or add some rows only, whatever they ask of a table.

The sender sees the replies that are on their way, and no others. The web lands what came signed by
a hook, and nothing else: it cannot put a mail or a portal message into the ledger.

Rule of the room: what a role may see or add of a table's rows is one function and one policy; the
owner makes them anew after every migration, and a store on which they are others is refused.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from triage.errors import StoreRefused


class _Policy(NamedTuple):
    table: str
    command: str
    roles: str
    #: What is seen, and what may be written; nothing where the command asks for neither.
    sees: str | None
    adds: str | None


_ON_ITS_WAY, _BY_HOOK = "triage_on_its_way", "triage_came_by_hook"
#: name -> arguments and body. A settled row is seen once more by the very statement that settles
#: it: what is stored still says that it was sending.
_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    _ON_ITS_WAY: (
        "reply varchar, shown varchar",
        "SELECT shown IN ('queued', 'sending') OR EXISTS (SELECT 1 FROM public.replies"
        " WHERE replies.id = reply AND replies.state = 'sending')",
    ),
    _BY_HOOK: (
        "raw varchar, door text, place text",
        "SELECT EXISTS (SELECT 1 FROM public.raw_messages WHERE raw_messages.id = raw"
        " AND raw_messages.inbox = door AND raw_messages.epoch = place"
        " AND raw_messages.channel = 'form')",
    ),
}
#: As PostgreSQL writes them down again, so that they can be compared.
_POLICIES: Mapping[str, _Policy] = {
    "sees_every_reply": _Policy("replies", "ALL", "triage_web, triage_worker", "true", "true"),
    "sees_replies_on_their_way": _Policy(
        "replies", "ALL", "triage_sender", f"{_ON_ITS_WAY}(id, state)", "true"
    ),
    "lands_everything": _Policy("raw_messages", "ALL", "triage_worker", "true", "true"),
    "sees_what_landed": _Policy("raw_messages", "SELECT", "triage_watch, triage_web", "true", None),
    # An epoch that no mailbox has: nothing of an inbox can be called landed by it.
    "lands_forms": _Policy(
        "raw_messages",
        "INSERT",
        "triage_web",
        None,
        "(((channel)::text = 'form'::text) AND (epoch = 'hook'::text))",
    ),
    "remembers_everything": _Policy("ledger", "ALL", "triage_worker", "true", "true"),
    "sees_the_ledger": _Policy("ledger", "SELECT", "triage_web", "true", None),
    "remembers_forms": _Policy(
        "ledger", "INSERT", "triage_web", None, f"{_BY_HOOK}(raw_id, inbox, epoch)"
    ),
}
_TABLES = sorted({policy.table for policy in _POLICIES.values()})


def grant_rows(connection: Connection) -> None:
    """Make every policy; run as owner, when the roles are there."""
    run = connection.exec_driver_sql
    for name, policy in _read(connection).items():
        run(f'DROP POLICY "{name}" ON "{policy.table}"')
    for name, (arguments, body) in _FUNCTIONS.items():
        run(
            f"CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS boolean"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
            f" AS $${body}$$"
        )
    for name, policy in _POLICIES.items():
        sees = f" USING ({policy.sees})" if policy.sees else ""
        adds = f" WITH CHECK ({policy.adds})" if policy.adds else ""
        run(
            f"CREATE POLICY {name} ON {policy.table} FOR {policy.command}"
            f" TO {policy.roles}{sees}{adds}"
        )
    for table in _TABLES:
        run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def check_rows(connection: Connection) -> None:
    """Raise StoreRefused unless rows are shown as `grant_rows` says; SQLite has one role."""
    if connection.dialect.name == "sqlite":
        return
    on = (
        "SELECT relname FROM pg_class WHERE relrowsecurity"
        " AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    function = "SELECT prosrc, prosecdef, proconfig::text FROM pg_proc WHERE proname = %s"
    settings = '{"search_path=public, pg_temp"}'
    made = all(
        [tuple(row) for row in connection.exec_driver_sql(function, (name,))]
        == [(body, True, settings)]
        for name, (_, body) in _FUNCTIONS.items()
    )
    guarded = [str(name) for (name,) in connection.exec_driver_sql(on)]
    if not made or guarded != _TABLES or _read(connection) != _POLICIES:
        raise StoreRefused("what the sender may see or the web may land is not as it was made")


def _read(connection: Connection) -> dict[str, _Policy]:
    query = (
        "SELECT policyname, tablename, cmd, roles::text[], qual, with_check"
        " FROM pg_policies WHERE schemaname = 'public'"
    )
    return {
        str(name): _Policy(table, command, ", ".join(sorted(roles)), sees, adds)
        for name, table, command, roles, sees, adds in connection.exec_driver_sql(query)
    }
