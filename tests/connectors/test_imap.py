"""The IMAP inbox against a real Dovecot; test_imap_lies.py has the servers that lie."""

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.servers import PASSWORD, DovecotServer, append_all
from triage.connectors.imap import ImapInbox
from triage.connectors.imap_line import Line
from triage.domain import Arrival, Cursor, Delivery
from triage.errors import BadSettings, InboxRefused, InboxUnreachable, TriageError
from triage.testing import check_inbox, mail


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


def mails(count: int, word: str = "mail") -> list[bytes]:
    return [mail(f"{word} {n}", message_id=f"<{word}-{n}@example.org>") for n in range(count)]


def collect(
    inbox: ImapInbox, cursors: dict[str, Cursor] | None = None
) -> tuple[list[Delivery], TriageError | None]:
    """Return every delivery and the error that ended them, if any."""
    found: list[Delivery] = []
    try:
        for delivery in inbox.deliveries(cursors or {}):
            found.append(delivery)
    except TriageError as trouble:
        return found, trouble
    return found, None


def arrivals(deliveries: list[Delivery]) -> list[Arrival]:
    return [arrival for delivery in deliveries for arrival in delivery.arrivals]


def cursors(deliveries: list[Delivery]) -> dict[str, Cursor]:
    return {delivery.cursor.mailbox: delivery.cursor for delivery in deliveries}


class TestDovecot:
    def test_hands_over_the_servers_own_bytes_lowest_uid_first(
        self, dovecot: DovecotServer
    ) -> None:
        sent = [*mails(3), b"\r\n", b"no header at all", b"Subject: \xff\xfe\x00\r\n\r\n\x80bin"]
        uids = dovecot.append(sent)
        found = check_inbox(ImapInbox(dovecot.settings, PASSWORD))
        assert [int(arrival.position.uid) for arrival in found] == uids
        assert [arrival.content for arrival in found][:4] == sent[:4]
        assert len(found) == len(sent)

    def test_goes_on_after_the_cursor_and_says_nothing_twice(self, dovecot: DovecotServer) -> None:
        dovecot.append(mails(3))
        inbox = ImapInbox(dovecot.settings, PASSWORD)
        first, _ = collect(inbox)
        # `UID 4:*` would return message 3 again: the classic trap.
        assert collect(inbox, cursors(first)) == ([], None)
        dovecot.append(mails(2, "later"))
        second, _ = collect(inbox, cursors(first))
        assert [arrival.position.uid for arrival in arrivals(second)] == ["4", "5"]
        inbox.close()

    def test_cuts_batches_by_number_and_by_weight(self, dovecot: DovecotServer) -> None:
        dovecot.append([*mails(5), mail("x" * 30_000), *mails(2)])
        by_number = ImapInbox({**dovecot.settings, "batch_messages": 3}, PASSWORD)
        by_weight = ImapInbox({**dovecot.settings, "batch_megabytes": 0.02}, PASSWORD)
        assert [len(d.arrivals) for d in collect(by_number)[0]] == [3, 3, 2]
        assert [len(d.arrivals) for d in collect(by_weight)[0]] == [5, 1, 2]
        by_number.close()
        by_weight.close()

    def test_an_oversize_message_comes_in_pieces_and_whole(self, dovecot: DovecotServer) -> None:
        huge = mail("0123456789abcdef" * 600_000)
        dovecot.append([huge, *mails(1)])
        inbox = ImapInbox({**dovecot.settings, "oversize_megabytes": 1}, PASSWORD)
        found = arrivals(collect(inbox)[0])
        assert [arrival.content for arrival in found] == [huge, *mails(1)]
        assert "BODY.PEEK[]<4194304." in dovecot.commands()
        inbox.close()

    def test_several_mailboxes_and_a_missing_one_holds_up_nobody(
        self, dovecot: DovecotServer
    ) -> None:
        dovecot.append(mails(2))
        dovecot.append(mails(1, "junk"), "Junk")
        inbox = ImapInbox({**dovecot.settings, "mailboxes": ["Gone", "INBOX", "Junk"]}, PASSWORD)
        found, trouble = collect(inbox)
        assert [arrival.position.mailbox for arrival in arrivals(found)] == 2 * ["INBOX"] + ["Junk"]
        assert isinstance(trouble, InboxRefused)
        assert "Gone" in str(trouble)
        assert "no mailbox" not in str(inbox.check())
        inbox.close()

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_speaks_tls_and_verifies_it(self, dovecot: DovecotServer, security: str) -> None:
        dovecot.append(mails(1))
        port = dovecot.tls_port if security == "tls" else dovecot.port
        settings = {**dovecot.settings, "security": security, "port": port}
        trusting = {**settings, "ca_file": str(dovecot.certificates.ca_file)}
        inbox = ImapInbox(trusting, PASSWORD)
        assert len(arrivals(collect(inbox)[0])) == 1
        assert inbox.wait(0.05) is False
        inbox.close()
        before = dovecot.commands()
        for wrong in (settings, {**trusting, "host": "127.0.0.2"}):
            assert isinstance(collect(ImapInbox(wrong, PASSWORD))[1], InboxUnreachable)
        assert dovecot.commands() == before, "somebody logged in over an unverified line"

    def test_a_wrong_password_is_refused_and_named_by_inbox_only(
        self, dovecot: DovecotServer
    ) -> None:
        _, trouble = collect(ImapInbox(dovecot.settings, "wrong"))
        assert isinstance(trouble, InboxRefused)
        assert str(trouble).startswith("inbox front-desk: ")
        assert "refused clinic" in " ".join(ImapInbox(dovecot.settings, "wrong").check())

    def test_only_looks(self, dovecot: DovecotServer) -> None:
        dovecot.append(mails(3))
        before = dovecot.doveadm("fetch", "-u", dovecot.user, "uid flags", "all")
        dovecot.mark()
        inbox = ImapInbox({**dovecot.settings, "oversize_megabytes": 0.001}, PASSWORD)
        collect(inbox)
        inbox.wait(0.05)
        inbox.check()
        inbox.close()
        verbs = {line.split(" ", 1)[1] for line in dovecot.commands().splitlines()}
        said = " ".join(verbs).upper()
        assert "EXAMINE" in said
        assert "BODY.PEEK[]" in said
        for verb in ("STORE", "EXPUNGE", "COPY", "MOVE", "SELECT", "DELETE", "APPEND", "CLOSE"):
            assert verb not in said
        assert dovecot.doveadm("fetch", "-u", dovecot.user, "uid flags", "all") == before

    def test_not_even_debug_logs_carry_what_the_server_says(
        self, dovecot: DovecotServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        dovecot.append([mail("canary-in-the-body", subject="canary-in-the-subject")])
        with caplog.at_level(logging.DEBUG):
            inbox = ImapInbox(dovecot.settings, PASSWORD)
            collect(inbox)
            inbox.close()
        assert "canary" not in caplog.text
        assert PASSWORD not in caplog.text

    def test_idle_rings_when_mail_comes(self, dovecot: DovecotServer) -> None:
        dovecot.append(mails(1))
        inbox = ImapInbox(dovecot.settings, PASSWORD)
        collect(inbox)
        assert inbox.wait(0.05) is False
        timer = threading.Timer(0.3, lambda: dovecot.append(mails(1, "ring")))
        timer.start()
        assert inbox.wait(20) is True
        timer.join()
        assert "IDLE" in dovecot.commands()
        inbox.close()

    def test_mail_between_fetching_and_waiting_rings_at_once(self, dovecot: DovecotServer) -> None:
        inbox = ImapInbox(dovecot.settings, PASSWORD)
        collect(inbox)
        dovecot.append(mails(1))
        assert inbox.wait(20) is True
        inbox.close()

    def test_polls_where_there_is_no_idle(self) -> None:
        with DovecotServer(more="imap_capability = IMAP4rev1") as server:
            inbox = ImapInbox({**server.settings, "poll_seconds": 0.05}, PASSWORD)
            collect(inbox)
            assert inbox.wait(0.15) is False
            timer = threading.Timer(0.2, lambda: server.append(mails(1)))
            timer.start()
            assert inbox.wait(20) is True
            timer.join()
            assert "IDLE" not in server.commands()
            assert "IDLE" in " ".join(inbox.check())
            inbox.close()

    def test_closing_ends_a_wait_in_another_thread(
        self, dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbox = ImapInbox(dovecot.settings, PASSWORD)
        collect(inbox)
        heard: list[object] = []
        listens, idle = threading.Event(), Line.idle

        def told(line: Line, seconds: float) -> bool:
            listens.set()
            return idle(line, seconds)

        monkeypatch.setattr(Line, "idle", told)
        waiting = threading.Thread(target=lambda: heard.append(inbox.wait(3600)))
        waiting.start()
        assert listens.wait(60)
        inbox.close()
        waiting.join(60)
        assert heard == [False]

    def test_closing_before_the_line_listens_ends_the_wait_too(
        self, dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbox, idle = ImapInbox(dovecot.settings, PASSWORD), Line.idle
        collect(inbox)

        def closed_meanwhile(line: Line, seconds: float) -> bool:
            client = line._client
            inbox.close()
            # As for a thread that had begun to speak: its client is taken from under it.
            line._client = client
            monkeypatch.setattr(client, "idle", lambda: line._client.nothing)
            return idle(line, seconds)

        monkeypatch.setattr(Line, "idle", closed_meanwhile)
        assert inbox.wait(1) is False

    def test_closing_while_a_line_is_opened_again_leaves_none_open(
        self, dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbox, alive = ImapInbox(dovecot.settings, PASSWORD), Line.alive
        collect(inbox)

        def closed_meanwhile(line: Line) -> bool:
            inbox.close()
            return alive(line)

        monkeypatch.setattr(Line, "alive", closed_meanwhile)
        assert inbox.wait(1) is False
        assert inbox._line is None, "it would have listened on, and nobody could end it"

    def test_comes_back_by_itself_after_an_outage(self, dovecot: DovecotServer) -> None:
        dovecot.append(mails(2))
        inbox = ImapInbox(dovecot.settings, PASSWORD)
        first, _ = collect(inbox)
        dovecot.stop()
        assert isinstance(collect(inbox, cursors(first))[1], InboxUnreachable)
        with pytest.raises(InboxUnreachable):
            inbox.wait(1)
        dovecot.start()
        dovecot.append(mails(1, "after"))
        second, trouble = collect(inbox, cursors(first))
        assert trouble is None
        assert [arrival.position.uid for arrival in arrivals(second)] == ["3"]
        inbox.close()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"host": ""}, "host"),
        ({"host": "mail.example.org"}, "security"),
        ({"security": "ssl"}, "security"),
        ({"port": 0}, "port"),
        ({"port": True}, "port"),
        ({"user": "a\r\nb"}, "user"),
        ({"mailboxes": []}, "mailboxes"),
        ({"mailboxes": "INBOX"}, "mailboxes"),
        ({"mailboxes": ["A", "A"]}, "mailboxes"),
        ({"mailbox": "INBOX"}, "mailbox (no such setting)"),
        ({"security": "tls", "ca_file": "/nowhere.pem"}, "ca_file"),
        ({"security": "tls", "ca_file": __file__}, "ca_file"),
        ({"auth": "ntlm"}, "auth"),
        ({"batch_messages": 1.5}, "batch_messages"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], named: str) -> None:
    good = {"name": "front-desk", "host": "localhost", "user": "clinic", "security": "plain"}
    with pytest.raises(BadSettings) as caught:
        ImapInbox({**good, **wrong}, PASSWORD)
    assert str(caught.value).startswith(f"inbox front-desk, {named}")


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings = {
        "name": "front-desk", "host": "localhost", "port": port, "user": "u", "security": "plain",
    }  # fmt: skip
    _, trouble = collect(ImapInbox(settings, PASSWORD))
    assert isinstance(trouble, InboxUnreachable)


def test_the_helper_appends_through_imap(dovecot: DovecotServer) -> None:
    assert append_all(dovecot.settings, mails(2), "INBOX") == [1, 2]
