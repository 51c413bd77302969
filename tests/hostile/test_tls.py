"""Safety-bar 44: a server that cannot prove who it is hears neither password nor token.

Both forms run every trick against IMAP and SMTP, over TLS from the first byte and after STARTTLS,
and the bad papers against the portal. The oracle is the same client without verification.
"""

import base64
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing
from tests.hostile.impostors import (
    HttpImpostor,
    ImapImpostor,
    Impostor,
    Papers,
    SmtpImpostor,
    Trick,
)
from triage.connectors import tls
from triage.connectors.fhir import FhirInbox
from triage.connectors.imap import ImapInbox
from triage.connectors.smtp import SmtpOutbox
from triage.errors import TriageError

pytestmark = [
    pytest.mark.bar(44),
    # Old protocols are what some of the tricks are about.
    pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning"),
]
SECRET = "kV7oqPw2zLm-never-tell"
USER = "frontdesk"
#: What a certificate may be instead of proof.
PAPERS = {
    "expired": Trick(Papers.expired),
    "not yet valid": Trick(Papers.not_yet_valid),
    "of another name": Trick(Papers.another_name),
    "of a wild name": Trick(Papers.wild_name),
    "named in the wrong place": Trick(Papers.common_name_only),
    "of an unknown authority": Trick(Papers.unknown_authority),
    "self-signed": Trick(Papers.self_signed),
    "of a weak key": Trick(Papers.weak_key),
    "for clients only": Trick(Papers.for_clients_only),
    "signed by a mere server": Trick(Papers.signed_by_a_server),
    "of a nameless cipher": Trick(Papers.nameless_cipher),
    "of an old protocol": Trick(Papers.old_protocol),
    "none: plain text": Trick(plain=True),
}
#: What may become of STARTTLS on the way.
STARTS = {
    "stripped": Trick(start="stripped"),
    "refused": Trick(start="refused"),
    "answered in plain text": Trick(start="silent"),
    "greeted as known": Trick(Papers.unknown_authority, start="greeted"),
    "with an unknown authority": Trick(Papers.unknown_authority),
    "with another name": Trick(Papers.another_name),
    "expired": Trick(Papers.expired),
    "with an old protocol": Trick(Papers.old_protocol),
    "with words slipped in": Trick(Papers.unknown_authority, start="injected"),
}


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


def imap(port: int, security: str, ca_file: Path) -> None:
    inbox = ImapInbox(
        {"name": "in", "host": "localhost", "port": port, "user": USER, "security": security,
         "ca_file": str(ca_file), "timeout_seconds": 0.6}, SECRET
    )  # fmt: skip
    next(iter(inbox.deliveries({})), None)


def smtp(port: int, security: str, ca_file: Path) -> None:
    words = outgoing()
    outbox = SmtpOutbox(
        {"name": "out", "host": "localhost", "port": port, "user": USER, "security": security,
         "ca_file": str(ca_file), "sender": "desk@clinic.example", "timeout_seconds": 0.6,
         "answer_seconds": 2}, SECRET
    )  # fmt: skip
    outbox.send(approve(words), words, message_id=MESSAGE_ID)


def portal(port: int, security: str, ca_file: Path) -> None:
    del security
    inbox = FhirInbox(
        {"name": "p", "base_url": f"https://localhost:{port}/fhir", "auth": "bearer",
         "ca_file": str(ca_file), "timeout_seconds": 0.6}, SECRET, sleep=lambda _: None
    )  # fmt: skip
    list(inbox.deliveries({}))


Client = Callable[[int, str, Path], None]
DOORS: dict[str, tuple[Client, type[Impostor]]] = {
    "imap": (imap, ImapImpostor), "smtp": (smtp, SmtpImpostor), "portal": (portal, HttpImpostor),
}  # fmt: skip


def tricks() -> Iterator[Any]:
    for door in DOORS:
        for name, trick in PAPERS.items():
            yield pytest.param(door, "tls", trick, id=f"{door}, papers {name}")
        for name, trick in STARTS.items():
            if door != "portal":
                yield pytest.param(door, "starttls", trick, id=f"{door}, STARTTLS {name}")


def told(door: str, security: str, trick: Trick, papers: Papers) -> bytes:
    """Have a client come to a server; return everything the server heard."""
    client, kind = DOORS[door]
    with kind(trick, papers, at_once=security == "tls") as server:
        with contextlib.suppress(TriageError):
            client(server.port, security, papers.ca_file)
        assert server.connections, "nobody came"
        return server.heard


def tells(heard: bytes) -> bool:
    """Whether any part of the log-in is in it, plain or in the shapes of SASL."""
    packed = [f"\0{USER}\0{SECRET}", USER, SECRET]
    forms = [SECRET, *(base64.b64encode(one.encode()).decode().rstrip("=") for one in packed)]
    return any(form.encode() in heard for form in forms)


@pytest.mark.parametrize(("door", "security", "trick"), list(tricks()))
def test_who_cannot_prove_who_it_is_hears_no_secret(
    door: str, security: str, trick: Trick, papers: Papers
) -> None:
    heard = told(door, security, trick, papers)
    assert not tells(heard)
    assert USER.encode() not in heard


def test_there_are_enough_tricks() -> None:
    assert len([one for one in tricks() if one.values[0] != "portal"]) >= 2 * 12


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("door", DOORS)
def test_an_honest_server_is_told_the_secret(door: str, security: str, papers: Papers) -> None:
    """The control: the clients do log in, and the servers do hear it."""
    assert tells(told(door, "tls" if door == "portal" else security, Trick(), papers))


def test_a_client_that_does_not_verify_is_seen_to_tell(
    papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle: without verification nearly every bad paper gets the secret."""

    def trusting(_: str) -> ssl.SSLContext:
        context = ssl._create_unverified_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:aNULL:@SECLEVEL=0")
        return context

    monkeypatch.setattr(tls, "verified", trusting)
    for door in DOORS:
        got = {name for name, trick in PAPERS.items() if tells(told(door, "tls", trick, papers))}
        assert PAPERS.keys() - got == {"none: plain text"}
