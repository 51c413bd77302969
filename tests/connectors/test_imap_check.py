"""`triage inbox check`: every step in plain words, with the setting to mend where one fails."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.liars import LyingImap
from tests.servers import PASSWORD, Certificates, DovecotServer, SmtpKeeper
from tests.token_giver import TokenGiver
from triage.connectors.imap import ImapInbox
from triage.testing import mail

_READ_ONLY = """
plugin {
  acl = vfile
}
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
"""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        server.append([mail("one"), mail("two")])
        yield server


def said(server: DovecotServer, secret: str = PASSWORD, **changed: object) -> str:
    inbox = ImapInbox({**server.settings, "timeout_seconds": 2, **changed}, secret)
    found = " / ".join(inbox.check())
    inbox.close()
    assert secret not in found
    return found


def encrypted(server: DovecotServer, **changed: object) -> dict[str, object]:
    trusted = str(server.certificates.ca_file)
    return {"security": "tls", "port": server.tls_port, "ca_file": trusted, **changed}


def test_what_works_is_said_step_by_step(dovecot: DovecotServer) -> None:
    for settings in (
        encrypted(dovecot),
        encrypted(dovecot, security="starttls", port=dovecot.port),
    ):
        found = said(dovecot, **settings)
        for words in ("answers", "certificate is good", "Logged in", "INBOX: 2 messages"):
            assert words in found
        assert "Mend" not in found


def test_a_wrong_host(dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("triage.connectors.imap_check.socket.create_connection", unknown)
    found = said(dovecot, **encrypted(dovecot, host="imap.clinic.exmaple"))
    assert found == "The name imap.clinic.exmaple is not known. Mend `host`, or the DNS."


def test_a_wrong_port(dovecot: DovecotServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "Nothing listens" in said(dovecot, port=port)
    assert "does not speak TLS" in said(dovecot, **encrypted(dovecot, port=dovecot.port))
    wrong = encrypted(dovecot, security="starttls", port=dovecot.tls_port)
    assert "`port` and `security`" in said(dovecot, **wrong) or "not an IMAP" in said(
        dovecot, **wrong
    )


def test_a_host_that_never_answers(dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("triage.connectors.imap_check.socket.create_connection", silence)
    assert "firewall" in said(dovecot)


def test_a_certificate_that_is_not_good(dovecot: DovecotServer, tmp_path: Path) -> None:
    other = Certificates(tmp_path)
    before = dovecot.commands()
    for wrong in ({"ca_file": str(other.ca_file)}, {"ca_file": ""}, {"host": "127.0.0.2"}):
        found = said(dovecot, **encrypted(dovecot, **wrong))
        assert "certificate is not good" in found
        assert "Nothing was sent" in found
        assert "ca_file" in found
    assert dovecot.commands() == before


def test_a_wrong_password(dovecot: DovecotServer) -> None:
    found = said(dovecot, secret="not-the-password")
    assert "refused clinic" in found
    assert "the password" in found


def test_a_token_address_that_refuses(dovecot: DovecotServer) -> None:
    with TokenGiver() as giver:
        found = said(dovecot, secret="revoked-kV7", auth="xoauth2", **giver.settings)
    assert "token address refused" in found
    assert "revoked" in found.replace("revoked-kV7", "")


def test_a_missing_mailbox_names_those_there_are(dovecot: DovecotServer) -> None:
    dovecot.append([mail("x")], "Spam")
    found = said(dovecot, mailboxes=["Junk", "INBOX"])
    assert "Mend `mailboxes`; the server has INBOX, Spam" in found
    assert "INBOX: 2 messages" in found


def test_no_uidvalidity(dovecot: DovecotServer) -> None:
    with LyingImap({1: mail("x")}) as server:
        server.lies.no_uid_validity = True
        found = " ".join(ImapInbox(server.settings, PASSWORD).check())
    assert "no UIDVALIDITY" in found
    assert "no IDLE" in found
    assert "no QRESYNC" in found


def test_something_that_is_no_mail_server(dovecot: DovecotServer) -> None:
    with SmtpKeeper() as server:
        assert "Mend `host` and `port`" in said(dovecot, port=server.port)


def test_writing_is_tried_where_it_is_configured(dovecot: DovecotServer) -> None:
    found = said(dovecot, after_storing="move", move_to="Stored")
    assert "There is no mailbox Stored" in found
    assert "changed there: keyword" in said(dovecot, after_storing="keyword")
    assert "changed there" not in said(dovecot)


def test_a_mailbox_that_may_only_be_read() -> None:
    with DovecotServer(more=_READ_ONLY) as server:
        server.append([mail("x")])
        folder = server.home / "mail" / server.user
        (folder / "dovecot-acl").write_text(f"user={server.user} lr\n")
        found = said(server, after_storing="keyword")
        assert "read-only" in found
        assert "needs to write" in found
        assert "INBOX: 1 messages" in found


@pytest.mark.parametrize("lacking", ["IMAP4rev1", "IMAP4rev1 IDLE"])
def test_a_server_without_move(lacking: str) -> None:
    with DovecotServer(more=f"imap_capability = {lacking}") as server:
        server.append([mail("x")], "Stored")
        assert "has no MOVE" in said(server, after_storing="move", move_to="Stored")
