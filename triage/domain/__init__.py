"""The nouns of triage: what the rooms hand to one another.

Rule of the room: frozen, typed, no third-party import, no behaviour beyond what makes a noun
trustworthy. Text that may identify a patient is `Protected` and prints only its length.
"""

from triage.domain.case import Case, Label, Request
from triage.domain.desk import (
    Beat,
    CaseFile,
    CaseRow,
    SampleItem,
    StoredAttachment,
    StoredMessage,
    TrainingRow,
    newest_from_person,
)
from triage.domain.message import (
    Arrival,
    Attachment,
    Cursor,
    Delivery,
    Message,
    Position,
    RawMessage,
    Thread,
)
from triage.domain.people import Clinic, Contact, Patient, Team, User
from triage.domain.reading import (
    Classification,
    Flag,
    Priority,
    Reading,
    Redacted,
    Redaction,
    Span,
    Suggestion,
)
from triage.domain.reply import (
    Approval,
    AuditEvent,
    Draft,
    Outgoing,
    Reply,
    approver_key,
    prove,
)
from triage.domain.shares import Share
from triage.domain.text import NOTHING, Protected, new_id
from triage.domain.words import (
    CaseState,
    Channel,
    IdentifierType,
    Lane,
    Mark,
    ReplyState,
    Role,
    Route,
    Urgency,
)

__all__ = [
    "NOTHING",
    "Approval",
    "Arrival",
    "Attachment",
    "AuditEvent",
    "Beat",
    "Case",
    "CaseFile",
    "CaseRow",
    "CaseState",
    "Channel",
    "Classification",
    "Clinic",
    "Contact",
    "Cursor",
    "Delivery",
    "Draft",
    "Flag",
    "IdentifierType",
    "Label",
    "Lane",
    "Mark",
    "Message",
    "Outgoing",
    "Patient",
    "Position",
    "Priority",
    "Protected",
    "RawMessage",
    "Reading",
    "Redacted",
    "Redaction",
    "Reply",
    "ReplyState",
    "Request",
    "Role",
    "Route",
    "SampleItem",
    "Share",
    "Span",
    "StoredAttachment",
    "StoredMessage",
    "Suggestion",
    "Team",
    "Thread",
    "TrainingRow",
    "Urgency",
    "User",
    "approver_key",
    "new_id",
    "newest_from_person",
    "prove",
]
