"""Which words a suggestion was made from, in a name that says the version, too."""

import hashlib

from triage.domain import Route, Suggestion
from triage.drafting.own_words import shipped

_ROUTES = frozenset(route.value for route in Route)
#: Signs of the digest that name a version of the words that ship.
_SHORT = 12


def named(suggestion: Suggestion) -> str:
    """Return the template and its version.

    A clinic's own is `refill@3`, its third version. Words that ship are `refill@en-` and the
    beginning of their SHA-256, since they change with the program; what another drafter made has
    the name that drafter gave.
    """
    if suggestion.template not in _ROUTES:
        return suggestion.template
    words = shipped(Route(suggestion.template), suggestion.language)
    if words is None:
        return suggestion.template
    digest = hashlib.sha256(f"{words.subject}\n{words.text}".encode()).hexdigest()
    return f"{suggestion.template}@{suggestion.language}-{digest[:_SHORT]}"
