"""On PostgreSQL each process logs in as its own role, and a role may do its own work only.

Rule of the room: whatever is not granted here is denied; nobody but the owner changes tables.
"""

import re
from collections.abc import Mapping

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from triage.errors import StoreRefused
from triage.store.row_rights import grant_rows
from triage.store.tables import metadata

WORKER, WEB, SENDER = "triage_worker", "triage_web", "triage_sender"
WATCH = "triage_watch"


def _may(rights: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, rights)


#: Every process writes its audit rows, moves the queue's version and says that it lives.
_EVERYBODY = {
    **_may("SELECT, INSERT", "audit", "audit_cases"),
    "audit_heads": "SELECT, INSERT, UPDATE (number, digest)",
    **_may("SELECT, INSERT, UPDATE", "queue_versions", "roster_versions", "beats"),
    **_may("SELECT", "key_checks", "alembic_version"),
}
_READ_ALL = _may("SELECT", *metadata.tables)
_GRANTS: Mapping[str, Mapping[str, str]] = {
    # Reads mail and files it: it can neither approve nor queue, claim or send a reply.
    WORKER: {
        **_may("SELECT", "clinics", "patients", "contacts", "labels", "signatures"),
        # By its Message-ID or its portal's receipt an answer finds the conversation of our reply.
        "replies": "SELECT (id, case_id, clinic, contact_id, message_id_index, receipt,"
        " settled_at)",
        # That a reply came back is said beside it: the worker changes no reply.
        **_may("SELECT, INSERT", "bounces"),
        # Staff are hidden from the models like patients.
        "users": "SELECT (id, clinic, display_name)",
        **_may("SELECT, INSERT", "ledger", "threads", "messages", "attachments", "redactions"),
        **_may("SELECT, INSERT, DELETE", "search_cases", "search_tokens"),
        # That two must approve is said when a case is filed, and never taken back.
        **_may("SELECT", "two_approvers"),
        **_may("SELECT, INSERT", "two_needed"),
        **_may("SELECT, INSERT", "classifications", "priorities", "flags", "suggestions"),
        **_may("SELECT, INSERT, UPDATE", "cursors", "cases", "requests", "sample_items"),
        **_may("SELECT, INSERT, UPDATE", "mailboxes"),
        **_may("SELECT, INSERT, UPDATE, DELETE", "uncollected"),
        # Whether everybody was told of an urgent case that another message joins.
        "escalations": "SELECT (case_id, step, ended_at)",
        # It wakes cases, and sees no note: what it files comes from patients.
        **_may("SELECT, UPDATE (asleep, woken_at), DELETE", "snoozes"),
        **_may("SELECT, INSERT, UPDATE (attempts, filed_at)", "raw_messages"),
        **_may("SELECT, UPDATE (seen_at, raw_id)", "canaries"),
        # What triage.toml says of the practice becomes the first version; the app says the rest.
        **_may("SELECT, INSERT", "practice_settings"),
        # It drafts with the words that serve; it neither writes nor releases any.
        **_may("SELECT", "own_templates", "templates_in_service"),
        **_EVERYBODY,
    },
    # Shows cases and takes approvals; a guard lets it queue and recall replies, never send one.
    WEB: {
        **_READ_ALL,
        **_may("SELECT, UPDATE (contact_id, patient_id)", "messages", "threads"),
        **_may("SELECT, INSERT, UPDATE", "cases", "requests", "sample_items"),
        **_may("SELECT, INSERT, UPDATE", "contacts", "patients", "users", "teams", "clinics"),
        "calm": "SELECT, INSERT, UPDATE (quiet, hours, at)",
        **_may("SELECT, INSERT, UPDATE, DELETE", "drafts", "sessions"),
        **_may("SELECT, INSERT, DELETE", "search_patients"),
        **_may(
            "SELECT, INSERT, UPDATE, DELETE", "second_factors", "log_in_tries", "known_browsers"
        ),
        **_may("SELECT, INSERT, DELETE", "openid_subjects", "openid_starts"),
        **_may("SELECT, INSERT", "approvals", "checks", "labels", "proof_keys", "signatures"),
        **_may("SELECT, INSERT", "paper_entries"),
        "paper_lists": "SELECT, UPDATE (until)",
        "forms": "SELECT, INSERT, UPDATE (retired_by, retired_at)",
        **_may("SELECT, INSERT", "first_approvals", "notes", "two_needed"),
        "mentions": "SELECT, INSERT, UPDATE (seen_at)",
        "two_approvers": "SELECT, INSERT, UPDATE (by_user, at, off_by, off_at)",
        **_may("SELECT, INSERT, DELETE", "assignments", "asks", "saved_views", "team_members"),
        **_may("SELECT, INSERT, UPDATE, DELETE", "presence", "snoozes"),
        **_may("SELECT, INSERT, UPDATE (state)", "replies"),
        **_may("SELECT, INSERT, UPDATE (reviewed_by, reviewed_at)", "break_glass"),
        # Deliveries of forms and copies of what has landed: row_rights.py refuses the web the rest.
        **_may("SELECT, INSERT", "raw_messages", "ledger"),
        **_may("SELECT, INSERT", "practice_settings", "own_templates", "templates_in_service"),
        **_EVERYBODY,
    },
    # Holds the outgoing secrets, so it sees replies, their approvals and no message at all.
    SENDER: {
        **_may("SELECT", "approvals", "proof_keys", "first_approvals"),
        **_may("SELECT", "two_approvers", "two_needed"),
        # What it hands over is kept before it leaves; it reads none of it again.
        **_may("INSERT", "departures"),
        # Whoever approved may have been shut out since: no name, no role, no password.
        "users": "SELECT (id, clinic, active)",
        # The bytes of what was enclosed.
        "forms": "SELECT (id, clinic, digest, content)",
        # Whether two must approve, asked anew: a route, and who took a case from it.
        "labels": "SELECT (clinic, case_id, by, shown_route, shown_also)",
        "replies": "SELECT, UPDATE (state, claimed_at, settled_at, receipt, why, not_before)",
        "cases": "SELECT (id, clinic, lane, home_lane, state, patient_id, route, also,"
        " urgency, acted_at), UPDATE (lane, state, closed_at, urgent_since, acted_at, acted_by,"
        " acted_how, acted_to)",
        # Enough to see that a recipient is still the patient's: blind indexes, no name or address.
        "contacts": "SELECT (id, clinic, patient_id, channel, address_index, verified_by,"
        " consent_to_email)",
        **_EVERYBODY,
    },
    # Counts, looks at moments and sends test mails: no column with a patient's words or name.
    WATCH: {
        **_may("SELECT, INSERT", "canaries"),
        "cases": "SELECT (id, clinic, lane, state, marks, last_message_at, urgency, urgent_since,"
        " acted_at, closed_at)",
        # Whether each message that landed was read; not whose it is, and no word of it.
        "messages": "SELECT (raw_id)",
        # It counts how long nobody acted, and says who was told.
        **_may("SELECT, INSERT, UPDATE", "escalations"),
        **_may("SELECT", "practice_settings"),
        "clinics": "SELECT",
        "users": "SELECT (id, clinic, username, active)",
        "raw_messages": "SELECT (id, clinic, filed_at, received_at)",
        "replies": "SELECT (case_id, clinic, state, not_before, claimed_at, settled_at)",
        "drafts": "SELECT (clinic, case_id, edited_at, reply_id)",
        "snoozes": "SELECT (clinic, case_id, until)",
        "uncollected": "SELECT (clinic, inbox, fate, since)",
        **_EVERYBODY,
    },
}


#: Of the key store. The sender makes no key, and row rights show it those of cases with a reply
#: on its way and of their clinic's forms; the watch opens nothing.
_MAKES = {"wrapped_keys": "SELECT, INSERT", "key_facts": "SELECT"}
KEY_GRANTS: Mapping[str, Mapping[str, str]] = {
    WORKER: _MAKES,
    WEB: _MAKES,
    SENDER: {"wrapped_keys": "SELECT", "key_facts": "SELECT"},
    WATCH: {"key_facts": "SELECT"},
}


def grant_roles(connection: Connection) -> None:
    """Make the four roles if they are missing and give each exactly its rights.

    Run as the owner of the tables, who needs CREATEROLE the first time. The roles have no
    password: give them one, or let `pg_hba.conf` tell them apart.
    """
    for role, grants in _GRANTS.items():
        _make(connection, role)
        _revoke(connection, role)
        for table, rights in grants.items():
            connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {role}")
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
        # To draw the next number of the audit's order, not to set it.
        connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE audit_order TO {role}")
    grant_rows(connection)
    connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.exec_driver_sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC")
    name = connection.exec_driver_sql("SELECT quote_ident(current_database())").scalar()
    # Temporary tables are of no use to us and could stand in for real ones.
    connection.exec_driver_sql(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    # The job engine keeps its tables in a schema of its own, which the worker makes.
    connection.exec_driver_sql(f"GRANT CREATE ON DATABASE {name} TO {WORKER}")


def check_grants(connection: Connection) -> None:
    """Raise StoreRefused where a role, or everybody, may do more or less than is written here."""
    found = {tuple(row) for row in connection.exec_driver_sql(_GIVEN, (list(_GRANTS),))}
    wanted = _wanted(_GRANTS) | _wanted(KEY_GRANTS)
    for role, table, right, column in sorted(found ^ wanted):
        words = f"{right} on {table}{'.' + column if column else ''}"
        raise StoreRefused(f"the rights of {role} were changed: {words}")


#: (role or `public`, table, right, column or nothing) as PostgreSQL keeps them.
_GIVEN = """
WITH given AS (
    SELECT c.relname, '' AS attname, c.relnamespace, (aclexplode(c.relacl)).*
    FROM pg_class c WHERE c.relkind IN ('r', 'v', 'p')
    UNION ALL
    SELECT c.relname, a.attname, c.relnamespace, (aclexplode(a.attacl)).*
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE NOT a.attisdropped
)
SELECT coalesce(r.rolname, 'public'), g.relname, g.privilege_type, g.attname
FROM given g JOIN pg_namespace n ON n.oid = g.relnamespace LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE n.nspname IN ('public', 'triage_keys') AND (g.grantee = 0 OR r.rolname = ANY(%s))
"""


def _wanted(given: Mapping[str, Mapping[str, str]]) -> set[tuple[str, ...]]:
    """Return what is given there, right by right and column by column."""
    wanted: set[tuple[str, ...]] = set()
    for role, grants in given.items():
        for table, rights in grants.items():
            for right, columns in re.findall(r"([A-Z]+)(?: \(([^)]*)\))?", rights):
                names = [name.strip() for name in columns.split(",")]
                wanted |= {(role, table, right, name) for name in names}
    return wanted


def _make(connection: Connection, role: str) -> None:
    found = connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if found.first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN NOINHERIT")
    except DBAPIError as trouble:
        # Another database of the same server may have made it a moment ago; roles are shared.
        if getattr(trouble.orig, "sqlstate", "") not in ("42710", "23505"):
            raise StoreRefused(f"role {role} is missing; create it as administrator") from None


def _revoke(connection: Connection, role: str) -> None:
    for kind in ("TABLES", "SEQUENCES"):
        connection.exec_driver_sql(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {role}")
