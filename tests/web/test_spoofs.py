"""Safety-bar 41: no name makes a stranger look like a patient on the queue or on a case.

Real mails through the real parser; the short form files and shows some of them, the long form
(TRIAGE_LONG=1) all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fastapi import FastAPI

from tests.hostile.spoofs import HERS, NAME, heads
from tests.hostile.vectors import some
from tests.postgres import fastest
from tests.small_practice import NOW, receive, rooms
from tests.web.conftest import Visit
from tests.web.practice import Practice, open_practice
from triage.domain import Channel, Mark, Message, Position, Protected, RawMessage
from triage.parsing import parse
from triage.store import Keys
from triage.web.app import create_app
from triage.web.queue import PAGE

pytestmark = pytest.mark.bar(41)
SERVER = "mx.clinic.example"
#: The clinic's own server says that the mail is from where it says it is from: still a stranger.
PASSED = f"Authentication-Results: {SERVER}; dmarc=pass header.from="
EVERY = heads()
HEADS = some(EVERY, 48, seed=41)
GRAVE = ("Unknown sender", "Sender not verified")


def believed(raw: RawMessage) -> Message:
    return parse(raw, SERVER)


def mails(chosen: Sequence[str] = HEADS) -> list[bytes]:
    made = []
    for number, head in enumerate(chosen):
        domain = head.rpartition("@")[2].rstrip(">")
        top = f"{PASSED}{domain}\n" if number % 3 else ""
        rest = f"Message-ID: <{number}@evil.example>\nSubject: my form\n\nIs form {number} ready?\n"
        made.append(f"{top}{head}\n{rest}".encode())
    return made


@pytest.fixture(scope="module")
def spoofed(keys: Keys) -> Iterator[Practice]:
    # In memory where there is plenty: two hundred mails are synced one by one.
    with TemporaryDirectory(dir=fastest()) as folder:
        practice = open_practice(Path(folder), letters=(), keys=keys)
        received = receive(practice.store, *mails(), with_rooms=rooms(parse=believed))
        practice.cases |= dict(zip(HEADS, received, strict=True))
        yield practice
        practice.store.close()


@pytest.fixture
def app(spoofed: Practice) -> FastAPI:
    return create_app(spoofed.desk, clinic_name="Alder Street Practice")


def rows_of(visit: Visit, count: int) -> dict[str, str]:
    """Return case id -> its row on the pages of the queue."""
    pages = (visit.get(f"/queue?start={start}").text for start in range(0, count, PAGE))
    pieces = [piece for page in pages for piece in re.split(r'(?=<li class="row )', page)[1:]]
    return {re.findall(r'data-case="(\w+)"', piece)[0]: piece for piece in pieces}


def text_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page))


def test_there_are_enough_names() -> None:
    assert len(set(EVERY)) == len(EVERY) >= 200


def test_no_name_is_read_as_the_patient_s_own_address_without_a_doubt() -> None:
    for head, content in zip(EVERY, mails(EVERY), strict=True):
        position = Position("front-desk", "INBOX", "1", "1")
        raw = RawMessage("r", "c1", position, Channel.EMAIL, "message/rfc822", NOW, content)
        message = believed(raw)
        assert message.sender != Protected(HERS) or message.sender_doubtful, head


def test_no_name_makes_a_stranger_a_patient(
    spoofed: Practice, app: FastAPI, record_property: Callable[[str, object], None]
) -> None:
    visit = Visit(app, "dana", spoofed)
    rows = rows_of(visit, len(HEADS))
    assert len(rows) == len(HEADS)
    for head, case_id in spoofed.cases.items():
        row, file = rows[case_id], spoofed.store.cases.get(case_id, clinic="c1", by="t")
        assert (file.patient, file.contact, file.case.patient_id) == (None, None, None), head
        assert 'class="patient"' not in row, head
        assert "Who is this?" in row, head
        assert any(words in row for words in GRAVE), head
        address = file.messages[0].sender
        assert any(one in text_of(row) for one in re.findall(r"<([^<>]+@[^<>]+)>", head)), head
        assert address != Protected(HERS) or Mark.UNVERIFIED_SENDER in file.case.marks, head
    for head, case_id in spoofed.cases.items():
        page = visit.get(f"/case/{case_id}").text
        (title,) = re.findall(r"<h1>(.*?)</h1>", page, re.S)
        assert text_of(title).strip() == "Who is this?", head
        assert any(words in page for words in GRAVE), head
        assert '<dl class="identifiers">' not in page, head
    record_property("tried", len(rows))


def test_a_page_that_believed_the_name_would_be_found(
    spoofed: Practice, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: whoever's name it is, is the patient."""
    from triage.store import casefile

    real = casefile.queue_rows

    def trusting(work, rows):  # type: ignore[no-untyped-def]  # A fault put in the place of a typed one.
        from dataclasses import replace

        return [replace(line, patient=line.sender) for line in real(work, rows)]

    monkeypatch.setattr("triage.store.cases.queue_rows", trusting)
    rows = rows_of(Visit(app, "dana", spoofed), PAGE)
    assert all('class="patient"' in row for row in rows.values())
    assert any(NAME in row for row in rows.values())
