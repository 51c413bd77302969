"""What happens to mail on its server once it is stored: by default nothing, seen in the rawlog."""

import re
from collections.abc import Iterator

import pytest
from imapclient import IMAPClient

from tests.servers import PASSWORD, DovecotServer
from triage.connectors.imap import ImapInbox
from triage.engine import InboxKeeper
from triage.errors import BadSettings
from triage.pipeline import land
from triage.store import Store
from triage.testing import mail

pytestmark = pytest.mark.bar(4)

MAILS = [mail(f"mail {n}", message_id=f"<{n}@example.org>") for n in range(8)]
WRITES = re.compile(r"STORE|EXPUNGE|COPY|MOVE|SELECT|APPEND|CREATE|DELETE")


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        server.append(MAILS)
        server.append([], "Stored by triage")
        server.mark()
        yield server


def inbox_of(server: DovecotServer, what: str, mailbox: str = "INBOX") -> ImapInbox:
    settings = {**server.settings, "after_storing": what, "mailboxes": [mailbox]}
    return ImapInbox(settings, PASSWORD)


def cycle(inbox: ImapInbox, store: Store, clinic: str) -> None:
    keeper = InboxKeeper(inbox, store, clinic=clinic, poll=0.0, clock=lambda: 0.0)
    assert keeper.once(), keeper.trouble
    inbox.close()


def there(server: DovecotServer, mailbox: str = "INBOX", keyword: str = "") -> int:
    with IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=20) as line:
        line.login(server.user, PASSWORD)
        line.select_folder(mailbox, readonly=True)
        return len(line.search(["KEYWORD", keyword] if keyword else "ALL"))


def unseen(server: DovecotServer) -> int:
    return len(server.doveadm("search", "-u", server.user, "mailbox", "*", "unseen").splitlines())


def test_by_default_nothing_is_written(dovecot: DovecotServer, store: Store, clinic: str) -> None:
    inbox = inbox_of(dovecot, "nothing")
    for _ in range(3):
        cycle(inbox, store, clinic)
    assert "BODY.PEEK[]" in dovecot.commands()
    assert not WRITES.search(dovecot.commands().upper())


def test_the_rawlog_would_show_a_write(dovecot: DovecotServer, store: Store, clinic: str) -> None:
    """The sabotage of the test above."""
    cycle(inbox_of(dovecot, "keyword"), store, clinic)
    assert WRITES.search(dovecot.commands().upper())


def test_a_keyword_is_given_once_it_is_stored_and_nothing_else(
    dovecot: DovecotServer, store: Store, clinic: str
) -> None:
    inbox = inbox_of(dovecot, "keyword")
    for _ in range(2):
        cycle(inbox, store, clinic)
    assert there(dovecot, keyword="$Triage") == len(MAILS)
    assert unseen(dovecot) == len(MAILS)
    assert dovecot.commands().count("STORE") == 1


def test_mail_is_moved_once_it_is_stored(dovecot: DovecotServer, store: Store, clinic: str) -> None:
    inbox = inbox_of(dovecot, "move")
    cycle(inbox, store, clinic)
    assert (there(dovecot), there(dovecot, "Stored by triage")) == (0, len(MAILS))
    dovecot.append([mail("later")])
    cycle(inbox, store, clinic)
    assert (there(dovecot), there(dovecot, "Stored by triage")) == (0, len(MAILS) + 1)
    assert len(store.landing.waiting(limit=100, clinic=clinic)) == len(MAILS) + 1


@pytest.mark.parametrize("what", ["keyword", "move"])
def test_landing_alone_changes_nothing(
    dovecot: DovecotServer, store: Store, clinic: str, what: str
) -> None:
    """Killed between storing and marking: the next process finds and finishes it."""
    land(inbox := inbox_of(dovecot, what), store, clinic=clinic)
    inbox.close()
    assert not WRITES.search(dovecot.commands().upper())
    cycle(inbox_of(dovecot, what), store, clinic)
    done = there(dovecot, keyword="$Triage") + there(dovecot, "Stored by triage")
    assert done == len(MAILS)
    assert len(store.landing.waiting(limit=100, clinic=clinic)) == len(MAILS)


@pytest.mark.parametrize("what", ["keyword", "move"])
def test_what_is_not_stored_is_not_touched(
    dovecot: DovecotServer, store: Store, clinic: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.landing, "land", lambda *_, **__: ())
    cycle(inbox_of(dovecot, what), store, clinic)
    assert not WRITES.search(dovecot.commands().upper())
    assert store.mailboxes.owed(clinic=clinic) == len(MAILS)


def test_other_mail_under_a_known_number_is_stored_before_it_is_moved(
    dovecot: DovecotServer, store: Store, clinic: str
) -> None:
    """The server went back and outgrew our mark meanwhile: same numbers, other mail."""
    dovecot.append(MAILS, "Front")
    land(inbox := inbox_of(dovecot, "nothing", "Front"), store, clinic=clinic)
    inbox.close()
    epoch = store.landing.cursors("front-desk", clinic=clinic)["Front"].epoch
    dovecot.delete_mailbox("Front")
    others = [mail(f"other {n}") for n in range(len(MAILS) + 2)]
    dovecot.append(others, "Front")
    dovecot.renumber(int(epoch), "Front")
    cycle(inbox_of(dovecot, "move", "Front"), store, clinic)
    waiting = store.landing.waiting(limit=100, clinic=clinic)
    stored = {store.landing.raw(one, clinic=clinic, by="t").content for _, one in waiting}
    assert stored == {*MAILS, *others}
    assert there(dovecot, "Stored by triage") == len(others)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"after_storing": "delete"}, "after_storing"),
        ({"after_storing": "move", "move_to": "INBOX"}, "move_to"),
        ({"keyword": "two words"}, "keyword"),
        ({"keyword": "\\Seen"}, "keyword"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], named: str) -> None:
    good = {"name": "front-desk", "host": "localhost", "user": "clinic", "security": "plain"}
    with pytest.raises(BadSettings, match=named):
        ImapInbox({**good, **wrong}, PASSWORD)
