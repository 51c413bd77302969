"""On PostgreSQL some roles see or add some rows only, whatever they ask of a table.

The sender sees what belongs to replies that are on their way, and nothing else. The web lands what
came signed by a hook, and copies of what has landed for cases of their own: it cannot put a mail or
a portal message into the ledger.

Rule of the room: what a role may see of a table's rows is one function and one policy; the owner
makes them anew after every migration, and a store on which they are others is refused.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from triage.domain import OWN_CASE
from triage.errors import StoreRefused

_PUBLIC, _KEYS = "public", "triage_keys"
#: What is settled is seen until the transaction that settles it ends: its case moves on there.
_ON_ITS_WAY = (
    "(replies.state IN ('queued', 'sending')"
    " OR replies.xmin = pg_current_xact_id_if_assigned()::xid)"
)


def _some(tables: str, condition: str) -> str:
    return f"SELECT EXISTS (SELECT 1 FROM {tables} WHERE {condition} AND {_ON_ITS_WAY})"  # noqa: S608  # Constants of this module; nothing a user typed comes here.


#: name -> (arguments, body). A settled reply is seen once more by the very statement that
#: settles it: what is stored still says that it was sending.
_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "triage_on_its_way": (
        "reply varchar, shown varchar",
        "SELECT shown IN ('queued', 'sending') OR EXISTS (SELECT 1 FROM public.replies"
        " WHERE replies.id = reply AND replies.state = 'sending')",
    ),
    "triage_came_by_hook": (
        "raw varchar, door text, place text",
        "SELECT EXISTS (SELECT 1 FROM public.raw_messages WHERE raw_messages.id = raw"
        " AND raw_messages.inbox = door AND raw_messages.epoch = place"
        " AND raw_messages.channel = 'form')",
    ),
    # Whether what is landed says, in all but its sealed bytes, what the message it names says. That
    # the bytes are the same the worker asks: `triage/store/apart.py`.
    "triage_is_a_copy": (
        "first text, whose varchar, door text, box text, place text, kind varchar, media varchar,"
        " bytes bytea",
        "SELECT EXISTS (SELECT 1 FROM public.raw_messages one WHERE one.id = first"  # noqa: S608  # A constant of the house; nothing a user typed comes here.
        " AND one.clinic = whose AND one.inbox = door AND one.mailbox = box"
        f" AND place = '{OWN_CASE}' || regexp_replace(one.epoch, '^{OWN_CASE}', '')"
        " AND one.channel = kind AND one.media_type = media AND one.digest = bytes)",
    ),
    "triage_reply_leaves": ("reply varchar", _some("public.replies", "replies.id = reply")),
    "triage_case_leaves": ("one varchar", _some("public.replies", "replies.case_id = one")),
    "triage_contact_leaves": ("one varchar", _some("public.replies", "replies.contact_id = one")),
    "triage_proof_leaves": (
        "one varchar",
        _some(
            "public.replies LEFT JOIN public.approvals ON approvals.id = replies.approval_id"
            " LEFT JOIN public.first_approvals ON first_approvals.reply_id = replies.id",
            "(approvals.key_id = one OR first_approvals.key_id = one)",
        ),
    ),
    "triage_clinic_leaves": ("one varchar", _some("public.replies", "replies.clinic = one")),
    # Which forms a reply encloses is sealed: those of its clinic are shown while one leaves there.
    "triage_owner_leaves": (
        "owner varchar",
        _some(
            "public.replies LEFT JOIN public.forms ON forms.clinic = replies.clinic"
            " AND starts_with(owner, 'form:') AND forms.id = substr(owner, 6)",
            "(forms.id IS NOT NULL"
            " OR starts_with(owner, 'case:') AND replies.case_id = substr(owner, 6))",
        ),
    ),
}
#: (schema, table) -> what the sender sees of it, and who else sees all.
_SHOWN: Mapping[tuple[str, str], tuple[str, str]] = {
    (_PUBLIC, "replies"): (
        "triage_on_its_way(id, state)",
        "triage_watch, triage_web, triage_worker",
    ),
    (_PUBLIC, "approvals"): ("triage_reply_leaves(reply_id)", "triage_web"),
    (_PUBLIC, "first_approvals"): ("triage_reply_leaves(reply_id)", "triage_web"),
    (_PUBLIC, "labels"): ("triage_case_leaves(case_id)", "triage_web, triage_worker"),
    (_PUBLIC, "forms"): ("triage_clinic_leaves(clinic)", "triage_web"),
    (_PUBLIC, "proof_keys"): ("triage_proof_leaves(id)", "triage_web"),
    (_PUBLIC, "cases"): ("triage_case_leaves(id)", "triage_watch, triage_web, triage_worker"),
    (_PUBLIC, "contacts"): ("triage_contact_leaves(id)", "triage_web, triage_worker"),
    (_KEYS, "wrapped_keys"): ("triage_owner_leaves(owner)", "triage_web, triage_worker"),
}
_ALL, _SOME = "sees_everything", "sees_what_is_on_its_way"


class _Policy(NamedTuple):
    roles: str
    #: What is seen, and what may be written; nothing where the command asks for neither.
    sees: str | None
    adds: str | None
    command: str


def _of_the_sender() -> dict[tuple[str, str, str], _Policy]:
    made = {}
    for (schema, table), (sees, others) in _SHOWN.items():
        made[schema, table, _ALL] = _Policy(others, "true", "true", "ALL")
        made[schema, table, _SOME] = _Policy("triage_sender", sees, "true", "ALL")
    return made


#: As PostgreSQL writes them down again, so that they can be compared.
_POLICIES: Mapping[tuple[str, str, str], _Policy] = {
    **_of_the_sender(),
    (_PUBLIC, "raw_messages", "lands_everything"): _Policy("triage_worker", "true", "true", "ALL"),
    (_PUBLIC, "raw_messages", "sees_what_landed"): _Policy(
        "triage_watch, triage_web", "true", None, "SELECT"
    ),
    # An epoch that no mailbox has: nothing of an inbox can be called landed by it.
    (_PUBLIC, "raw_messages", "lands_forms"): _Policy(
        "triage_web",
        None,
        "(((channel)::text = 'form'::text) AND (epoch = 'hook'::text))",
        "INSERT",
    ),
    (_PUBLIC, "raw_messages", "lands_copies"): _Policy(
        "triage_web",
        None,
        "triage_is_a_copy(uid, clinic, inbox, mailbox, epoch, channel, media_type, digest)",
        "INSERT",
    ),
    (_PUBLIC, "ledger", "remembers_everything"): _Policy("triage_worker", "true", "true", "ALL"),
    (_PUBLIC, "ledger", "sees_the_ledger"): _Policy("triage_web", "true", None, "SELECT"),
    (_PUBLIC, "ledger", "remembers_forms"): _Policy(
        "triage_web", None, "triage_came_by_hook(raw_id, inbox, epoch)", "INSERT"
    ),
}
_TABLES = {(schema, table) for schema, table, _ in _POLICIES}


def grant_rows(connection: Connection) -> None:
    """Make every function and policy of our tables; run as owner, when the roles are there."""
    for name, (arguments, body) in _FUNCTIONS.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION public.{name}({arguments}) RETURNS boolean"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
            f" AS $${body}$$"
        )
    _grant(connection, _PUBLIC)


def grant_keys(connection: Connection) -> None:
    """Make the policies of the data keys; run as owner, when the key store is there."""
    _grant(connection, _KEYS)


def _grant(connection: Connection, schema: str) -> None:
    run = connection.exec_driver_sql
    for where, table, name in _found(connection):
        if where == schema:
            run(f'DROP POLICY "{name}" ON {where}.{table}')
    for (where, table, name), policy in _POLICIES.items():
        if where == schema:
            sees = f" USING ({policy.sees})" if policy.sees else ""
            adds = f" WITH CHECK ({policy.adds})" if policy.adds else ""
            on = f"ON {where}.{table}"
            run(f"CREATE POLICY {name} {on} FOR {policy.command} TO {policy.roles}{sees}{adds}")
    for where, table in sorted(_TABLES):
        if where == schema:
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
    if guarded != _TABLES or found != wanted or _found(connection) != _POLICIES:
        raise StoreRefused("what the sender may see or the web may land is not as it was made")


def _found(connection: Connection) -> dict[tuple[str, str, str], _Policy]:
    query = (
        "SELECT schemaname, tablename, policyname, roles::text[], qual, with_check, cmd"
        " FROM pg_policies WHERE schemaname IN ('public', 'triage_keys') AND permissive IS NOT NULL"
    )
    return {
        (str(schema), str(table), str(name)): _Policy(", ".join(sorted(roles)), sees, adds, command)
        for schema, table, name, roles, sees, adds, command in connection.exec_driver_sql(query)
    }
