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
    EXPORT_PATIENT = "export_patient"
    JUDGE_SAMPLE = "judge_sample"
    EXPORT_TRAINING = "export_training"
    SEE_MODELS = "see_models"
    PROMOTE_MODEL = "promote_model"
    SET_PROMISE = "set_promise"
    SIGN_CLINICAL = "sign_clinical"
    MANAGE_USERS = "manage_users"
    IMPORT_ROSTER = "import_roster"


RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.SEE_QUEUE: _FRONT,
    Right.WORK_CASE: _FRONT,
    Right.TAKE_OVER: frozenset({Role.SUPERVISOR, Role.NURSE}),
    Right.WRITE_REPLY: _FRONT,
    Right.APPROVE_REPLY: _SENDERS,
    Right.IDENTIFY_PATIENT: _FRONT,
    Right.SEE_AUDIT: _OVERSEERS,
    Right.EXPORT_AUDIT: _OVERSEERS,
    Right.EXPORT_PATIENT: _OVERSEERS,
    Right.JUDGE_SAMPLE: frozenset({Role.SUPERVISOR, Role.NURSE}),
    Right.EXPORT_TRAINING: frozenset({Role.DATA_SCIENTIST}),
    Right.SEE_MODELS: frozenset({Role.SUPERVISOR, Role.DATA_SCIENTIST, Role.ADMINISTRATOR}),
    Right.PROMOTE_MODEL: _OVERSEERS,
    Right.SET_PROMISE: _OVERSEERS,
    Right.SIGN_CLINICAL: frozenset({Role.NURSE}),
    Right.MANAGE_USERS: frozenset({Role.ADMINISTRATOR}),
    Right.IMPORT_ROSTER: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}),
}


def may(user: User, right: Right) -> bool:
    """Whether an active user holds a role the table grants the right to."""
    return user.active and bool(user.roles & RIGHTS.get(right, frozenset()))


def require(user: User, right: Right) -> None:
    """Raise NotAllowed unless the user may."""
    if not may(user, right):
        raise NotAllowed(right.value)
