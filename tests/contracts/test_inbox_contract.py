"""What every inbox and every outbox promises, for each row of INBOXES and OUTBOXES.

A new row without a server to try it on fails here.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.connectors.approved import MESSAGE_ID, approve, outgoing, portal
from tests.servers import PASSWORD, FhirServer, PymapServer, SmtpKeeper
from triage.connectors import INBOXES, OUTBOXES, Inbox, Outbox
from triage.domain import Channel, Cursor, Outgoing
from triage.errors import BadSettings, ProofRefused
from triage.plugins import load
from triage.testing import check_inbox, mail


@dataclass
class Source:
    """A server or folder behind an inbox: its settings, and a way to put one message there."""

    settings: dict[str, object]
    put: Callable[[int], object]


def imap(stack: ExitStack, folder: Path) -> Source:
    server = stack.enter_context(PymapServer())
    return Source(server.settings, lambda n: server.append([mail(f"message {n}")]))


def a_folder(stack: ExitStack, folder: Path) -> Source:
    settings = {"name": "samples", "path": str(folder), "settle_seconds": 0, "poll_seconds": 0.02}
    return Source(settings, lambda n: (folder / f"{n}.eml").write_bytes(mail(f"message {n}")))


def a_maildir(stack: ExitStack, folder: Path) -> Source:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir()
    settings = {"name": "maildir", "path": str(folder), "poll_seconds": 0.02}

    def put(number: int) -> None:
        (folder / "tmp" / f"{number}.host").write_bytes(mail(f"message {number}"))
        flags = ":2,S" if number % 2 else ""
        place = folder / ("cur" if flags else "new") / f"{number}.host{flags}"
        (folder / "tmp" / f"{number}.host").rename(place)

    return Source(settings, put)


def an_mbox(stack: ExitStack, folder: Path) -> Source:
    path = folder / "old.mbox"

    def put(number: int) -> None:
        with path.open("ab") as file:
            head = b"From pat@example.org Mon Nov 23 06:45:30 2026\n"
            file.write(head + mail(f"message {number}") + b"\n")

    return Source({"name": "mbox", "path": str(path), "poll_seconds": 0.02}, put)


def fhir(stack: ExitStack, folder: Path) -> Source:
    server = stack.enter_context(FhirServer())

    def put(number: int) -> None:
        meta = {"versionId": "1", "lastUpdated": f"2026-01-01T00:00:{number:02}Z"}
        words = {"status": "completed", "payload": [{"contentString": f"message {number}"}]}
        server.seed({"resourceType": "Communication", "id": f"c{number}", "meta": meta, **words})

    return Source({**server.settings, "poll_seconds": 0.05}, put)


SOURCES = {
    "imap": imap,
    "folder": a_folder,
    "fhir": fhir,
    "maildir": a_maildir,
    "mbox": an_mbox,
}


def test_every_inbox_and_outbox_is_tested_here() -> None:
    assert set(SOURCES) == set(INBOXES)
    assert set(SINKS) == set(OUTBOXES)


@pytest.fixture(scope="module", params=sorted(INBOXES))
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Source]]:
    with ExitStack() as stack:
        made = SOURCES[request.param](stack, tmp_path_factory.mktemp("inbox"))
        for number in range(5):
            made.put(number)
        yield request.param, made


def make(source: tuple[str, Source]) -> Inbox:
    kind, made = source
    inbox: Inbox = load("connectors", kind, INBOXES)(made.settings, PASSWORD)
    return inbox


def walk(inbox: Inbox, cursors: dict[str, Cursor]) -> list[tuple[str, bytes]]:
    """Fetch as the path does: the cursor moves after its delivery is kept."""
    kept = []
    for delivery in inbox.deliveries(cursors):
        kept += [(a.position.uid, a.content) for a in delivery.arrivals]
        cursors[delivery.cursor.mailbox] = delivery.cursor
    return kept


def test_keeps_the_promises_of_every_inbox(source: tuple[str, Source]) -> None:
    found = check_inbox(make(source))
    assert len(found) == 5
    for number, arrival in enumerate(found):
        assert f"message {number}".encode() in arrival.content
        assert arrival.position.epoch


def test_reads_the_same_bytes_again_without_a_cursor(source: tuple[str, Source]) -> None:
    assert check_inbox(make(source)) == check_inbox(make(source))


def test_a_stranger_to_the_cursor_gets_everything(source: tuple[str, Source]) -> None:
    inbox, cursors = make(source), dict[str, Cursor]()
    everything = walk(inbox, cursors)
    other = {name: replace(cursor, epoch="another") for name, cursor in cursors.items()}
    changed = {name: replace(cursor, uid="no cursor of ours") for name, cursor in cursors.items()}
    assert walk(make(source), changed) == everything
    if source[0] == "imap":
        assert walk(make(source), other) == everything
    inbox.close()


def test_stopping_anywhere_loses_nothing(source: tuple[str, Source]) -> None:
    everything = walk(make(source), {})
    kind, made = source
    small = {} if kind == "fhir" else {"batch_messages": 2}
    if kind == "fhir":
        small = {"page_size": 2}
    build = load("connectors", kind, INBOXES)
    for stop in range(4):
        cursors: dict[str, Cursor] = {}
        inbox: Inbox = build({**made.settings, **small}, PASSWORD)
        kept = []
        for number, delivery in enumerate(inbox.deliveries(cursors)):
            # Killed between keeping the delivery and moving the cursor.
            kept += [(a.position.uid, a.content) for a in delivery.arrivals]
            if number == stop:
                break
            cursors[delivery.cursor.mailbox] = delivery.cursor
        inbox.close()
        kept += walk(build({**made.settings, **small}, PASSWORD), cursors)
        assert set(kept) == set(everything)


def test_waiting_ends_early_only_for_news(source: tuple[str, Source]) -> None:
    inbox, cursors = make(source), dict[str, Cursor]()
    walk(inbox, cursors)
    assert inbox.wait(0.1) is False
    source[1].put(5)
    assert inbox.wait(20) is True
    assert any(b"message 5" in content for _, content in walk(inbox, cursors))
    inbox.close()


def test_goes_on_after_being_closed(source: tuple[str, Source]) -> None:
    inbox = make(source)
    walk(inbox, {})
    inbox.close()
    assert walk(inbox, {})
    inbox.close()
    inbox.close()


@pytest.mark.parametrize("kind", sorted(INBOXES))
def test_an_inbox_refuses_a_setting_it_does_not_know(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="inbox x, "):
        load("connectors", kind, INBOXES)({"name": "x", "colour": "red"}, "")


@dataclass
class Sink:
    """A server behind an outbox, what may be sent there, and what has arrived."""

    settings: dict[str, object]
    words: Outgoing
    arrived: Callable[[], list[str]]


def smtp(stack: ExitStack) -> Sink:
    server = stack.enter_context(SmtpKeeper())
    settings = {
        "name": "out", "host": "127.0.0.1", "port": server.port, "security": "plain",
        "sender": "desk@clinic.example",
    }  # fmt: skip
    return Sink(settings, outgoing(), lambda: [content.decode() for _, content in server.mails])


def fhir_sink(stack: ExitStack) -> Sink:
    server = stack.enter_context(FhirServer())

    def arrived() -> list[str]:
        found = load("connectors", "fhir", INBOXES)(server.settings, PASSWORD)
        bundle = found._client.get("Communication").resource
        return [json.dumps(entry["resource"]) for entry in bundle.get("entry", [])]

    return Sink(dict(server.settings), portal(), arrived)


SINKS = {"smtp": smtp, "fhir": fhir_sink}


@pytest.fixture(params=sorted(OUTBOXES))
def sink(request: pytest.FixtureRequest) -> Iterator[tuple[Outbox, Sink]]:
    with ExitStack() as stack:
        made = SINKS[request.param](stack)
        secret = "" if request.param == "smtp" else PASSWORD
        yield load("connectors", request.param, OUTBOXES)(made.settings, secret), made


def test_an_outbox_sends_what_was_approved_and_only_that(sink: tuple[Outbox, Sink]) -> None:
    outbox, made = sink
    approval = approve(made.words)
    assert outbox.channel is made.words.channel
    other = {Channel.EMAIL: Channel.PORTAL, Channel.PORTAL: Channel.EMAIL}[outbox.channel]
    elsewhere = replace(made.words, channel=other)
    for words, yes in (
        (replace(made.words, body=made.words.subject), approval),
        (replace(made.words, case_id="case-2"), approval),
        (made.words, approve(elsewhere)),
        (elsewhere, approve(elsewhere)),
    ):
        with pytest.raises(ProofRefused):
            outbox.send(yes, words, message_id=MESSAGE_ID)
    assert made.arrived() == []
    assert outbox.send(approval, made.words, message_id=MESSAGE_ID)
    (arrived,) = made.arrived()
    assert "it is ready." in arrived
    assert MESSAGE_ID in arrived
