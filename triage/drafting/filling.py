"""One text for many patients: its places are filled for each of them from the store.

Rule of the room: a place that nobody can fill makes the text unusable, so that no `[NAME]` leaves.
"""

import re
from collections.abc import Mapping

from triage.domain import Protected

_PLACE = re.compile(r"\[[A-Z][A-Z_0-9]*\]")
#: What may stand in the text of a person.
PLACES = ("[NAME]", "[CLINIC]")


def filled(text: Protected, values: Mapping[str, Protected]) -> Protected | None:
    """Return the text with its places filled; None where one of them has no value."""
    missing = [place for place in _PLACE.findall(text.reveal()) if not values.get(place)]
    if missing:
        return None
    # One pass, so that a value that looks like a place is not filled in turn.
    return Protected(_PLACE.sub(lambda found: values[found[0]].reveal(), text.reveal()))
