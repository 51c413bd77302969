"""Triggers that hold whatever any program asks of the database, made the same way every time.

Rule of the room: one function makes them after every migration, and a store whose guards are
missing, changed or joined by foreign ones is refused.

Each rule below is one SQL condition under which a row is refused; it is written once in the SQL
both engines share. `EMPTY_UNLESS(x)` there means that the sub-query x finds nothing.
"""

from sqlalchemy import Connection

from triage.audit import GENESIS
from triage.errors import StoreRefused
from triage.store.door_guards import AT_THE_DOOR
from triage.store.guard import Guard, changed, exists
from triage.store.leaving_guards import DEPARTING, OWN_CHAIN
from triage.store.reply_guards import BESIDE_REPLIES
from triage.store.setting_guards import SETTINGS
from triage.store.setting_guards import WRITTEN_ONCE as TEMPLATES_WRITTEN_ONCE
from triage.store.together_guards import KEPT, among_colleagues
from triage.store.together_guards import WRITTEN_ONCE as NOTES_WRITTEN_ONCE
from triage.store.urgent_guards import URGENT

_FROZEN_REPLY = (
    "id",
    "clinic",
    "case_id",
    "contact_id",
    "digest",
    "approval_id",
    "channel",
    "recipient",
    "in_reply_to",
    "subject",
    "body",
    "attachments",
    "message_id",
    "message_id_index",
)
_FROZEN_RAW = (
    "id",
    "clinic",
    "inbox",
    "mailbox",
    "epoch",
    "uid",
    "channel",
    "media_type",
    "digest",
    "content",
    "received_at",
)
_FROZEN_MESSAGE = (
    "id",
    "clinic",
    "raw_id",
    "channel",
    "received_at",
    "sender",
    "sender_name",
    "subject",
    "body",
    "preview",
    "quoted",
    "signature",
    "html",
    "readings",
    "message_id",
    "reply_references",
    "portal_thread",
    "topic",
    "redacted_subject",
    "redacted_body",
)
_FROZEN_GLASS = ("id", "clinic", "case_id", "user_id", "reason", "at", "minutes")
#: Rows of these are never changed once written.
_WRITTEN_ONCE = (
    "approvals",
    "audit",
    "audit_cases",
    "bounces",
    "departures",
    "checks",
    "ledger",
    "labels",
    "paper_entries",
    "practice_settings",
    "proof_keys",
    "signatures",
    *NOTES_WRITTEN_ONCE,
    *TEMPLATES_WRITTEN_ONCE,
)
#: Rows of these never go away.
_KEPT = (
    *_WRITTEN_ONCE,
    *(name for name in KEPT if name not in _WRITTEN_ONCE),
    "audit_heads",
    "break_glass",
    "canaries",
    "cases",
    "erasures",
    "paper_lists",
    "forms",
    "escalations",
    "holds",
    "messages",
    "attachments",
    "raw_messages",
    "replies",
    "requests",
)
_MOVES = (
    ("draft", "queued"),
    ("queued", "sending"),
    ("queued", "recalled"),
    ("sending", "sent"),
    ("sending", "uncertain"),
    ("sending", "failed"),
    ("sending", "queued"),
)


_APPROVED = exists(
    "approvals",
    "approvals.id = NEW.approval_id AND approvals.reply_id = NEW.id"
    " AND approvals.clinic = NEW.clinic AND approvals.digest = NEW.digest",
)


#: A proof key lives as long as the session it was made in, and no longer than it says itself.
_PROVEN = exists(
    "proof_keys, sessions",
    "proof_keys.id = NEW.key_id AND proof_keys.user_id = NEW.approver"
    " AND proof_keys.clinic = NEW.clinic AND proof_keys.until >= NEW.approved_at"
    " AND sessions.id = proof_keys.session_id AND sessions.user_id = NEW.approver",
)
_LEGAL = " OR ".join(f"(OLD.state = '{a}' AND NEW.state = '{b}')" for a, b in _MOVES)

GUARDS: tuple[Guard, ...] = (
    Guard(
        "replies",
        "INSERT",
        "a reply starts as draft or queued",
        "NEW.state NOT IN ('draft', 'queued')",
    ),
    Guard(
        "replies",
        "INSERT",
        "no approval of these words",
        f"NEW.state <> 'draft' AND NOT {_APPROVED}",
    ),
    Guard(
        "replies",
        "INSERT",
        "this reply exists",
        exists("replies", "replies.id = NEW.id OR replies.approval_id = NEW.approval_id"),
    ),
    Guard(
        "replies",
        "UPDATE",
        "no approval of these words",
        f"NEW.state NOT IN ('draft', 'recalled', 'failed') AND NOT {_APPROVED}",
    ),
    Guard("replies", "UPDATE", "not a legal step", f"NEW.state <> OLD.state AND NOT ({_LEGAL})"),
    Guard(
        "replies",
        "UPDATE",
        "approved words stay",
        f"OLD.state <> 'draft' AND ({changed(_FROZEN_REPLY)})",
    ),
    Guard("replies", "UPDATE", "the undo window stays", "NEW.not_before < OLD.not_before"),
    Guard(
        "approvals",
        "INSERT",
        "the approver is nobody here",
        "NOT "
        + exists("users", "users.id = NEW.approver AND users.clinic = NEW.clinic AND users.active"),
    ),
    Guard("approvals", "INSERT", "no living proof key", f"NOT {_PROVEN}"),
    Guard(
        "proof_keys",
        "INSERT",
        "no session with a second factor",
        "NOT "
        + exists(
            "sessions",
            "sessions.id = NEW.session_id AND sessions.user_id = NEW.user_id"
            " AND sessions.clinic = NEW.clinic AND sessions.factor_at IS NOT NULL",
        ),
    ),
    Guard("proof_keys", "INSERT", "this key exists", exists("proof_keys", "id = NEW.id")),
    Guard(
        "approvals",
        "INSERT",
        "this approval exists",
        exists("approvals", "approvals.id = NEW.id OR approvals.reply_id = NEW.reply_id"),
    ),
    Guard(
        "approvals",
        "INSERT",
        "the reply is older than its approval",
        exists("replies", "replies.id = NEW.reply_id AND replies.state <> 'draft'"),
    ),
    Guard(
        "audit",
        "INSERT",
        "out of order",
        "NOT "
        + exists(
            "audit_heads",
            "audit_heads.chain = NEW.chain AND audit_heads.number + 1 = NEW.number"
            " AND audit_heads.digest = NEW.previous",
        ),
    ),
    Guard(
        "audit_heads",
        "UPDATE",
        "out of order",
        "NEW.chain <> OLD.chain OR NEW.number <> OLD.number + 1 OR NOT "
        + exists(
            "audit",
            "audit.chain = NEW.chain AND audit.number = NEW.number AND audit.digest = NEW.digest",
        ),
    ),
    Guard(
        "audit_heads",
        "INSERT",
        "a chain begins empty",
        f"NEW.number <> 0 OR NEW.digest <> '{GENESIS}' OR "
        + exists("audit_heads", "audit_heads.chain = NEW.chain"),
    ),
    Guard("raw_messages", "UPDATE", "landed bytes stay", changed(_FROZEN_RAW)),
    Guard("raw_messages", "UPDATE", "attempts only grow", "NEW.attempts < OLD.attempts"),
    Guard(
        "raw_messages",
        "UPDATE",
        "filed without a message",
        "NEW.filed_at IS NOT NULL AND NOT "
        + exists("messages", "messages.raw_id = NEW.id")
        + " AND NOT "
        + exists("canaries", "canaries.raw_id = NEW.id AND canaries.clinic = NEW.clinic"),
    ),
    Guard("canaries", "INSERT", "nobody saw it yet", "NEW.raw_id IS NOT NULL"),
    Guard("canaries", "UPDATE", "seen once", "OLD.raw_id IS NOT NULL"),
    Guard(
        "canaries",
        "UPDATE",
        "what was sent stays",
        "NEW.id <> OLD.id OR NEW.clinic <> OLD.clinic OR NEW.inbox <> OLD.inbox"
        " OR NEW.sent_at <> OLD.sent_at",
    ),
    Guard("raw_messages", "INSERT", "filed without a message", "NEW.filed_at IS NOT NULL"),
    Guard(
        "raw_messages",
        "INSERT",
        "this message exists",
        exists("raw_messages", "raw_messages.id = NEW.id"),
    ),
    Guard("messages", "UPDATE", "what was read stays", changed(_FROZEN_MESSAGE)),
    Guard("break_glass", "INSERT", "longer than an hour", "NEW.minutes NOT BETWEEN 1 AND 60"),
    Guard("break_glass", "INSERT", "nobody looked into it yet", "NEW.reviewed_by IS NOT NULL"),
    Guard(
        "break_glass",
        "INSERT",
        "no such case or person here",
        "NOT "
        + exists("cases", "cases.id = NEW.case_id AND cases.clinic = NEW.clinic")
        + " OR NOT "
        + exists("users", "users.id = NEW.user_id AND users.clinic = NEW.clinic AND users.active"),
    ),
    Guard("break_glass", "UPDATE", "what happened stays", changed(_FROZEN_GLASS)),
    Guard("break_glass", "UPDATE", "reviewed once", "OLD.reviewed_by IS NOT NULL"),
    Guard("break_glass", "UPDATE", "nobody reviews their own", "NEW.reviewed_by = OLD.user_id"),
    Guard(
        "cases",
        "UPDATE",
        "an erased case stays closed",
        "OLD.erased_at IS NOT NULL AND (NEW.erased_at IS NULL OR NEW.state <> 'closed')",
    ),
    Guard(
        "replies",
        "INSERT",
        "the case was erased",
        exists("cases", "cases.id = NEW.case_id AND cases.erased_at IS NOT NULL"),
    ),
    *AT_THE_DOOR,
    *DEPARTING,
    *BESIDE_REPLIES,
    *URGENT,
    *SETTINGS,
    *among_colleagues(_PROVEN),
    *(Guard(table, "UPDATE", "written once", "1 = 1") for table in _WRITTEN_ONCE),
    *(Guard(table, "DELETE", "never deleted", "1 = 1") for table in _KEPT),
)

#: On PostgreSQL whoever is in the web's role may queue and recall replies, and no more; the
#: owner, who may be everything at once on a small installation, is let through.
_WEB_STEPS = (
    "NEW.state <> OLD.state AND pg_has_role(CURRENT_USER, 'triage_web', 'MEMBER')"
    " AND NOT pg_has_role(CURRENT_USER, (SELECT tableowner FROM pg_tables"
    " WHERE schemaname = 'public' AND tablename = 'replies'), 'MEMBER')"
    " AND NOT (OLD.state = 'draft' AND NEW.state = 'queued')"
    " AND NOT (OLD.state = 'queued' AND NEW.state = 'recalled')"
)
POSTGRES_ONLY = (Guard("replies", "UPDATE", "the web never sends", _WEB_STEPS), *OWN_CHAIN)


def drop_guards(connection: Connection) -> None:
    """Take every guard away until `make_guards` in the same transaction; run as owner."""
    if connection.dialect.name == "sqlite":
        for name in _triggers_sqlite(connection):
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    else:
        from triage.store.guards_postgresql import drop

        drop(connection)


def make_guards(connection: Connection) -> None:
    """Drop every guard there is and make all of them anew; run as owner, after each migration."""
    drop_guards(connection)
    if connection.dialect.name == "sqlite":
        for guard in GUARDS:
            connection.exec_driver_sql(_sqlite(guard))
    else:
        from triage.store.guards_postgresql import make

        make(connection, GUARDS + POSTGRES_ONLY, _KEPT)


def check_guards(connection: Connection) -> None:
    """Raise StoreRefused naming the first guard that is missing, changed or not ours."""
    if connection.dialect.name == "sqlite":
        found = _triggers_sqlite(connection)
        wanted = {guard.name: _sqlite(guard) for guard in GUARDS}
    else:
        from triage.store.guards_postgresql import read, write_down

        found = read(connection)
        wanted = write_down(GUARDS + POSTGRES_ONLY, _KEPT)
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise StoreRefused(f"trigger {name} is missing, changed or foreign")


def _triggers_sqlite(connection: Connection) -> dict[str, str]:
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    return {str(name): str(sql) for name, sql in connection.exec_driver_sql(query)}


def _sqlite(guard: Guard) -> str:
    return (
        f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} WHEN {guard.when}"
        f" BEGIN SELECT RAISE(ABORT, 'guard: {guard.table}, {guard.says}'); END"
    )
