"""The folder inbox: nothing half-written, nothing skipped for its date, nothing changed."""

import os
import threading
from pathlib import Path

import pytest

from triage.connectors.folder import FolderInbox
from triage.domain import Arrival, Channel, Cursor, Delivery
from triage.errors import BadSettings, InboxUnreachable
from triage.testing import check_inbox, mail

LONG_AGO = 1_000_000_000


class Clock:
    now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


def put(folder: Path, name: str, content: bytes, *, when: float = LONG_AGO) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (when, when))
    return path


def inbox_of(folder: Path, clock: Clock | None = None, **more: object) -> FolderInbox:
    settings = {"name": "samples", "path": str(folder), "poll_seconds": 0.02, **more}
    return FolderInbox(settings, clock=clock or Clock())


def fetch(
    inbox: FolderInbox, cursor: Cursor | None = None
) -> tuple[list[Arrival], Cursor | None, list[Delivery]]:
    found = list(inbox.deliveries({".": cursor} if cursor else {}))
    arrivals = [arrival for delivery in found for arrival in delivery.arrivals]
    return arrivals, found[-1].cursor if found else cursor, found


def collect(inbox: FolderInbox, into: list[Delivery]) -> None:
    for delivery in inbox.deliveries({}):
        into.append(delivery)


def test_reads_mails_and_communications_oldest_first(tmp_path: Path) -> None:
    put(tmp_path, "b.eml", mail("second"), when=LONG_AGO + 2)
    put(tmp_path, "z.EML", mail("first"), when=LONG_AGO + 1)
    put(tmp_path, "c.json", b'{"resourceType": "Communication"}', when=LONG_AGO + 3)
    put(tmp_path, "notes.txt", b"not for us")
    put(tmp_path, "mail.eml.tmp", b"half")
    (tmp_path / "folder.eml").mkdir()
    (tmp_path / "link.eml").symlink_to(tmp_path / "b.eml")
    found = check_inbox(inbox_of(tmp_path))
    assert [a.position.uid for a in found] == ["z.EML", "b.eml", "c.json"]
    assert [a.channel for a in found] == [Channel.EMAIL, Channel.EMAIL, Channel.PORTAL]
    assert found[2].media_type == "application/fhir+json"
    assert found[2].content == b'{"resourceType": "Communication"}'
    assert "4 other entries" in inbox_of(tmp_path).check()[1]


def test_is_quiet_until_something_changes(tmp_path: Path) -> None:
    put(tmp_path, "1.eml", mail("one"))
    inbox = inbox_of(tmp_path)
    _, cursor, _ = fetch(inbox)
    assert fetch(inbox, cursor)[2] == []
    assert inbox.wait(0.05) is False
    # Moved in with an old date: a cursor by date would never see it.
    put(tmp_path, "0.eml", mail("older"), when=LONG_AGO - 1000)
    assert inbox.wait(5) is True
    found, cursor, _ = fetch(inbox, cursor)
    assert [a.position.uid for a in found] == ["0.eml", "1.eml"]
    assert fetch(inbox_of(tmp_path), cursor)[2] == [], "another process knows as much"


def test_the_cursor_moves_only_after_everything(tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path, f"{number}.eml", mail(str(number)))
    _, _, found = fetch(inbox_of(tmp_path, batch_messages=2))
    assert [len(d.arrivals) for d in found] == [2, 2, 1, 0]
    assert [bool(d.cursor.uid) for d in found] == [False, False, False, True]


def test_a_young_file_waits_until_it_stands_still(tmp_path: Path) -> None:
    clock = Clock()
    inbox = inbox_of(tmp_path, clock)
    put(tmp_path, "1.eml", b"Subject: ha", when=clock.now)
    assert fetch(inbox)[0] == []
    clock.now += 0.6
    put(tmp_path, "1.eml", b"Subject: half", when=clock.now)
    assert fetch(inbox)[0] == []
    clock.now += 0.6
    put(tmp_path, "1.eml", b"Subject: half\r\n\r\nwhole", when=clock.now)
    assert fetch(inbox)[0] == []
    clock.now += 1.1
    assert [a.content for a in fetch(inbox)[0]] == [b"Subject: half\r\n\r\nwhole"]


def test_a_date_in_the_future_does_not_hide_a_file(tmp_path: Path) -> None:
    clock = Clock()
    inbox = inbox_of(tmp_path, clock)
    put(tmp_path, "1.eml", mail("from 2099"), when=clock.now + 10**9)
    assert fetch(inbox)[0] == []
    clock.now += 1.1
    assert len(fetch(inbox)[0]) == 1


def test_a_file_that_changes_while_it_is_read_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "1.eml", mail("one"))
    put(tmp_path, "2.eml", mail("two"))
    read = Path.read_bytes

    def grow(path: Path) -> bytes:
        content = read(path)
        if path.name == "1.eml":
            put(tmp_path, "1.eml", content + b"more", when=LONG_AGO + 9)
        return content

    monkeypatch.setattr(Path, "read_bytes", grow)
    inbox = inbox_of(tmp_path)
    got: list[Delivery] = []
    with pytest.raises(InboxUnreachable):
        collect(inbox, got)
    monkeypatch.undo()
    assert [a.position.uid for d in got for a in d.arrivals] == ["2.eml"]
    assert {d.cursor.uid for d in got} == {""}
    assert {a.content for a in fetch(inbox)[0]} == {mail("one") + b"more", mail("two")}


def test_replacing_a_file_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, "1.eml", mail("one"))
    inbox = inbox_of(tmp_path)
    _, cursor, _ = fetch(inbox)
    put(tmp_path, "1.eml", mail("two"), when=LONG_AGO + 1)
    assert [a.content for a in fetch(inbox, cursor)[0]] == [mail("two")]


def test_an_unreadable_file_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "1.eml", mail("one"))
    put(tmp_path, "2.eml", mail("two"))
    read = Path.read_bytes

    def deny(path: Path) -> bytes:
        if path.name == "1.eml":
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", deny)
    got: list[Delivery] = []
    with pytest.raises(InboxUnreachable, match="inbox samples, 1 files"):
        collect(inbox_of(tmp_path), got)
    assert [a.position.uid for d in got for a in d.arrivals] == ["2.eml"]


def test_any_file_name_becomes_an_id(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.eml", "wb") as file:
        file.write(mail("one"))
    os.utime(os.fsencode(tmp_path) + b"/\xff\xfe.eml", (LONG_AGO, LONG_AGO))
    (found,), _, _ = fetch(inbox_of(tmp_path))
    assert found.position.uid == "\\xff\\xfe.eml"


def test_a_missing_folder_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(InboxUnreachable, match="inbox samples"):
        fetch(inbox_of(tmp_path / "gone"))
    assert "inbox samples" in inbox_of(tmp_path / "gone").check()[0]
    with pytest.raises(BadSettings, match="inbox samples, path"):
        FolderInbox({"name": "samples"})


def test_closing_ends_a_wait(tmp_path: Path) -> None:
    inbox = inbox_of(tmp_path)
    fetch(inbox)
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(inbox.wait(30)))
    waiting.start()
    threading.Event().wait(0.1)
    inbox.close()
    waiting.join(5)
    assert heard == [False]
