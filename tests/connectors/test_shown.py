"""What leaves is shown first: to the byte what the server gets, and without a yes nothing goes."""

from collections.abc import Iterator

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing, portal
from tests.servers import PASSWORD, FhirServer, SmtpKeeper
from triage.connectors import Shown
from triage.connectors.fhir_outbox import FhirOutbox
from triage.connectors.smtp import SmtpOutbox
from triage.errors import SendPostponed

MAIL = {
    "name": "mail-out", "host": "127.0.0.1", "security": "plain", "sender": "desk@clinic.example",
    "timeout_seconds": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[FhirServer]:
    with FhirServer() as running:
        yield running


def refuse(content: bytes) -> None:
    raise SendPostponed(f"{len(content)} bytes were not kept")


def test_a_mail_is_shown_as_it_arrives_and_stays_where_it_cannot_be_kept() -> None:
    words, shown = outgoing(body="Hola,\n.\nestá lista.\n"), list[bytes]()
    with SmtpKeeper() as keeper:
        outbox = SmtpOutbox({**MAIL, "port": keeper.port}, "")
        assert isinstance(outbox, Shown)
        how = {"message_id": MESSAGE_ID}
        with pytest.raises(SendPostponed):
            outbox.send_shown(approve(words), words, leaving=refuse, **how)
        assert keeper.mails == []
        outbox.send_shown(approve(words), words, leaving=shown.append, **how)
        assert [content for _, content in keeper.mails] == shown


def test_a_communication_is_shown_once_and_stays_where_it_cannot_be_kept(
    server: FhirServer,
) -> None:
    server.clear()
    words, shown = portal(), list[bytes]()
    outbox = FhirOutbox(dict(server.settings), PASSWORD)
    assert isinstance(outbox, Shown)
    with pytest.raises(SendPostponed):
        outbox.send_shown(approve(words), words, message_id=MESSAGE_ID, leaving=refuse)
    receipt = outbox.send_shown(approve(words), words, message_id=MESSAGE_ID, leaving=shown.append)
    assert receipt.startswith("Communication/")
    assert len(shown) == 1
    assert MESSAGE_ID.strip("<>").encode() in shown[0]
    outbox.close()


def test_nobody_there_is_shown_nothing() -> None:
    words, shown = portal(), list[bytes]()
    dead = {"name": "p", "base_url": "http://127.0.0.1:9/fhir", "timeout_seconds": 1}
    outbox = FhirOutbox(dead, "")
    with pytest.raises(SendPostponed):
        outbox.send_shown(approve(words), words, message_id=MESSAGE_ID, leaving=shown.append)
    assert shown == []
    outbox.close()
