"""Who signed a redacted message, as the placeholder that stands for the name.

Rule of the room: in doubt nobody; a greeting without a name is better than the wrong name.
"""

import re

from triage.domain import IdentifierType, Redacted

_NAME = r"(\[NAME_\d+\])"
#: A name followed by anything else ("my name is [NAME_1]'s mother") may not be the writer's.
_ENDS = r"(?=\s*(?:[.,;:!)\n]|$|and\b|y\b))"
_SAYS_SO = re.compile(
    rf"\b(?:my name is|i am|i'm|me llamo|mi nombre es|soy)\s+{_NAME}{_ENDS}", re.I
)
_FAREWELL = (
    r"(?:(?:many |muchas )?thanks(?: again)?|thank you|gracias|(?:best |kind |warm )?regards|best"
    r"|sincerely(?: yours)?|cheers|yours(?: truly)?|respectfully|saludos(?: cordiales)?"
    r"|atentamente|with gratitude)"
)
_SIGNATURE = re.compile(rf"^[\s~*—–-]*(?:{_FAREWELL}[\s,.!]+)?{_NAME}[\s.,!]*$", re.I)
_FAREWELL_ALONE = re.compile(rf"^\s*{_FAREWELL}[\s,.!]*$", re.I)
_OLDER = re.compile(r"^\s*(?:>|(?:on|el) .{3,120}(?:wrote|escribió):\s*$)", re.I)
#: A signature stands among this many last lines, and what follows it is short.
_LAST_LINES = 4
_SHORT = 60


def writer_of(redacted: Redacted) -> str | None:
    """Return the placeholder of the person who wrote the body, or None when that is unsure."""
    lines = _newest(redacted.body)
    found = set(_SAYS_SO.findall("\n".join(lines))) | _signatures(lines)
    known = {one.placeholder for one in redacted.redactions if one.type is IdentifierType.NAME}
    return found.pop() if len(found) == 1 and found <= known else None


def _newest(body: str) -> list[str]:
    lines: list[str] = []
    for line in body.split("\n"):
        if _OLDER.match(line):
            break
        lines.append(line)
    return lines


def _signatures(lines: list[str]) -> set[str]:
    """Return the names that stand alone on a line near the end, below a blank or a farewell."""
    written = [at for at, line in enumerate(lines) if line.strip()]
    found: set[str] = set()
    for at in written[-_LAST_LINES:]:
        match = _SIGNATURE.match(lines[at])
        below = [lines[later] for later in written if later > at]
        if match and _set_apart(lines, at) and all(len(line) <= _SHORT for line in below):
            found.add(match[1])
    return found


def _set_apart(lines: list[str], at: int) -> bool:
    """Whether the line can be a signature by what stands above it."""
    above = next((line.rstrip() for line in reversed(lines[:at]) if line.strip()), "")
    if not above or above.endswith(":"):
        # The only line, or the entry of a form or list.
        return False
    if _SIGNATURE.match(above):
        # A second name below the first: both are kept, so that the two contradict each other.
        return True
    return not lines[at - 1].strip() or _FAREWELL_ALONE.match(lines[at - 1]) is not None
