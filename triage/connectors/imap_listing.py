"""Knows which UIDs lie in each mailbox: listed whole, or learned by what changed since.

Rule of the room: a difference is believed only while it adds up to the count the server gives,
and all is listed anew every so often whatever it says.
"""

from dataclasses import dataclass

from triage.connectors.imap_line import Line, View

#: After so many differences the whole mailbox is listed again.
_RELIST = 100


@dataclass(slots=True)
class _Known:
    view: View
    uids: set[int]
    differences: int = 0


class Contents:
    """The UIDs of every mailbox of one account, as last seen."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def forget(self) -> None:
        """Believe nothing any more; the next look lists everything."""
        self._known.clear()

    def of(self, line: Line, mailbox: str) -> tuple[View, set[int]]:
        """Open `mailbox` and return what lies there now."""
        known = self._known.pop(mailbox, None)
        found = self._by_difference(line, known) if known is not None else None
        if found is None:
            view = line.examine(mailbox)
            found = _Known(view, {uid for part in line.uids(view, 0) for uid in part})
        self._known[mailbox] = found
        return found.view, found.uids

    def _by_difference(self, line: Line, known: _Known) -> _Known | None:
        if known.differences >= _RELIST:
            return None
        change = line.changes(known.view)
        if change is None:
            return None
        uids = (known.uids - change.vanished) | change.touched
        if len(uids) != change.view.exists:
            return None
        return _Known(change.view, uids, known.differences + 1)
