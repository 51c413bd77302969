"""What lies in a mailbox is learned by difference where the server can tell, and never believed."""

import threading
from collections.abc import Iterator

import pytest
from imapclient import IMAPClient

from tests.liars import LyingImap
from tests.servers import PASSWORD, DovecotServer
from triage.connectors.imap import ImapInbox
from triage.connectors.imap_cursor import MOST_OWED, Place
from triage.connectors.imap_line import Change, Line
from triage.connectors.imap_resync import _uids
from triage.domain import Cursor
from triage.testing import mail


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        server.append([mail(f"mail {n}") for n in range(9)])
        yield server


def settled(inbox: ImapInbox) -> dict[str, Cursor]:
    return {delivery.cursor.mailbox: delivery.cursor for delivery in inbox.deliveries({})}


def listed(inbox: ImapInbox, cursors: dict[str, Cursor]) -> list[int]:
    (listing,) = inbox.listings(cursors)
    return sorted(int(uid) for uid in listing.uids)


def by_another(server: DovecotServer) -> IMAPClient:
    line = IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=20)
    line.login(server.user, PASSWORD)
    line.select_folder("INBOX")
    return line


def expunge(server: DovecotServer, *uids: int) -> None:
    with by_another(server) as line:
        line.delete_messages(uids)
        line.expunge()


def test_what_went_and_what_changed_is_learned_without_listing_all_again(
    dovecot: DovecotServer,
) -> None:
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    cursors = settled(inbox)
    assert listed(inbox, cursors) == list(range(1, 10))
    expunge(dovecot, 2, 4, 5, 6)
    with by_another(dovecot) as line:
        line.add_flags([3], [b"\\Seen"])
    dovecot.append([mail("past the cursor")])
    before = dovecot.commands()
    assert listed(inbox, cursors) == [1, 3, 7, 8, 9]
    assert dovecot.commands().count("(QRESYNC (") == 1
    assert dovecot.commands().count("SEARCH") == before.count("SEARCH")
    inbox.close()


def test_a_difference_that_does_not_add_up_is_not_believed(
    dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    cursors = settled(inbox)
    listed(inbox, cursors)
    truth = Line.changes

    def half(line: Line, since: object) -> Change | None:
        change = truth(line, since)  # type: ignore[arg-type]  # Passed through.
        assert change is not None
        return Change(change.view, change.touched, frozenset())

    monkeypatch.setattr(Line, "changes", half)
    expunge(dovecot, 2)
    before = dovecot.commands()
    assert listed(inbox, cursors) == [1, *range(3, 10)]
    assert dovecot.commands().count("SEARCH") == before.count("SEARCH") + 1
    inbox.close()


def test_another_epoch_is_listed_anew_and_not_compared_with_the_old_cursor(
    dovecot: DovecotServer,
) -> None:
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    cursors = settled(inbox)
    listed(inbox, cursors)
    dovecot.renumber(4242)
    assert list(inbox.listings(cursors)) == []
    assert listed(inbox, settled(inbox)) == list(range(1, 10))
    inbox.close()


def test_idle_stands_when_mail_vanishes_under_qresync(dovecot: DovecotServer) -> None:
    """With QRESYNC on, the server says VANISHED where it said EXPUNGE."""
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    settled(inbox)
    timer = threading.Timer(0.3, lambda: expunge(dovecot, 3, 4, 5, 9))
    timer.start()
    assert inbox.wait(1.0) is False
    timer.join()
    timer = threading.Timer(0.3, lambda: dovecot.append([mail("ring")]))
    timer.start()
    assert inbox.wait(20) is True
    timer.join()
    inbox.close()


def test_a_server_without_any_of_it_is_listed_whole(dovecot: DovecotServer) -> None:
    with LyingImap(dict.fromkeys([2, 3, 9], mail("x"))) as server:
        inbox = ImapInbox(server.settings, PASSWORD)
        cursors = settled(inbox)
        for _ in range(2):
            assert listed(inbox, cursors) == [2, 3, 9]
        inbox.close()


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    for place in (Place(0), Place(7), Place(900, (3, 57))):
        assert Place.read(str(place)) == place
    for words in ("", "-1", "7 without ", "7 without a", "no cursor of ours", "9" * 11, "7\n"):
        assert Place.read(words) is None
    many = Place(9000, tuple(range(100, 101 + MOST_OWED)))
    assert Place.read(str(many)) == Place(99)


def test_a_vanished_range_of_billions_is_nonsense() -> None:
    assert _uids(b"(EARLIER) 41,43:45") == [41, 43, 44, 45]
    with pytest.raises(ValueError, match="vanished"):
        _uids(b"1:4294967295")
