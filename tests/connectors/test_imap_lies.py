"""The IMAP inbox against servers that lie."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.connectors.test_imap import arrivals, collect, cursors, mails
from tests.liars import LyingImap
from tests.servers import PASSWORD
from triage.connectors.imap import ImapInbox
from triage.connectors.imap_line import Line
from triage.domain import Cursor, Listing
from triage.errors import InboxLied, InboxUnreachable, MailboxUnreachable
from triage.testing import mail


class TestLyingServer:
    """Nothing is skipped: a cursor never passes a message that was not handed over."""

    @pytest.fixture
    def server(self) -> Iterator[LyingImap]:
        with LyingImap(dict(enumerate(mails(6), 1))) as server:
            yield server

    @pytest.mark.parametrize("lie", ["silent", "nil", "empty", "cut", "too_long"])
    def test_one_message_it_will_not_give_is_owed_by_name_and_holds_up_nobody(
        self, server: LyingImap, lie: str
    ) -> None:
        getattr(server.lies, lie).add(3)
        inbox = ImapInbox({**server.settings, "batch_messages": 4}, PASSWORD)
        found, trouble = collect(inbox)
        assert isinstance(trouble, InboxLied)
        assert sorted(a.position.uid for a in arrivals(found)) == ["1", "2", "4", "5", "6"]
        assert cursors(found)["INBOX"].uid == "6 without 3"
        getattr(server.lies, lie).clear()
        again, trouble = collect(inbox, cursors(found))
        assert trouble is None
        assert [a.position.uid for a in arrivals(again)] == ["3"]
        assert cursors(again)["INBOX"].uid == "6"

    @pytest.mark.parametrize("whole_up_to", [60, 0.0011], ids=["whole", "in pieces"])
    def test_an_answer_that_does_not_say_whose_it_is_is_nobodys(
        self, server: LyingImap, whole_up_to: float
    ) -> None:
        """Sequence number 3 is UID 4 here; without its UID its words were taken for UID 3."""
        server.messages = {
            uid: mail(f"mail {uid} " * 200, message_id=f"<{uid}@example.org>") for uid in (2, 3, 4)
        }
        server.lies.nameless.add(4)
        inbox = ImapInbox({**server.settings, "oversize_megabytes": whole_up_to}, PASSWORD)
        found, trouble = collect(inbox)
        assert {int(a.position.uid): a.content for a in arrivals(found)} == {
            2: server.messages[2], 3: server.messages[3]
        }  # fmt: skip
        assert isinstance(trouble, InboxLied)
        assert cursors(found)["INBOX"].uid == "4 without 4"
        server.lies.nameless.clear()
        again, trouble = collect(inbox, cursors(found))
        assert [a.content for a in arrivals(again)] == [server.messages[4]]

    @pytest.mark.parametrize("lie", ["size_refused", "size_ends_it"])
    def test_a_size_it_cannot_tell_holds_up_nobody(self, server: LyingImap, lie: str) -> None:
        getattr(server.lies, lie).update({2, 5})
        server.lies.empty.add(5)
        inbox = ImapInbox({**server.settings, "batch_messages": 4}, PASSWORD)
        found, trouble = collect(inbox)
        assert isinstance(trouble, InboxLied)
        assert [a.position.uid for a in arrivals(found)] == ["1", "2", "3", "4", "6"]
        assert cursors(found)["INBOX"].uid == "6 without 5", "nothing is no message"
        listing = Listing("INBOX", "7", frozenset("12"))
        again = [one.position.uid for some in inbox.fetch(listing, listing.uids) for one in some]
        assert again == ["1", "2"], "nor does it when the server is compared with the ledger"

    def test_a_server_that_tells_no_sizes_is_not_logged_in_to_for_each(
        self, server: LyingImap
    ) -> None:
        server.lies.size_refused |= set(server.messages)
        found, trouble = collect(ImapInbox(server.settings, PASSWORD))
        assert trouble is None
        assert [a.content for a in arrivals(found)] == list(server.messages.values())
        assert server.connections == 5, "one for all, and three alone before the rest goes without"

    @pytest.mark.parametrize("pieces", [True, False], ids=["in pieces", "whole"])
    def test_a_long_message_without_a_size_comes_over_a_slow_line(
        self, server: LyingImap, monkeypatch: pytest.MonkeyPatch, pieces: bool
    ) -> None:
        """The whole takes longer than a message of no size may take."""
        monkeypatch.setattr("triage.connectors.imap_line._PIECE", 8 * 1024)
        if not pieces:
            monkeypatch.setattr(Line, "body_in_pieces", lambda *_: None)
        long = mail("It hurts. " * 4_000, message_id="<long@example.org>")
        server.messages = {1: server.messages[1], 2: long}
        server.lies.size_refused |= {1, 2}
        server.lies.slow = 0.015
        settings = {**server.settings, "timeout_seconds": 0.2}
        found, trouble = collect(ImapInbox(settings, PASSWORD))
        assert trouble is None
        assert [a.content for a in arrivals(found)] == list(server.messages.values())

    def test_a_mailbox_at_which_it_hangs_up_holds_up_no_other(self, server: LyingImap) -> None:
        server.lies.hangs_up_at.add("Junk")
        settings = {**server.settings, "mailboxes": ["Junk", "INBOX", "Old"]}
        inbox = ImapInbox(settings, PASSWORD)
        found, trouble = collect(inbox)
        assert isinstance(trouble, MailboxUnreachable)
        assert "mailbox Junk" in str(trouble)
        places = [(a.position.mailbox, a.position.uid) for a in arrivals(found)]
        assert places == [(box, str(uid)) for box in ("INBOX", "Old") for uid in server.messages]
        marks = {box: Cursor(box, "7", "6") for box in ("Junk", "INBOX", "Old")}
        listings = inbox.listings(marks)
        assert [next(listings).mailbox for _ in range(2)] == ["INBOX", "Old"]
        with pytest.raises(MailboxUnreachable):
            next(listings)

    def test_what_was_not_looked_at_beneath_its_mark_is_not_read_on(
        self, server: LyingImap
    ) -> None:
        """The server falls over with the old mail and comes back with a backup, outgrown."""
        inbox = ImapInbox({**server.settings, "mailboxes": ["Junk", "INBOX"]}, PASSWORD)
        marks = {box: Cursor(box, "7", "3") for box in ("Junk", "INBOX")}
        server.lies.hangs_up_at.add("Junk")
        assert len(list(inbox.newest(marks))) == 1
        server.lies.hangs_up_at.clear()
        found, trouble = collect(inbox, marks)
        assert isinstance(trouble, MailboxUnreachable)
        assert set(cursors(found)) == {"INBOX"}
        assert len(list(inbox.newest(marks))) == 1
        found, trouble = collect(inbox, marks)
        assert (set(cursors(found)), trouble) == ({"Junk", "INBOX"}, None)

    def test_a_server_that_is_gone_is_not_asked_for_every_mailbox(self, server: LyingImap) -> None:
        settings = {**server.settings, "mailboxes": [f"Box {n}" for n in range(20)]}
        inbox = ImapInbox(settings, PASSWORD)
        assert collect(inbox)[1] is None
        server.lies.hangs_up_at.add("Box")
        server.lies.gone = True
        before = server.connections
        found, trouble = collect(inbox)
        assert (found, type(trouble)) == ([], InboxUnreachable)
        assert server.connections - before <= 1

    def test_a_message_that_was_expunged_meanwhile_is_no_lie(self, server: LyingImap) -> None:
        server.lies.silent.add(3)
        inbox = ImapInbox(server.settings, PASSWORD)
        examine = server._bodies

        def expunge(uids: list[int], line: socket.socket, *more: Any) -> bytes | None:
            server.lies.vanished.add(3)
            return examine(uids, line, *more)

        server._bodies = expunge  # type: ignore[method-assign]  # The liar changes its ways.
        found, trouble = collect(inbox)
        assert trouble is None
        assert [a.position.uid for a in arrivals(found)] == ["1", "2", "4", "5", "6"]
        assert cursors(found)["INBOX"].uid == "6"

    def test_a_bye_in_the_middle_is_survived_within_the_call(self, server: LyingImap) -> None:
        server.lies.byes = 1
        found, trouble = collect(ImapInbox(server.settings, PASSWORD))
        assert trouble is None
        assert [a.content for a in arrivals(found)] == list(server.messages.values())
        assert server.connections == 2

    def test_answers_that_make_no_sense_end_in_a_lie(self, server: LyingImap) -> None:
        server.lies.garbage = True
        found, trouble = collect(ImapInbox(server.settings, PASSWORD))
        assert isinstance(trouble, InboxLied)
        assert arrivals(found) == []
        assert {delivery.cursor.uid for delivery in found} == {"6 without 1,2,3,4,5,6"}

    def test_a_server_that_drips_does_not_hold_the_worker(
        self, server: LyingImap, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("triage.connectors.imap_line._SLOWEST", 10**9)
        server.lies.drip = True
        server.messages = dict(list(server.messages.items())[:1])
        found, trouble = collect(ImapInbox({**server.settings, "timeout_seconds": 0.2}, PASSWORD))
        assert isinstance(trouble, InboxLied)
        assert arrivals(found) == []

    def test_counting_messages_without_listing_them_is_a_lie(self, server: LyingImap) -> None:
        server.lies.vanished = set(server.messages)
        found, trouble = collect(ImapInbox(server.settings, PASSWORD))
        assert (found, type(trouble)) == ([], InboxLied)

    def test_without_uidnext_a_mailbox_that_shrank_is_read_again(self, server: LyingImap) -> None:
        server.lies.no_uid_next = True
        inbox = ImapInbox(server.settings, PASSWORD)
        found, _ = collect(inbox)
        assert collect(inbox, cursors(found)) == ([], None)
        ahead = {"INBOX": replace(cursors(found)["INBOX"], uid="99")}
        assert len(arrivals(collect(inbox, ahead)[0])) == 6

    def test_very_large_mailboxes_are_listed_in_windows(
        self, server: LyingImap, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("triage.connectors.imap_line._WINDOW", 2)
        server.messages = dict.fromkeys([1, 2, 3, 9, 20, 21, 40], mails(1)[0])
        found, _ = collect(ImapInbox(server.settings, PASSWORD))
        assert [int(a.position.uid) for a in arrivals(found)] == [1, 2, 3, 9, 20, 21, 40]
