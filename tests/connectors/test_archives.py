"""Maildir and mbox: the very bytes, every mail once, the source untouched, whatever is in it."""

import io
import os
import random
from pathlib import Path

import pytest

from tests.sizes import many
from triage.connectors import mbox
from triage.connectors.archive import archive_at
from triage.connectors.maildir import MaildirInbox
from triage.connectors.mbox import MboxInbox, mails
from triage.domain import IMPORTED, Arrival, Cursor, Delivery
from triage.errors import ArchiveRefused, BadSettings, InboxUnreachable
from triage.testing import mail

pytestmark = pytest.mark.bar(7)
FROM = b"From pat@example.org Mon Nov 23 06:45:30 2026\n"
#: Bodies with everything that makes an mbox hard to read.
BODIES = (
    b"plain words\n",
    b">From the beginning, escaped by the program that wrote it\n",
    b"\nFrom Monday on I cannot come.\nPlease call.\n",
    b"From now on\nno empty line before it\n",
    b"no line end",
    b"\n\n\n",
    b"\0\xff\xfe\n" + b"x" * 200_000 + b"\n",
    b"windows\r\n\r\nFrom here to there\r\nbye\r\n",
)


def write(path: Path, letters: list[bytes]) -> None:
    """Write an mbox as mail programs do: a From line before, an empty line after each mail."""
    path.write_bytes(b"".join(FROM + one + _end(one) + b"\n" for one in letters))


def _end(letter: bytes) -> bytes:
    return b"" if letter.endswith(b"\n") else b"\n"


def inbox_of(path: Path, **more: object) -> MboxInbox:
    return MboxInbox({"name": "old", "path": str(path), **more})


def fetch(
    inbox: MboxInbox | MaildirInbox, cursors: dict[str, Cursor] | None = None
) -> list[Arrival]:
    """Walk as the path does: the cursor moves once the delivery is kept."""
    found, moved = [], cursors if cursors is not None else {}
    for delivery in inbox.deliveries(moved):
        found += delivery.arrivals
        moved[delivery.cursor.mailbox] = delivery.cursor
    return found


def test_every_mail_of_an_mbox_comes_with_its_own_bytes(tmp_path: Path) -> None:
    letters = [b"Subject: %d\n\n" % n + body for n, body in enumerate(BODIES)]
    write(tmp_path / "a.mbox", letters)
    found = [one.content for one in fetch(inbox_of(tmp_path / "a.mbox"))]
    assert found == [one + _end(one) for one in letters]


def test_the_library_of_python_reads_some_of_these_otherwise(tmp_path: Path) -> None:
    """Why it is not used: it parts a mail at every line that begins with `From `."""
    import mailbox

    write(tmp_path / "a.mbox", [b"Subject: x\n\nwords\nFrom now on\n"])
    assert len(mailbox.mbox(str(tmp_path / "a.mbox"), create=False)) == 2
    assert len(fetch(inbox_of(tmp_path / "a.mbox"))) == 1


def test_an_mbox_cut_anywhere_keeps_what_is_before_the_cut(tmp_path: Path) -> None:
    letters = [b"Subject: %d\n\nwords %d\n" % (n, n) for n in range(4)]
    write(tmp_path / "a.mbox", letters)
    whole = (tmp_path / "a.mbox").read_bytes()
    for cut in range(5, len(whole), 1):
        found = [content for _, _, content in mails(io.BytesIO(whole[:cut]), [])]
        complete = sum(whole.index(one) + len(one) <= cut for one in letters)
        # The last one may end in what is left of the line before the next.
        assert found[: max(complete - 1, 0)] == letters[: max(complete - 1, 0)], cut
        assert all(found[n].startswith(letters[n]) for n in range(complete)), cut
        assert complete <= len(found) <= complete + 1


def test_a_mail_cut_short_hides_none_of_those_after_it(tmp_path: Path) -> None:
    one, two = b"Subject: 1\n\nhalf a li", b"Subject: 2\n\nwhole\n"
    (tmp_path / "a.mbox").write_bytes(FROM + one + b"\n" + FROM + two)
    assert [found.content for found in fetch(inbox_of(tmp_path / "a.mbox"))] == [one + b"\n", two]


def test_random_mboxes_lose_no_byte(tmp_path: Path) -> None:
    chance = random.Random(6)
    lines = [b"\n", b"\r\n", b"words\n", b">From x\n", b"From x y\n", b"A: b\n", b"\xff", FROM]
    for _ in range(many(200, long=20_000)):
        whole = FROM + b"".join(chance.choices(lines, k=chance.randrange(30)))
        found = list(mails(io.BytesIO(whole), []))
        kept = sum(len(content) for _, _, content in found)
        heads = sum(len(whole[begin:].split(b"\n")[0]) + 1 for begin, _, _ in found)
        # All that is left out is the line before each mail and one empty line after it.
        assert 0 <= len(whole) - kept - heads <= 2 * len(found)
        assert [begin for begin, _, _ in found][1:] == [end for _, end, _ in found][:-1]


def test_a_huge_piece_is_told_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mbox, "LARGEST", 5000)
    letters = [b"A: 1\n\nx\n", b"A: 2\n\n" + b"y\n" * 5000, b"A: 3\n\nz\n"]
    write(tmp_path / "a.mbox", letters)
    got: list[Delivery] = []
    with pytest.raises(ArchiveRefused, match=f"byte {len(FROM) + len(letters[0]) + 1}"):
        got.extend(inbox_of(tmp_path / "a.mbox").deliveries({}))
    assert [a.content for d in got for a in d.arrivals] == [letters[0], letters[2]]


def test_an_mbox_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", None)
    letters = [b"A: %d\n\n" % n + b"words and words\n" * 4000 for n in range(40)]
    write(tmp_path / "a.mbox", letters)
    with (tmp_path / "a.mbox").open("rb") as file:
        next(mails(file, []))
        assert file.tell() < 200_000 < (tmp_path / "a.mbox").stat().st_size / 10


def test_what_is_no_mbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"%PDF-1.7")
    with pytest.raises(ArchiveRefused, match="inbox old"):
        fetch(inbox_of(tmp_path / "a"))
    assert "inbox old" in inbox_of(tmp_path / "a").check()[0]
    (tmp_path / "a").write_bytes(b"")
    assert fetch(inbox_of(tmp_path / "a")) == []
    with pytest.raises(InboxUnreachable):
        archive_at(tmp_path / "gone", "old")


def test_an_mbox_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", [mail("1"), mail("2")])
    got: list[Delivery] = []
    walk = inbox_of(tmp_path / "a.mbox", batch_messages=1).deliveries({})
    got.append(next(walk))
    with (tmp_path / "a.mbox").open("ab") as file:
        file.write(FROM + mail("3"))
    with pytest.raises(ArchiveRefused, match="changed"):
        got.extend(walk)
    assert len([a for d in got for a in d.arrivals]) >= 2


def maildir(folder: Path, *names: str) -> Path:
    """Make a Maildir with one mail per name, such as `cur/1.host:2,S` or `.Sent/new/2.host`."""
    for place in ("new", "cur", "tmp"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(mail(name))
    return folder


def places(found: list[Arrival]) -> set[tuple[str, str]]:
    return {(one.position.mailbox, one.position.uid) for one in found}


def test_flags_say_nothing_and_unfinished_mail_is_left_alone(tmp_path: Path) -> None:
    box = maildir(tmp_path, "cur/1.h:2,RS", "cur/2.h:2,T", "new/3.h", "tmp/4.h", "cur/.5.h")
    found = fetch(MaildirInbox({"name": "m", "path": str(box)}))
    assert places(found) == {("INBOX", "1.h"), ("INBOX", "2.h"), ("INBOX", "3.h")}
    assert {one.content for one in found} == {
        mail(f"{name}") for name in ("cur/1.h:2,RS", "cur/2.h:2,T", "new/3.h")
    }


def test_subfolders_come_when_asked(tmp_path: Path) -> None:
    box = maildir(tmp_path, "new/1.h", ".Sent/cur/2.h:2,S", ".A.B/new/3.h", "other/new/4.h")
    settings = {"name": "m", "path": str(box)}
    assert places(fetch(MaildirInbox(settings))) == {("INBOX", "1.h")}
    every = MaildirInbox({**settings, "subfolders": True})
    assert places(fetch(every)) == {("INBOX", "1.h"), (".Sent", "2.h"), (".A.B", "3.h")}
    assert len(every.check()) == 3
    with pytest.raises(BadSettings, match="subfolders"):
        MaildirInbox({**settings, "subfolders": "yes"})


def test_a_moved_flag_is_the_same_mail_and_only_news_is_read_again(tmp_path: Path) -> None:
    box = maildir(tmp_path, "new/1.h", "new/2.h")
    inbox, cursors = MaildirInbox({"name": "m", "path": str(box)}), dict[str, Cursor]()
    first = fetch(inbox, cursors)
    os.rename(box / "new/1.h", box / "cur/1.h:2,S")
    (box / "new/3.h").write_bytes(mail("three"))
    again = fetch(inbox, cursors)
    assert {one.position.uid for one in again} == {"1.h", "3.h"}
    assert next(one for one in again if one.position.uid == "1.h") in first
    assert fetch(inbox, cursors) == []
    # After a start nobody remembers the listing, and everything is read: the store tells old mail.
    assert len(fetch(MaildirInbox({"name": "m", "path": str(box)}), cursors)) == 0
    (box / "new/4.h").write_bytes(mail("four"))
    assert len(fetch(MaildirInbox({"name": "m", "path": str(box)}), cursors)) == 4


def test_what_is_imported_says_so_and_nothing_is_written(tmp_path: Path) -> None:
    box = maildir(tmp_path / "box", "new/1.h", "cur/2.h:2,S")
    write(tmp_path / "a.mbox", [mail("1")])
    (tmp_path / "eml").mkdir()
    (tmp_path / "eml" / "1.eml").write_bytes(mail("1"))
    before = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    for path, how_many in ((box, 2), (tmp_path / "a.mbox", 1), (tmp_path / "eml", 1)):
        archive = archive_at(path, "old")
        found = [a for d in archive.deliveries({}) for a in d.arrivals]
        assert len(found) == how_many
        assert all(one.position.epoch.startswith(IMPORTED) for one in found)
        assert archive.weight() >= sum(len(one.content) for one in found)
        assert archive.check()
    after = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    changed = [
        path
        for path, now in after.items()
        if (now.st_mtime_ns, now.st_ctime_ns, now.st_size)
        != (before[path].st_mtime_ns, before[path].st_ctime_ns, before[path].st_size)
    ]
    assert (changed, set(after)) == ([], set(before))
