"""Tables for people who open them in a spreadsheet: no cell of ours can become a formula.

Rule of the room: every CSV that leaves goes through `as_csv`; a spreadsheet splits lines by
whatever its country uses, so that a sign is guarded behind every possible separator.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

#: Signs that start a formula, a command or a link, and what some spreadsheets skip before them.
_STARTS = re.compile(r"[\s\x00\u00a0\ufeff\"']*[=+\-@|%]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ufeff]+")
_SEPARATORS = re.compile(r"([;,\t\r\n|:])")


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV, every cell quoted and harmless."""
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return table.getvalue()


def harmless(cell: str) -> str:
    """Return a cell of which no spreadsheet takes any part for a formula.

    A guarded part begins with an apostrophe; control characters become a space.
    """
    pieces = _SEPARATORS.split(_CONTROLS.sub(" ", cell))
    return "".join("'" + piece if _starts(piece) else piece for piece in pieces)


def _starts(piece: str) -> bool:
    # Full-width signs are read as the plain ones where such letters are in use.
    return _STARTS.match(unicodedata.normalize("NFKC", piece)) is not None
