"""Keeps what was worked out of a table's patterns, so that the next process need not do it again.

Rule of the room: what was kept is used only when its own hash holds and these very sources made it
of these very patterns; a cache that cannot be read or written costs time and nothing else.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import regex  # type: ignore[import-untyped]  # It has no type information.

from triage.encoder.base import cache
from triage.redaction import finding, signs
from triage.redaction.signs import Needs

#: One pattern of a table: its expression, and whether capitals matter.
Row = tuple[str, bool]


def kept_needs(rows: Sequence[Row], work_out: Callable[[str, bool], Needs]) -> list[Needs]:
    """Return what each row needs, from the cache or else through `work_out`; same order."""
    place = cache() / f"signs-{_key(rows)}.json"
    found = _read(place, len(rows))
    if found is None:
        found = [work_out(expression, case) for expression, case in rows]
        _write(place, found)
    return found


def _key(rows: Sequence[Row]) -> str:
    """Return a name for these patterns as read by this code and these libraries."""
    made_by = hashlib.sha256(json.dumps([sys.version, regex.__version__, rows]).encode())
    for source in (signs.__file__, finding.__file__):
        made_by.update(Path(source).read_bytes())
    return made_by.hexdigest()


def _read(place: Path, rows: int) -> list[Needs] | None:
    try:
        digest, _, written = place.read_text("utf-8").partition("\n")
        if hashlib.sha256(written.encode()).hexdigest() != digest:
            return None
        found = [Needs.of(line) for line in json.loads(written)]
    except (OSError, ValueError, TypeError):
        return None
    return found if len(found) == rows else None


def _write(place: Path, found: Sequence[Needs]) -> None:
    written = json.dumps([needs.line() for needs in found])
    digest = hashlib.sha256(written.encode()).hexdigest()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=place.parent, prefix=".signs-", delete=False, encoding="utf-8"
        ) as beside:
            beside.write(f"{digest}\n{written}")
        # Moved in one step, so that another process never reads half of it.
        os.replace(beside.name, place)
    except OSError:
        return
