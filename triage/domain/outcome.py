"""What a person says when they close a case: who was reached, when, and what was said."""

from collections.abc import Mapping
from dataclasses import dataclass

from triage.domain.text import NOTHING, Protected

#: Outcome -> what must be said with it.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "phoned": ("who", "what"),
    "sent_to_emergency_services": ("who", "what"),
    "handed_to_clinician": ("who",),
    "passed_on": ("who",),
}
_LABELS = {
    "phoned": "Spoke with",
    "sent_to_emergency_services": "Reached",
    "handed_to_clinician": "Handed to",
    "passed_on": "Passed to",
}


@dataclass(frozen=True, slots=True)
class Told:
    """The fields of an outcome, as somebody filled them in."""

    who: Protected = NOTHING
    when: Protected = NOTHING
    what: Protected = NOTHING

    def missing(self, outcome: str) -> tuple[str, ...]:
        """Return the fields this outcome needs and that are empty."""
        said = {"who": self.who, "when": self.when, "what": self.what}
        return tuple(field for field in NEEDED.get(outcome, ()) if not said[field].reveal().strip())

    def note(self, outcome: str, more: Protected) -> Protected:
        """Return what is kept with the case: a line for each field, then the person's note."""
        lines = [
            (_LABELS.get(outcome, "Who"), self.who),
            ("When", self.when),
            ("What", self.what),
            ("", more),
        ]
        kept = [(label, " ".join(text.reveal().split())) for label, text in lines[:3]]
        said = [f"{label}: {text}" for label, text in kept if text]
        return Protected("\n".join([*said, *([more.reveal().strip()] if more else [])]).strip())
