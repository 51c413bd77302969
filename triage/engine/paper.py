"""Keeps a list of every open case on the disk, for the hour in which nothing works.

Rule of the room: the list is there whole or not at all; this machine cannot read it back; a list
that is too old says so.
"""

import hashlib
import json
import logging
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triage.domain import OLDEST_LIST, PaperList
from triage.errors import blame

log = logging.getLogger(__name__)

#: What the file is called; people print it and open it in any browser.
FILE = "open-items.html"
#: How soon it is tried again when it could not be written.
AGAIN = timedelta(minutes=1)
_PARTS = Path(__file__).parent / "paper_page"
Content = Mapping[str, object]


class PaperFile:
    """Writes the sealed list of one clinic anew every few minutes."""

    def __init__(
        self,
        folder: Path,
        gather: Callable[[], PaperList],
        seal: Callable[[Content], Content] | None,
        written: Callable[[PaperList], None],
        *,
        every: timedelta = timedelta(minutes=10),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._gather = gather
        #: None while nobody has run `triage downtime setup`.
        self._seal = seal
        self._written = written
        self._every = every
        self._clock = clock
        self._since = clock()
        self._good: datetime | None = None
        self._due = self._since
        self._trouble = False

    def once(self) -> bool:
        """Write the list if it is time to; return whether it was written."""
        now = self._clock()
        # A clock that was set back puts no list off.
        if self._seal is None or self._due - self._every <= now < self._due:
            return False
        try:
            made = self._gather()
            write_list(self._folder / FILE, self._seal(made.content))
            self._written(made)
        except Exception as trouble:
            self._trouble, self._due = True, now + AGAIN
            log.error("the list for paper cannot be written: %(error)s", blame(trouble))
            return False
        self._trouble, self._good, self._due = False, now, now + self._every
        return True

    def notes(self) -> frozenset[str]:
        """Say that nobody has set it up, or that what lies on the disk is too old."""
        if self._seal is None:
            return frozenset({"paper_not_set_up"})
        late = self._clock() - (self._good or self._since) > OLDEST_LIST
        return frozenset({"paper_late"} if late or self._trouble else ())


def write_list(path: Path, sealed: Content) -> None:
    """Write the page that opens itself with the code, synced, in place of the one before."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(page(sealed).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # Half a page on a full disk would keep it full.
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)


def page(sealed: Content) -> str:
    """Return one page without any other file; it runs its own script only, and reaches nobody."""
    style, script = (
        (_PARTS / name).read_text(encoding="utf-8") for name in ("list.css", "list.js")
    )
    html = (_PARTS / "list.html").read_text(encoding="utf-8")
    # Inside a script element only `</` could end the data early, and base64 has no `<`.
    data = json.dumps(sealed).replace("<", "\\u003c")
    fills = {
        "STYLE_HASH": _hash(style),
        "SCRIPT_HASH": _hash(script),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": data,
    }
    for name, text in fills.items():
        html = html.replace(f"%%{name}%%", text)
    return html


def sealed_in(path: Path) -> dict[str, object]:
    """Return what is sealed in a page; raise ValueError for a file that is none."""
    html = path.read_text(encoding="utf-8")
    begin = html.index('<script type="application/json" id="sealed">')
    data = html[html.index(">", begin) + 1 : html.index("</script>", begin)]
    found: dict[str, object] = json.loads(data)
    return found


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
