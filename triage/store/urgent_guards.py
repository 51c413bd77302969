"""An urgent case is acted on by a named person, and what the watch counted is never taken back.

Rule of the room: as in `guards.py`, which makes them all. That whoever acted works here is a
foreign key; machines are in no row of `users`.
"""

from triage.store.guard import Guard, changed

_FROZEN = ("id", "clinic", "case_id", "since")
URGENT = (
    Guard(
        "cases",
        "UPDATE",
        "somebody acts and says how",
        "NEW.acted_at IS NOT NULL AND (NEW.acted_by IS NULL OR NEW.acted_how IS NULL)",
    ),
    Guard("cases", "INSERT", "nobody acted on it yet", "NEW.acted_at IS NOT NULL"),
    Guard("escalations", "INSERT", "no step was taken yet", "NEW.step <> 0"),
    Guard("escalations", "UPDATE", "whose time it is stays", changed(_FROZEN)),
    Guard(
        "escalations",
        "UPDATE",
        "time only grows",
        "NEW.waited < OLD.waited OR NEW.step < OLD.step OR OLD.ended_at IS NOT NULL",
    ),
)
