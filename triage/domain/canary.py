"""The test mail that goes through the real mailbox, and how it is told from everything else.

Rule of the room: what is taken out of the queue says nothing but the fixed words below. The mark
alone makes nothing invisible: whoever copies it onto other words has written a normal message.
"""

import re

#: The header with the mark; the mark is `<id>.<mac>`.
CANARY_HEADER = "X-Triage-Canary"
CANARY_SUBJECT = "triage test mail"
CANARY_WORDS = (
    "This mail was sent by triage to itself, to see that mail still arrives here.\n"
    "Nobody wrote it and nobody needs to read it.\n"
)
#: Relays add headers, but never this many.
_LONGEST = 64_000
_MARK = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")
#: With one of these a reader may see something else than the plain words.
_PLAIN = {
    "content-type": re.compile(r"text/plain\b[^,]*", re.IGNORECASE),
    "content-transfer-encoding": re.compile(r"7bit|8bit|quoted-printable", re.IGNORECASE),
}


def canary_mark(content: bytes) -> tuple[str, str] | None:
    """Return (id, mac) of a mail that says the fixed words and nothing else, else None."""
    if len(content) > _LONGEST or CANARY_HEADER.encode() not in content:
        return None
    head, parted, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not parted or body.split() != CANARY_WORDS.encode("ascii").split():
        return None
    headers = _headers(head)
    if headers is None or headers.get("subject") != [CANARY_SUBJECT]:
        return None
    for name, shape in _PLAIN.items():
        given = headers.get(name, [])
        if len(given) > 1 or not all(shape.fullmatch(value) for value in given):
            return None
    marks = headers.get(CANARY_HEADER.lower(), [])
    found = _MARK.fullmatch(marks[0]) if len(marks) == 1 else None
    return (found.group(1), found.group(2)) if found else None


def _headers(head: bytes) -> dict[str, list[str]] | None:
    """Return name -> values, unfolded; None where a line is no header."""
    found: dict[str, list[str]] = {}
    for line in re.sub(rb"\n[ \t]+", b" ", head).split(b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not re.fullmatch(r"[!-9;-~]+", name):
            return None
        found.setdefault(name.lower(), []).append(value.strip())
    return found
