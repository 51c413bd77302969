"""How people get in: whoever writes these rows by hand still opens no door.

Rule of the room: as in `guards.py`, which makes them all.
"""

from triage.store.guard import Guard, changed, exists

#: A second factor is given by a new session, never put into one.
_FROZEN_SESSION = ("id", "clinic", "user_id", "opened_at", "factor_at", "way")
_FROZEN_FACTOR = ("id", "clinic", "secret", "made_at")
_FROZEN_USER = ("id", "clinic", "username")


def _nobody(column: str, also: str = " AND users.active") -> str:
    """Return the condition that a row's person is not an active one of its clinic."""
    return "NOT " + exists("users", f"users.id = NEW.{column} AND users.clinic = NEW.clinic{also}")


_SESSIONS_LEFT = exists("sessions", "sessions.user_id = OLD.id")
AT_THE_DOOR = (
    Guard("users", "UPDATE", "who somebody is stays", changed(_FROZEN_USER)),
    Guard("sessions", "INSERT", "no such person here", _nobody("user_id")),
    Guard(
        "sessions",
        "INSERT",
        "no second factor to give",
        "NEW.factor_at IS NOT NULL AND NOT "
        + exists("second_factors", "second_factors.id = NEW.user_id")
        + " AND NOT (NEW.way = 'openid' AND "
        + exists("openid_subjects", "openid_subjects.id = NEW.user_id")
        + ")",
    ),
    Guard("sessions", "UPDATE", "who signed in stays", changed(_FROZEN_SESSION)),
    Guard("second_factors", "INSERT", "no such person here", _nobody("id")),
    Guard(
        "second_factors",
        "INSERT",
        "this app exists",
        exists("second_factors", "second_factors.id = NEW.id"),
    ),
    Guard("second_factors", "UPDATE", "the secret stays", changed(_FROZEN_FACTOR)),
    Guard("second_factors", "UPDATE", "a code works once", "NEW.last_step <= OLD.last_step"),
    Guard("second_factors", "DELETE", "sessions end first", _SESSIONS_LEFT),
    # Also of somebody shut out, who may come back; no session opens for them before.
    Guard("openid_subjects", "INSERT", "no such person here", _nobody("id", "")),
    Guard(
        "openid_subjects",
        "INSERT",
        "this subject exists",
        exists(
            "openid_subjects",
            "openid_subjects.id = NEW.id OR (openid_subjects.clinic = NEW.clinic"
            " AND openid_subjects.issuer = NEW.issuer AND openid_subjects.subject = NEW.subject)",
        ),
    ),
    Guard("openid_subjects", "UPDATE", "written once", "1 = 1"),
    Guard("openid_subjects", "DELETE", "sessions end first", _SESSIONS_LEFT),
    Guard("openid_starts", "UPDATE", "written once", "1 = 1"),
)
