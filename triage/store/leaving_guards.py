"""Guards of what leaves: bytes are written while their reply is sending, once for each claim.

On PostgreSQL also whose chain of the audit a process may write to.
"""

from triage.store.guard import Guard, exists

DEPARTING = (
    Guard(
        "departures",
        "INSERT",
        "the reply is not leaving",
        "NOT "
        + exists(
            "replies",
            "replies.id = NEW.reply_id AND replies.clinic = NEW.clinic"
            " AND replies.case_id = NEW.case_id AND replies.state = 'sending'"
            " AND replies.claimed_at = NEW.claimed_at",
        ),
    ),
)

#: The owner, who may be everything at once on a small installation, is let through; the chains
#: of commands are the owner's alone.
_ANOTHER_S = (
    "(CASE WHEN pg_has_role(CURRENT_USER, (SELECT tableowner FROM pg_tables"
    " WHERE schemaname = 'public' AND tablename = 'audit'), 'MEMBER') THEN false"
    " WHEN split_part(NEW.chain, '.', 1) IN ('web', 'worker', 'sender', 'watch')"
    " THEN NOT pg_has_role(CURRENT_USER, ('triage_' || split_part(NEW.chain, '.', 1))::name,"
    " 'MEMBER')"
    " ELSE true END)"
)
OWN_CHAIN = tuple(
    Guard(table, event, "the chain of another process", _ANOTHER_S)
    for table, event in (("audit", "INSERT"), ("audit_heads", "INSERT"), ("audit_heads", "UPDATE"))
)
