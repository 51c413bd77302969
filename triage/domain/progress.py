"""The note an inbox leaves with its heart-beat while it fetches many messages."""

import re

_NOTE = re.compile(r"fetching ([0-9]{1,9}) of ([0-9]{1,9})")


def fetching(done: int, whole: int) -> str:
    """Return the note."""
    return f"fetching {done} of {whole}"


def read_fetching(note: str) -> tuple[int, int] | None:
    """Return (fetched, of how many); None for any other note."""
    found = _NOTE.fullmatch(note)
    return None if found is None else (int(found[1]), int(found[2]))
