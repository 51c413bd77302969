"""On PostgreSQL the sender sees what belongs to replies that are on their way, and nothing else.

Rule of the room: what a role may see of a table's rows is one function and one policy; the owner
makes them anew after every migration, and a store on which they are others is refused.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from triage.errors import StoreRefused

_PUBLIC, _KEYS = "public", "triage_keys"
#: What is settled is seen until the transaction that settles it ends: its case moves on there.
_ON_ITS_WAY = (
    "(replies.state IN ('queued', 'sending')"
    " OR replies.xmin = pg_current_xact_id_if_assigned()::xid)"
)


def _some(tables: str, condition: str) -> str:
    # Constants of this module; nothing a user typed comes here.
    return f"SELECT EXISTS (SELECT 1 FROM {tables} WHERE {condition} AND {_ON_ITS_WAY})"  # noqa: S608


#: name -> (arguments, body). A settled reply is seen once more by the very statement that
#: settles it: what is stored still says that it was sending.
_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "triage_on_its_way": (
        "reply varchar, shown varchar",
        "SELECT shown IN ('queued', 'sending') OR EXISTS (SELECT 1 FROM public.replies"
        " WHERE replies.id = reply AND replies.state = 'sending')",
    ),
    "triage_reply_leaves": ("reply varchar", _some("public.replies", "replies.id = reply")),
    "triage_case_leaves": ("one varchar", _some("public.replies", "replies.case_id = one")),
    "triage_contact_leaves": ("one varchar", _some("public.replies", "replies.contact_id = one")),
    "triage_proof_leaves": (
        "one varchar",
        _some(
            "public.replies, public.approvals",
            "approvals.id = replies.approval_id AND approvals.key_id = one",
        ),
    ),
    "triage_owner_leaves": (
        "owner varchar",
        _some(
            "public.replies", "starts_with(owner, 'case:') AND replies.case_id = substr(owner, 6)"
        ),
    ),
}
#: (schema, table) -> what the sender sees of it, and who else sees all.
_TABLES: Mapping[tuple[str, str], tuple[str, str]] = {
    (_PUBLIC, "replies"): (
        "triage_on_its_way(id, state)",
        "triage_watch, triage_web, triage_worker",
    ),
    (_PUBLIC, "approvals"): ("triage_reply_leaves(reply_id)", "triage_web"),
    (_PUBLIC, "proof_keys"): ("triage_proof_leaves(id)", "triage_web"),
    (_PUBLIC, "cases"): ("triage_case_leaves(id)", "triage_watch, triage_web, triage_worker"),
    (_PUBLIC, "contacts"): ("triage_contact_leaves(id)", "triage_web, triage_worker"),
    (_KEYS, "wrapped_keys"): ("triage_owner_leaves(owner)", "triage_web, triage_worker"),
}
_ALL, _SOME = "sees_everything", "sees_what_is_on_its_way"


def grant_rows(connection: Connection) -> None:
    """Let the sender see what is on its way only; run as owner, when the roles are there."""
    for name, (arguments, body) in _FUNCTIONS.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION public.{name}({arguments}) RETURNS boolean"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
            f" AS $${body}$$"
        )
    _grant(connection, _PUBLIC)


def grant_keys(connection: Connection) -> None:
    """Let the sender open what is on its way only; run as owner, when the key store is there."""
    _grant(connection, _KEYS)


def _grant(connection: Connection, schema: str) -> None:
    run = connection.exec_driver_sql
    for where, table, policy in _policies(connection):
        if where == schema:
            run(f'DROP POLICY "{policy}" ON {where}.{table}')
    for (where, table), (sees, others) in _TABLES.items():
        if where == schema:
            on = f"ON {where}.{table}"
            run(f"CREATE POLICY {_ALL} {on} TO {others} USING (true) WITH CHECK (true)")
            run(f"CREATE POLICY {_SOME} {on} TO triage_sender USING ({sees}) WITH CHECK (true)")
            run(f"ALTER TABLE {where}.{table} ENABLE ROW LEVEL SECURITY")


def check_rows(connection: Connection) -> None:
    """Raise StoreRefused unless rows are shown as `grant_rows` says; SQLite has one role."""
    if connection.dialect.name == "sqlite":
        return
    on = (
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relrowsecurity AND n.nspname IN ('public', 'triage_keys')"
    )
    function = (
        "SELECT proname, prosrc, prosecdef, proconfig::text FROM pg_proc"
        " WHERE proname = ANY(%s) AND pronamespace = 'public'::regnamespace"
    )
    guarded = {(str(schema), str(table)) for schema, table in connection.exec_driver_sql(on)}
    found = {tuple(row) for row in connection.exec_driver_sql(function, (list(_FUNCTIONS),))}
    path = '{"search_path=public, pg_temp"}'
    wanted = {(name, body, True, path) for name, (_, body) in _FUNCTIONS.items()}
    if guarded != _TABLES.keys() or found != wanted or _policies(connection) != _wanted():
        raise StoreRefused("what the sender may see of rows is not as it was made")


def _wanted() -> dict[tuple[str, str, str], tuple[str, str, str, str]]:
    made = {}
    for (schema, table), (sees, others) in _TABLES.items():
        made[schema, table, _ALL] = (others, "true", "true", "ALL")
        made[schema, table, _SOME] = ("triage_sender", sees, "true", "ALL")
    return made


def _policies(connection: Connection) -> dict[tuple[str, str, str], tuple[str, str, str, str]]:
    query = (
        "SELECT schemaname, tablename, policyname, roles::text[], qual, with_check, cmd"
        " FROM pg_policies WHERE schemaname IN ('public', 'triage_keys') AND permissive IS NOT NULL"
    )
    return {
        (str(schema), str(table), str(name)): (", ".join(sorted(roles)), sees, check, command)
        for schema, table, name, roles, sees, check, command in connection.exec_driver_sql(query)
    }
