"""The place an IMAP cursor names: the highest UID reached, and by name what is owed below it.

Rule of the room: a place that cannot be read is no place, and the mailbox is read from its start.
"""

import re
from dataclasses import dataclass

_WORDS = re.compile(r"(\d{1,10})(?: without (\d{1,10}(?:,\d{1,10})*))?")
#: With more than this owed, the mark stays below them all instead of naming each.
MOST_OWED = 200


@dataclass(frozen=True, slots=True)
class Place:
    """How far a mailbox was handed over: all up to `reached`, but for `owed`."""

    reached: int
    owed: tuple[int, ...] = ()

    @classmethod
    def read(cls, words: str) -> "Place | None":
        """Return the place that `str` wrote; None for anything else."""
        found = _WORDS.fullmatch(words)
        if found is None:
            return None
        owed = tuple(int(uid) for uid in (found[2] or "").split(",") if uid)
        return cls(int(found[1]), owed)

    def __str__(self) -> str:
        if not self.owed:
            return str(self.reached)
        if len(self.owed) > MOST_OWED:
            return str(min(self.owed) - 1)
        return f"{self.reached} without {','.join(map(str, self.owed))}"
