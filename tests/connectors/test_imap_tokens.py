"""Mailboxes opened with access tokens: a real Dovecot that checks their signatures."""

import base64
import logging
import ssl
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers import Certificates, DovecotServer
from tests.token_giver import CLIENT, KEY, REFRESH, TokenGiver, token
from triage.connectors.imap import ImapInbox
from triage.domain import Arrival
from triage.errors import BadSettings, InboxRefused, InboxUnreachable
from triage.testing import mail

_TOKENS = """
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {args}
}}
"""
_CHECKS = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/
username_attribute = sub
"""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[DovecotServer]:
    # Not pytest's folder: Dovecot reads it as a user of its own, and every other pytest that is
    # started beside this one shuts it again.
    with tempfile.TemporaryDirectory(prefix="oauth-") as name:
        folder = Path(name)
        key = folder / "default" / "HS256" / "default"
        key.parent.mkdir(parents=True)
        key.write_text(base64.b64encode(KEY.encode()).decode())
        args = folder / "oauth2.conf"
        args.write_text(_CHECKS.format(folder=folder))
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        with DovecotServer(more=_TOKENS.format(args=args)) as server:
            server.append([mail("hello")])
            yield server


@pytest.fixture
def giver() -> Iterator[TokenGiver]:
    with TokenGiver() as server:
        yield server


def fetched(inbox: ImapInbox) -> list[Arrival]:
    found = [arrival for delivery in inbox.deliveries({}) for arrival in delivery.arrivals]
    inbox.close()
    return found


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_token_that_is_the_secret_opens_the_mailbox(dovecot: DovecotServer, auth: str) -> None:
    settings = {**dovecot.settings, "auth": auth}
    assert len(fetched(ImapInbox(settings, token(dovecot.user)))) == 1
    for wrong in (token(dovecot.user, key="x" * 32), token(dovecot.user, lives=-5), "nonsense"):
        with pytest.raises(InboxRefused):
            fetched(ImapInbox(settings, wrong))


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_refresh_token_fetches_tokens_as_they_run_out(
    dovecot: DovecotServer, giver: TokenGiver, auth: str
) -> None:
    now = [0.0]
    settings = {**dovecot.settings, **giver.settings, "auth": auth, "scope": "mail"}
    inbox = ImapInbox(settings, REFRESH, clock=lambda: now[0])
    for _ in range(3):
        assert len(fetched(inbox)) == 1
    assert giver.asked == [
        {
            "client_id": "triage",
            "grant_type": "refresh_token",
            "refresh_token": REFRESH,
            "scope": "mail",
        }
    ]
    now[0] += giver.expires_in - 60
    assert len(fetched(inbox)) == 1
    assert len(giver.asked) == 2


def test_a_client_with_a_secret_of_its_own(dovecot: DovecotServer, giver: TokenGiver) -> None:
    settings = {**dovecot.settings, **giver.settings, "auth": "xoauth2"}
    both = f'{{"refresh_token": "{REFRESH}", "client_secret": "{CLIENT}"}}'
    assert len(fetched(ImapInbox(settings, both))) == 1
    assert giver.asked[0]["client_secret"] == CLIENT
    daemon = {**settings, "grant": "client_credentials", "scope": "https://mail.example/.default"}
    assert len(fetched(ImapInbox(daemon, CLIENT))) == 1
    assert giver.asked[1]["grant_type"] == "client_credentials"
    assert giver.asked[1]["client_secret"] == CLIENT
    assert "refresh_token" not in giver.asked[1]


def test_a_token_the_server_no_longer_takes_is_replaced_at_once(
    dovecot: DovecotServer, giver: TokenGiver
) -> None:
    settings = {**dovecot.settings, **giver.settings, "auth": "xoauth2"}
    giver.stale = 1
    assert len(fetched(ImapInbox(settings, REFRESH))) == 1
    assert len(giver.asked) == 2
    giver.stale = 2
    with pytest.raises(InboxRefused):
        fetched(ImapInbox(settings, REFRESH))


def test_trouble_with_the_provider_is_named_and_nothing_secret_repeated(
    dovecot: DovecotServer, giver: TokenGiver, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {**dovecot.settings, **giver.settings, "auth": "xoauth2"}
    said = []
    with caplog.at_level(logging.DEBUG):
        for kind in (InboxRefused, InboxUnreachable, InboxRefused, InboxRefused):
            with pytest.raises(kind, match="token") as caught:
                fetched(ImapInbox(settings, REFRESH if giver.asked else "revoked-kV7-oqPw2zLm"))
            said.append(str(caught.value))
            giver.answers = [[(503, b"")], [(200, b"not json")], [(200, b'{"token": 1}')], []][
                len(said) - 1
            ]
        fetched(ImapInbox(settings, REFRESH))
    giver.close()
    with pytest.raises(InboxUnreachable, match="token address"):
        fetched(ImapInbox(settings, REFRESH))
    assert "kV7" not in " ".join(said) + caplog.text
    assert token(dovecot.user)[:30] not in caplog.text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"token_url": "http://login.example/token"}, "token_url"),
        ({"token_url": "ftp://127.0.0.1/token"}, "token_url"),
        ({"client_id": ""}, "client_id"),
        ({"grant": "password"}, "grant"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], named: str) -> None:
    good = {
        "name": "front-desk", "host": "localhost", "user": "clinic", "security": "plain",
        "auth": "xoauth2", "token_url": "https://login.example/token", "client_id": "triage",
    }  # fmt: skip
    ImapInbox(good, REFRESH)
    with pytest.raises(BadSettings, match=named):
        ImapInbox({**good, **wrong}, REFRESH)


def test_the_providers_certificate_is_checked_before_a_secret_leaves(
    dovecot: DovecotServer, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_error(400)

    certificates = Certificates(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain_file, certificates.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"https://localhost:{server.server_port}/token"
    settings = {**dovecot.settings, "auth": "xoauth2", "token_url": address, "client_id": "triage"}
    with pytest.raises(InboxUnreachable):
        fetched(ImapInbox(settings, REFRESH))
    assert heard == []
    trusting = {**settings, "token_ca_file": str(certificates.ca_file)}
    with pytest.raises(InboxRefused):
        fetched(ImapInbox(trusting, REFRESH))
    assert len(heard) == 1
    server.shutdown()
    server.server_close()
