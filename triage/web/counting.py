"""Moments, sizes and shares in the shortest words.

Rule of the room: a template finds these beside `wording`; what holds a word of a language takes
`spoken`, the reader's.
"""

import math
from datetime import UTC, datetime

from triage.web.tongue import ENGLISH, Tongue


def age(moment: datetime) -> str:
    """Return how long ago a moment was, in the shortest words: `3 min`, `2 h`, `4 d`."""
    minutes = max(0, int((datetime.now(UTC) - moment).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def size(count: int) -> str:
    """Return a file size in words: `812 B`, `14 kB`, `2.1 MB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count // 1000} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def percent(share: float) -> str:
    """Return a share as a whole percentage, never rounded up to certainty."""
    whole = round(share * 100)
    return f"{min(whole, 99) if share < 1 else whole} %"


def exactly(share: float) -> str:
    """Return a share as a percentage with one decimal: `3.1 %`."""
    return f"{100 * share:.1f} %"


def nth(share: float) -> str:
    """Return the N of `1 in N`; of a large share a percentage."""
    return f"{math.floor(1 / share + 1e-9)}" if 0 < share <= 0.5 else exactly(share)


def one_in(share: float, *, spoken: Tongue = ENGLISH) -> str:
    """Return a share as `1 in 58`, never rarer than it is; a large one as a percentage."""
    words = spoken.say("1 in %(count)s")
    return words % {"count": nth(share)} if 0 < share <= 0.5 else exactly(share)


def due(moment: datetime, *, spoken: Tongue = ENGLISH) -> str:
    """Return until when an answer is due, in the shortest words: `due in 2 h`."""
    minutes = max(0, math.ceil((moment - datetime.now(UTC)).total_seconds() / 60))
    hours = minutes // 60
    left = f"{hours} h" if hours < 48 else f"{hours // 24} d"
    left = f"{minutes} min" if minutes < 90 else left
    return spoken.say("due in %(left)s") % {"left": left}


def late(moment: datetime) -> bool:
    """Whether a moment has passed."""
    return moment <= datetime.now(UTC)


def seconds_until(moment: datetime) -> int:
    """Return the whole seconds until a moment, rounded up; 0 once it has passed."""
    left = (moment - datetime.now(UTC)).total_seconds()
    return max(0, math.ceil(left))


#: A page asks so often at most; then the person does, so that no session lives on by itself.
MOST_ASKED = 99


def patience(seconds: int, attempt: int) -> int:
    """Return how long a page waits before it asks again where a reply is, ever longer."""
    return seconds + 1 if seconds else min(2 + attempt, 15)


def wait(seconds: int, *, spoken: Tongue = ENGLISH) -> str:
    """Say how long to wait before the next try."""
    if seconds < 60:
        one = "Wait %(num)s second, then try again."
        return spoken.many(one, "Wait %(num)s seconds, then try again.", seconds) % {"num": seconds}
    minutes = math.ceil(seconds / 60)
    one = "Wait %(num)s minute, then try again."
    return spoken.many(one, "Wait %(num)s minutes, then try again.", minutes) % {"num": minutes}


def in_fours(text: str) -> str:
    """Return a key in groups of four, as people copy it."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
