"""What a person has to say when they close a case, at the desk or after a time on paper."""

from triage.domain import Protected, Told
from triage.domain.outcome import NEEDED
from triage.errors import OutcomeIncomplete


def words_of(outcome: str, told: Told | None, note: Protected) -> Protected:
    """Return what is kept of an outcome; raise OutcomeIncomplete where it needs more words."""
    if told is None:
        if outcome in NEEDED and not note:
            raise OutcomeIncomplete(outcome)
        return note
    if told.missing(outcome):
        raise OutcomeIncomplete(outcome)
    return told.note(outcome, note)
