"""Who may do what: one table, denied unless it says so."""

from collections.abc import Mapping
from enum import StrEnum

from triage.domain import Role, User
from triage.errors import NotAllowed

_FRONT = frozenset({Role.SECRETARY, Role.WRITER, Role.NURSE, Role.SUPERVISOR})
_SENDERS = frozenset({Role.SECRETARY, Role.NURSE, Role.SUPERVISOR})
_OVERSEERS = frozenset({Role.SUPERVISOR})


class Right(StrEnum):
    """Everything a person can ask of the desk."""

    SEE_QUEUE = "see_queue"
    WORK_CASE = "work_case"
    TAKE_OVER = "take_over"
    WRITE_REPLY = "write_reply"
    APPROVE_REPLY = "approve_reply"
    IDENTIFY_PATIENT = "identify_patient"
    SEE_AUDIT = "see_audit"
    EXPORT_AUDIT = "export_audit"
    EXPORT_EVIDENCE = "export_evidence"
    EXPORT_PATIENT = "export_patient"
    JUDGE_SAMPLE = "judge_sample"
    EXPORT_TRAINING = "export_training"
    SEE_MODELS = "see_models"
    PROMOTE_MODEL = "promote_model"
    SET_PROMISE = "set_promise"
    SIGN_CLINICAL = "sign_clinical"
    MANAGE_USERS = "manage_users"
    BREAK_GLASS = "break_glass"
    REVIEW_GLASS = "review_glass"
    IMPORT_ROSTER = "import_roster"
    ADVISE = "advise"
    MANAGE_FORMS = "manage_forms"
    SET_PRACTICE = "set_practice"
    MANAGE_TEAMS = "manage_teams"
    WRITE_TEMPLATE = "write_template"
    RELEASE_TEMPLATE = "release_template"
    EDIT_CONTACTS = "edit_contacts"


RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.SEE_QUEUE: _FRONT,
    Right.WORK_CASE: _FRONT,
    Right.TAKE_OVER: frozenset({Role.SUPERVISOR, Role.NURSE}),
    Right.WRITE_REPLY: _FRONT,
    Right.APPROVE_REPLY: _SENDERS,
    Right.IDENTIFY_PATIENT: _FRONT,
    Right.SEE_AUDIT: _OVERSEERS,
    Right.EXPORT_AUDIT: _OVERSEERS,
    Right.EXPORT_EVIDENCE: _OVERSEERS,
    Right.EXPORT_PATIENT: _OVERSEERS,
    Right.JUDGE_SAMPLE: frozenset({Role.SUPERVISOR, Role.NURSE}),
    Right.EXPORT_TRAINING: frozenset({Role.DATA_SCIENTIST}),
    Right.SEE_MODELS: frozenset({Role.SUPERVISOR, Role.DATA_SCIENTIST, Role.ADMINISTRATOR}),
    Right.PROMOTE_MODEL: _OVERSEERS,
    Right.SET_PROMISE: _OVERSEERS,
    Right.SIGN_CLINICAL: frozenset({Role.NURSE}),
    Right.MANAGE_USERS: frozenset({Role.ADMINISTRATOR}),
    # Whoever sees the queue needs no emergency to open a case.
    Right.BREAK_GLASS: frozenset(Role) - _FRONT,
    Right.REVIEW_GLASS: _OVERSEERS,
    Right.IMPORT_ROSTER: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}),
    # Only somebody licensed approves words that are clinical advice.
    Right.ADVISE: frozenset({Role.NURSE}),
    Right.MANAGE_FORMS: _OVERSEERS,
    # The practice manager is a supervisor.
    Right.SET_PRACTICE: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}),
    # Who works with whom, and where two must approve.
    Right.MANAGE_TEAMS: _OVERSEERS,
    Right.WRITE_TEMPLATE: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}),
    # The second pair of eyes may be clinical; the store keeps authors from their own words.
    Right.RELEASE_TEMPLATE: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.NURSE}),
    # Patients' addresses: not the administrator, who sees no patient.
    Right.EDIT_CONTACTS: _OVERSEERS,
}


#: Who may send a patient's words, change what serves, or say who works here, needs a second factor.
GRAVE: frozenset[Right] = frozenset(
    {
        Right.APPROVE_REPLY,
        Right.PROMOTE_MODEL,
        Right.SET_PROMISE,
        Right.SIGN_CLINICAL,
        Right.MANAGE_USERS,
        Right.IMPORT_ROSTER,
        Right.ADVISE,
        Right.MANAGE_FORMS,
        Right.SET_PRACTICE,
        Right.MANAGE_TEAMS,
        Right.WRITE_TEMPLATE,
        Right.RELEASE_TEMPLATE,
        Right.EDIT_CONTACTS,
    }
)


def may(user: User, right: Right) -> bool:
    """Whether an active user holds a role the table grants the right to."""
    return user.active and bool(user.roles & RIGHTS.get(right, frozenset()))


def require(user: User, right: Right) -> None:
    """Raise NotAllowed unless the user may."""
    require_any(user, right)


def require_any(user: User, *rights: Right) -> None:
    """Raise NotAllowed unless the user may at least one of these."""
    if not any(may(user, right) for right in rights):
        raise NotAllowed(" or ".join(rights))


def needs_second_factor(user: User) -> bool:
    """Whether a person may approve or administer, so that a password alone is not enough."""
    return any(may(user, right) for right in GRAVE)
