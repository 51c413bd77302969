"""How many of something a safety test tries: a few on every change, all of them in the long form.

`make faults ONLY=18` runs the tests marked `bar(18)` with TRIAGE_LONG=1 in the environment.
"""

import os

#: True in the long form.
LONG = os.environ.get("TRIAGE_LONG") == "1"


def many(short: int, *, long: int) -> int:
    """Return `short` in the ordinary suite, `long` in the long form."""
    return long if LONG else short
