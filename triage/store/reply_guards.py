"""What was checked before a yes, and the forms that leave with it, stay as they were written.

Rule of the room: as in `guards.py`, which makes them all.
"""

from triage.store.guard import Guard, changed, exists

_FROZEN_FORM = ("id", "clinic", "name", "digest", "size", "content", "added_by", "added_at")
BESIDE_REPLIES = (
    Guard(
        "checks",
        "INSERT",
        "no approval of this reply",
        "NOT "
        + exists(
            "approvals",
            "approvals.id = NEW.id AND approvals.reply_id = NEW.reply_id"
            " AND approvals.clinic = NEW.clinic",
        ),
    ),
    Guard("forms", "UPDATE", "a form stays", changed(_FROZEN_FORM)),
    Guard("forms", "UPDATE", "retired once", "OLD.retired_at IS NOT NULL"),
    Guard("forms", "INSERT", "this form exists", exists("forms", "forms.id = NEW.id")),
)
