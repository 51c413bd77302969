"""What serves, in words the audit keeps: which models, which rules, which thresholds.

Rule of the room: names, digests and numbers only; a part that says nothing of itself is left out.
"""

from collections.abc import Mapping

from triage.pipeline import Rooms
from triage.store import Store


def serving(rooms: Rooms) -> dict[str, str]:
    """Return the name of each part, the digest of the rules and the numbers a model judges by."""
    found = {
        "redactor": getattr(rooms.redactor, "name", ""),
        "classifier": getattr(rooms.classifier, "name", ""),
        "rules": getattr(rooms.rules, "digest", ""),
        "drafter": getattr(rooms.drafter, "name", ""),
    }
    numbers = getattr(rooms.classifier, "thresholds", {})
    if isinstance(numbers, Mapping):
        found |= {f"threshold {name}": str(value) for name, value in numbers.items()}
    return {name: str(value) for name, value in found.items() if value}


def say(rooms: Rooms, store: Store, *, clinic: str | None, by: str) -> None:
    """Leave a row in the audit of one clinic, or of each, that says what serves from now on."""
    clinics = [clinic] if clinic else [each.id for each in store.people.clinics()]
    for each in clinics:
        store.audit.record("parts.serving", clinic=each, by=by, detail=serving(rooms))
