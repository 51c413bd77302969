"""On PostgreSQL the sender sees the replies that are on their way, and no others.

Rule of the room: what a role may see of a table's rows is one function and one policy; the owner
makes them anew after every migration, and a store on which they are others is refused.
"""

from sqlalchemy import Connection

from triage.errors import StoreRefused

_NAME = "triage_on_its_way"
#: A settled row is seen once more by the very statement that settles it: what is stored still
#: says that it was sending.
_BODY = (
    "SELECT shown IN ('queued', 'sending') OR EXISTS (SELECT 1 FROM public.replies"
    " WHERE replies.id = reply AND replies.state = 'sending')"
)
_POLICIES = {
    "sees_every_reply": ("triage_web, triage_worker", "true"),
    "sees_replies_on_their_way": ("triage_sender", f"{_NAME}(id, state)"),
}


def grant_rows(connection: Connection) -> None:
    """Let the sender see replies on their way only; run as owner, when the roles are there."""
    run = connection.exec_driver_sql
    for name in _policies(connection):
        run(f'DROP POLICY "{name}" ON replies')
    run(
        f"CREATE OR REPLACE FUNCTION {_NAME}(reply varchar, shown varchar) RETURNS boolean"
        " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
        f" AS $${_BODY}$$"
    )
    for name, (roles, sees) in _POLICIES.items():
        run(f"CREATE POLICY {name} ON replies TO {roles} USING ({sees}) WITH CHECK (true)")
    run("ALTER TABLE replies ENABLE ROW LEVEL SECURITY")


def check_rows(connection: Connection) -> None:
    """Raise StoreRefused unless rows are shown as `grant_rows` says; SQLite has one role."""
    if connection.dialect.name == "sqlite":
        return
    on = "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.replies'::regclass"
    function = "SELECT prosrc, prosecdef, proconfig::text FROM pg_proc WHERE proname = %s"
    found = connection.exec_driver_sql(function, (_NAME,)).all()
    wanted = [(_BODY, True, '{"search_path=public, pg_temp"}')]
    policies = {name: (", ".join(sorted(roles)), sees) for name, (roles, sees) in _read(connection)}
    if (
        not connection.exec_driver_sql(on).scalar()
        or [tuple(row) for row in found] != wanted
        or policies != _POLICIES
    ):
        raise StoreRefused("what the sender may see of replies is not as it was made")


def _read(connection: Connection) -> list[tuple[str, tuple[list[str], str]]]:
    query = "SELECT policyname, roles::text[], qual FROM pg_policies WHERE schemaname = 'public'"
    rows = connection.exec_driver_sql(query)
    return [(str(name), (list(roles), str(sees))) for name, roles, sees in rows]


def _policies(connection: Connection) -> list[str]:
    return [name for name, _ in _read(connection)]
