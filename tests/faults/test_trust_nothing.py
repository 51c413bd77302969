"""Safety-bar 4: flags, dates, Message-IDs and order decide nothing; bytes do.

A real Dovecot, and all of the path up to the cases that people see; on both engines in the long
form. The oracle drops what has a known Message-ID or is marked read, and must be seen to lose mail.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from imapclient import IMAPClient

from tests.servers import PASSWORD, DovecotServer
from tests.sizes import ENGINES, many
from tests.small_practice import mail_from, patient, rooms
from triage.connectors.imap import ImapInbox
from triage.domain import CaseFile, Lane
from triage.engine.jobs import BATCH
from triage.pipeline import file, land
from triage.store import Store
from triage.testing import mail

pytestmark = pytest.mark.bar(4)
engines = pytest.mark.parametrize("store_url", ENGINES, indirect=True)
Note = Callable[[str, object], None]

#: Of each of ten kinds of odd mail, and of the mails an attacker's come before.
EACH, VICTIMS = many(4, long=50), many(10, long=200)
#: A mail that comes in many times, byte for byte.
TWIN, ID = "the very same bytes", "<twin@example.org>"


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


def client(server: DovecotServer) -> IMAPClient:
    line = IMAPClient("127.0.0.1", port=server.port, ssl=False, timeout=20)
    line.login(server.user, PASSWORD)
    return line


def odd_mails() -> list[bytes]:
    """Mails of ten kinds that a cleverer program would trip over."""
    found: list[bytes] = []
    for n in range(EACH):
        plain = mail(f"read elsewhere {n}", message_id=f"<plain-{n}@example.org>")
        found += [
            plain,
            re.sub(rb"Message-ID: .*\r\n", b"", mail(f"no id {n}")),
            mail(f"empty id {n}", message_id="<>"),
            mail(f"the same id, other words {n}", message_id="<same@example.org>"),
            mail(f"from 1970 {n}", headers="Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"),
            mail(f"from 2099 {n}", headers="Date: Thu, 1 Jan 2099 00:00:00 +0000\r\n"),
            mail(f"not a date {n}", headers="Date: yesterday\r\nDate: tomorrow\r\n"),
            mail(TWIN, message_id=ID),
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


def filed(server: DovecotServer, store: Store) -> list[tuple[bytes, CaseFile]]:
    """Let everything come all the way in; return the bytes of each message and its case."""
    inbox = ImapInbox(server.settings, PASSWORD)
    landed = land(inbox, store, clinic="c1")
    inbox.close()
    for start in range(0, len(landed), BATCH):
        file(landed[start : start + BATCH], rooms(), store, clinic="c1", by="worker")
    shown = []
    for row in store.cases.queue(clinic="c1", by="test", limit=10_000):
        case = store.cases.get(row.case.id, clinic="c1", by="test")
        for one in case.messages:
            raw = store.cases.original(one.id, clinic="c1", by="test")
            shown.append((raw.content, case))
    return shown


@engines
def test_every_mail_comes_in_whatever_it_claims(
    dovecot: DovecotServer, practice: Store, record_property: Note
) -> None:
    mails = odd_mails()
    record_property("tried", len(mails))
    fill(dovecot, mails)
    dovecot.mark()
    shown = filed(dovecot, practice)
    assert sorted(content for content, _ in shown) == sorted(mails)
    assert not re.search(r"STORE|EXPUNGE|COPY|MOVE|SELECT", dovecot.commands().upper())
    # A stranger's mail of the very same bytes is a case of its own, which names all the others.
    twins = {case.case.id: case for content, case in shown if content == mail(TWIN, message_id=ID)}
    assert len(twins) == EACH
    for case in twins.values():
        others = {one.case_id for one in case.chain.cases}
        assert (others, case.chain.messages) == (twins.keys() - {case.case.id}, EACH)
    assert not any(case.chain.cases for _, case in shown if case.case.id not in twins)


@engines
def test_an_attacker_cannot_suppress_a_mail_by_using_its_id_first(
    dovecot: DovecotServer, practice: Store, record_property: Note
) -> None:
    record_property("tried", VICTIMS)
    people = [patient(number) for number in range(1, VICTIMS + 1)]
    practice.people.import_roster(people, clinic="c1", by="test")
    ids = [f"<victim-{n}@example.org>" for n in range(1, VICTIMS + 1)]
    dovecot.append(mail("nothing to see", message_id=one) for one in ids)
    victims = {mail_from(n, "chest pain", message_id=one): f"p{n}" for n, one in enumerate(ids, 1)}
    dovecot.append(victims)
    shown = [(content, case) for content, case in filed(dovecot, practice) if content in victims]
    assert Counter(content for content, _ in shown) == dict.fromkeys(victims, 1)
    for content, case in shown:
        assert case.patient is not None
        assert case.patient.id == victims[content]
        assert case.case.lane is Lane.URGENT
        assert len(case.messages) == 1, "it stands in a case of its own"


@engines
def test_a_patients_very_same_bytes_are_two_cases_that_name_each_other(
    dovecot: DovecotServer, practice: Store
) -> None:
    dovecot.append([mail_from(1, "please refill")] * 2)
    (first, one), (again, other) = filed(dovecot, practice)
    assert first == again
    assert one.case.id != other.case.id
    assert [linked.case_id for linked in other.chain.cases] == [one.case.id]
    assert [linked.case_id for linked in one.chain.cases] == [other.case.id]
    assert (one.chain.messages, one.chain.copies) == (2, False)


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
