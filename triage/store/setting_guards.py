"""Settings that speak to patients hold in the database: four eyes, and addresses out of use.

Rule of the room: as in `guards.py`, which makes them all.
"""

from triage.store.guard import Guard, changed, exists

#: Rows of these are never changed once written; they never go away.
WRITTEN_ONCE = ("own_templates", "templates_in_service")
_SAME_WORDS = (
    "own_templates.id = NEW.template_id AND own_templates.clinic = NEW.clinic"
    " AND own_templates.route = NEW.route AND own_templates.language = NEW.language"
)


def _nobody(column: str) -> str:
    """Return the condition that a row's person is not an active one of its clinic."""
    return "NOT " + exists(
        "users", f"users.id = NEW.{column} AND users.clinic = NEW.clinic AND users.active"
    )


_WHOSE = ("id", "clinic", "patient_id", "channel")
SETTINGS = (
    Guard("own_templates", "INSERT", "the author is nobody here", _nobody("author")),
    Guard("templates_in_service", "INSERT", "nobody here releases it", _nobody("by_user")),
    Guard(
        "templates_in_service",
        "INSERT",
        "other words than it says",
        f"NEW.template_id IS NOT NULL AND NOT {exists('own_templates', _SAME_WORDS)}",
    ),
    Guard(
        "templates_in_service",
        "INSERT",
        "nobody releases their own",
        exists(
            "own_templates",
            "own_templates.id = NEW.template_id AND own_templates.author = NEW.by_user",
        ),
    ),
    Guard("contacts", "UPDATE", "whose contact it is stays", changed(_WHOSE)),
    Guard(
        "contacts",
        "UPDATE",
        "out of use nobody is reached",
        "NEW.retired_at IS NOT NULL AND (NEW.verified_by IS NOT NULL OR NEW.consent_to_email)",
    ),
    Guard(
        "contacts",
        "UPDATE",
        "another address is unverified",
        "NEW.address_index IS DISTINCT FROM OLD.address_index AND NEW.verified_by IS NOT NULL",
    ),
    Guard(
        "contacts",
        "UPDATE",
        "back in use it is unverified",
        "OLD.retired_at IS NOT NULL AND NEW.retired_at IS NULL AND NEW.verified_by IS NOT NULL",
    ),
)
