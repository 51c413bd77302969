"""Marks or moves mail on its server once it is stored, where a clinic wants that.

Rule of the room: without `after_storing` nothing here ever runs. With it, only what this very
process handed over and the ledger holds is touched, on a line of its own, and nothing is deleted.
"""

import imaplib
from collections.abc import Collection
from typing import Any

from triage.connectors.imap_line import Access, Line, View
from triage.connectors.options import Options
from triage.domain import Listing
from triage.errors import InboxRefused

#: UIDs named in one command.
_AT_ONCE = 500


class WritingLine(Line):
    """The one kind of line that may change something, and only these two things."""

    def open(self, mailbox: str) -> View:
        """Open `mailbox` for writing; InboxRefused where the account may only read it."""
        with self._speaking():
            try:
                answer = self._client.select_folder(mailbox)
            except imaplib.IMAP4.readonly:
                who = f"{self._access.who}, mailbox {mailbox}"
                raise InboxRefused(f"{who} is read-only") from None
            return self._view(mailbox, answer)

    def mark(self, uids: list[int], keyword: str) -> None:
        """Give messages a keyword; read or unread, they stay as they are."""
        with self._speaking():
            self._client.add_flags(uids, [keyword.encode()], silent=True)

    def move(self, uids: list[int], mailbox: str) -> None:
        """Move messages in one step; a server that would copy and delete instead is refused."""
        if not self.can_move:
            raise InboxRefused(f"{self._access.who}, after_storing (the server has no MOVE)")
        with self._speaking():
            self._client.move(uids, mailbox)


class Afterwards:
    """What happens on the server to mail that is stored: nothing, a keyword, or a move."""

    def __init__(self, options: Options, mailboxes: Collection[str]) -> None:
        self.what = options.one_of("after_storing", ["nothing", "keyword", "move"])
        self._keyword = options.text("keyword", "$Triage")
        self.target = options.text("move_to", "Stored by triage")
        if not self._keyword.isascii() or set(self._keyword) & set(' (){%*"\\]'):
            raise options.wrong("keyword")
        if self.what == "move" and self.target in mailboxes:
            raise options.wrong("move_to (is one of the mailboxes)")
        self._handed: dict[tuple[str, str], set[int]] = {}
        self._begun: set[tuple[str, str]] = set()

    def hand_over(self, at: View | Listing, uids: Collection[int]) -> None:
        """Remember what this process read with its own eyes."""
        if self.what != "nothing":
            self._handed.setdefault((at.mailbox, at.epoch), set()).update(uids)

    def leftovers(self, line: Line, view: View, reached: int) -> list[int]:
        """Return what an earlier process stored and did not come to mark or move.

        Said once a process; these are handed over again, so that nothing is moved away on the
        word of a ledger whose UIDs the server may have given to other mail since.
        """
        place = (view.mailbox, view.epoch)
        if self.what == "nothing" or place in self._begun or not reached:
            return []
        self._begun.add(place)
        return line.search(1, reached, without=self._keyword if self.what == "keyword" else "")

    def carry_out(self, access: Access, listing: Listing, uids: Collection[str]) -> None:
        """Mark or move what is stored for good; InboxRefused where the account may not."""
        handed = self._handed.get((listing.mailbox, listing.epoch), set())
        due = sorted(handed & {int(uid) for uid in uids})
        if not due:
            return
        line: Any = WritingLine(access)
        try:
            if line.open(listing.mailbox).epoch != listing.epoch:
                return
            for start in range(0, len(due), _AT_ONCE):
                some = due[start : start + _AT_ONCE]
                if self.what == "keyword":
                    line.mark(some, self._keyword)
                else:
                    line.move(some, self.target)
                handed.difference_update(some)
        finally:
            line.close()
