"""Every table of the store, one module per part of the practice.

Rule of the room: patient text only in sealed columns; the clinic's id on every row.
"""

from triage.store.columns import metadata
from triage.store.tables.calm import calm
from triage.store.tables.checks import checks, forms
from triage.store.tables.departures import departures
from triage.store.tables.life import erasures, fresh_indexes, holds
from triage.store.tables.mail import (
    attachments,
    classifications,
    cursors,
    flags,
    ledger,
    messages,
    priorities,
    raw_messages,
    redactions,
    suggestions,
)
from triage.store.tables.mailboxes import mailboxes, uncollected
from triage.store.tables.paper import paper_entries, paper_lists
from triage.store.tables.people import (
    break_glass,
    clinics,
    contacts,
    patients,
    sessions,
    signatures,
    teams,
    users,
)
from triage.store.tables.practice import escalations, practice_settings
from triage.store.tables.search import search_cases, search_patients, search_tokens
from triage.store.tables.sign_in import (
    known_browsers,
    log_in_tries,
    openid_starts,
    openid_subjects,
    proof_keys,
    second_factors,
)
from triage.store.tables.templates import own_templates, templates_in_service
from triage.store.tables.together import (
    asks,
    assignments,
    first_approvals,
    mentions,
    notes,
    presence,
    saved_views,
    snoozes,
    team_members,
    two_approvers,
    two_needed,
)
from triage.store.tables.trail import (
    audit,
    audit_cases,
    audit_heads,
    beats,
    key_checks,
    queue_versions,
    roster_versions,
)
from triage.store.tables.watch import canaries
from triage.store.tables.work import (
    approvals,
    bounces,
    cases,
    drafts,
    labels,
    replies,
    requests,
    sample_items,
    threads,
)

__all__ = [
    "approvals",
    "asks",
    "assignments",
    "attachments",
    "audit",
    "audit_cases",
    "audit_heads",
    "beats",
    "bounces",
    "break_glass",
    "calm",
    "canaries",
    "cases",
    "checks",
    "classifications",
    "clinics",
    "contacts",
    "cursors",
    "departures",
    "drafts",
    "erasures",
    "escalations",
    "first_approvals",
    "flags",
    "forms",
    "fresh_indexes",
    "holds",
    "key_checks",
    "known_browsers",
    "labels",
    "ledger",
    "log_in_tries",
    "mailboxes",
    "mentions",
    "messages",
    "metadata",
    "notes",
    "openid_starts",
    "openid_subjects",
    "own_templates",
    "paper_entries",
    "paper_lists",
    "patients",
    "practice_settings",
    "presence",
    "priorities",
    "proof_keys",
    "queue_versions",
    "raw_messages",
    "redactions",
    "replies",
    "requests",
    "roster_versions",
    "sample_items",
    "saved_views",
    "search_cases",
    "search_patients",
    "search_tokens",
    "second_factors",
    "sessions",
    "signatures",
    "snoozes",
    "suggestions",
    "team_members",
    "teams",
    "templates_in_service",
    "threads",
    "two_approvers",
    "two_needed",
    "uncollected",
    "users",
]
