"""Safety-bar 4, short form: flags, dates, Message-IDs and order decide nothing; bytes do.

The oracle drops what has a known Message-ID or is marked read, and must be seen to lose mail.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from imapclient import IMAPClient

from tests.servers import PASSWORD, DovecotServer
from tests.sizes import many
from triage.connectors.imap import ImapInbox
from triage.domain import Arrival
from triage.testing import mail

pytestmark = pytest.mark.bar(4)


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


def client(server: DovecotServer) -> IMAPClient:
    line = IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=20)
    line.login(server.user, PASSWORD)
    return line


def odd_mails() -> list[bytes]:
    """Mails, ten (in the long form fifty) of each kind that a cleverer program would trip over."""
    found: list[bytes] = []
    for n in range(many(10, long=50)):
        plain = mail(f"read elsewhere {n}", message_id=f"<plain-{n}@example.org>")
        found += [
            plain,
            re.sub(rb"Message-ID: .*\r\n", b"", mail(f"no id {n}")),
            mail(f"empty id {n}", message_id="<>"),
            mail(f"the same id, other words {n}", message_id="<same@example.org>"),
            mail(f"from 1970 {n}", headers="Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"),
            mail(f"from 2099 {n}", headers="Date: Thu, 1 Jan 2099 00:00:00 +0000\r\n"),
            mail(f"not a date {n}", headers="Date: yesterday\r\nDate: tomorrow\r\n"),
            mail("the very same bytes", message_id="<twin@example.org>"),
            b"X" * n,
            mail(f"says it was deleted {n}", headers="X-Deleted: yes\r\nStatus: RO\r\n"),
        ]
    return [content or b"\r\n" for content in found]


def fill(server: DovecotServer, mails: list[bytes]) -> None:
    """APPEND with misleading flags and dates, then flag and move some as another program would."""
    old = datetime(1999, 1, 1, tzinfo=UTC)
    with client(server) as line:
        line.create_folder("Elsewhere")
        for n, content in enumerate(mails):
            flags = [b"\\Seen", b"\\Answered", b"\\Deleted"][: n % 4]
            line.append("Elsewhere" if n % 5 == 0 else "INBOX", content, flags, old)
        line.select_folder("INBOX")
        line.add_flags("1:*", [b"\\Seen", b"$Junk"])
        line.select_folder("Elsewhere")
        line.move("1:*", "INBOX")


def fetched(server: DovecotServer) -> list[Arrival]:
    inbox = ImapInbox(server.settings, PASSWORD)
    found = [arrival for delivery in inbox.deliveries({}) for arrival in delivery.arrivals]
    inbox.close()
    return found


def test_every_mail_comes_in_whatever_it_claims(dovecot: DovecotServer) -> None:
    mails = odd_mails()
    fill(dovecot, mails)
    dovecot.mark()
    found = fetched(dovecot)
    assert sorted(arrival.content for arrival in found) == sorted(mails)
    assert len({arrival.position for arrival in found}) == len(mails)
    assert not re.search(r"STORE|EXPUNGE|COPY|MOVE|SELECT", dovecot.commands().upper())


def test_an_attacker_cannot_suppress_a_mail_by_using_its_id_first(dovecot: DovecotServer) -> None:
    ids = [f"<victim-{n}@example.org>" for n in range(many(40, long=200))]
    dovecot.append(mail("nothing to see", message_id=one) for one in ids)
    victims = [mail(f"chest pain {n}", message_id=one) for n, one in enumerate(ids)]
    dovecot.append(victims)
    contents = {arrival.content for arrival in fetched(dovecot)}
    assert set(victims) <= contents


def test_mail_moved_in_behind_our_back_is_found(dovecot: DovecotServer) -> None:
    dovecot.append([mail("first")])
    inbox = ImapInbox(dovecot.settings, PASSWORD)
    seen = list(inbox.deliveries({}))
    with client(dovecot) as line:
        line.create_folder("Old")
        line.append("Old", mail("moved"), [b"\\Seen"], datetime(1980, 1, 1, tzinfo=UTC))
        line.select_folder("Old")
        line.move("1", "INBOX")
    (delivery,) = inbox.deliveries({"INBOX": seen[-1].cursor})
    assert [arrival.content for arrival in delivery.arrivals] == [mail("moved")]
    inbox.close()


def test_oracle_trusting_ids_and_flags_loses_mail(dovecot: DovecotServer) -> None:
    mails = odd_mails()
    fill(dovecot, mails)
    kept: dict[bytes, bytes] = {}
    with client(dovecot) as line:
        line.select_folder("INBOX", readonly=True)
        for data in line.fetch(line.search("UNSEEN") or [1], ["BODY.PEEK[]"]).values():
            found = re.search(rb"Message-ID: (.*)\r\n", data[b"BODY[]"])
            kept.setdefault(found.group(1) if found else b"", data[b"BODY[]"])
    assert len(kept) < len(mails)
