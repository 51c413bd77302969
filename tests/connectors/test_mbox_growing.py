"""An mbox that grows is read from its last mail on; one whose beginning changed, as a whole.

What every mail program does to such a file is tried in any order, on the way the path takes: the
cursor moves once a delivery is kept. The oracle believes every mark, and must be seen to lose.
"""

import random
from pathlib import Path

import pytest

from tests.connectors.test_archives import FROM, fetch, inbox_of, write
from tests.sizes import many
from triage.connectors.mbox_cursor import Mark
from triage.domain import Cursor
from triage.errors import ArchiveRefused
from triage.testing import mail

pytestmark = pytest.mark.bar(1)


def letter(number: int, words: str = "words") -> bytes:
    return mail(f"{words} {number}", message_id=f"<{number}@example.org>").replace(b"\r\n", b"\n")


def grow(path: Path, *letters: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(FROM + one + b"\n" for one in letters))


def bodies(path: Path, cursors: dict[str, Cursor]) -> list[bytes]:
    """Return what a program that was just started fetches."""
    return [one.content for one in fetch(inbox_of(path, batch_messages=2), cursors)]


def test_only_the_last_mail_and_what_is_new_are_read_again(tmp_path: Path) -> None:
    path, cursors = tmp_path / "a.mbox", dict[str, Cursor]()
    write(path, [letter(n) for n in range(5)])
    places = {one.position for one in fetch(inbox_of(path), cursors)}
    assert bodies(path, cursors) == []
    grow(path, letter(5), letter(6))
    again = fetch(inbox_of(path), cursors)
    assert [one.content for one in again] == [letter(4), letter(5), letter(6)]
    assert again[0].position in places, "the very place the store knows"
    assert bodies(path, cursors) == []


def test_a_mail_that_was_cut_short_comes_whole(tmp_path: Path) -> None:
    path, cursors = tmp_path / "a.mbox", dict[str, Cursor]()
    whole = FROM + letter(0) + b"\n" + FROM + letter(1) + b"\n" + FROM + letter(2) + b"\n"
    for cut in range(len(FROM), len(whole), 7):
        path.write_bytes(whole[:cut])
        bodies(path, cursors)
        path.write_bytes(whole)
        found = bodies(path, cursors)
        assert letter(2) in found or cut >= len(whole) - 2
    assert bodies(path, cursors) == []


def changed(path: Path, chance: random.Random, numbers: list[int]) -> None:
    """Do to an mbox what mail programs do to it."""
    have = path.read_bytes()
    how = chance.choice(("grow", "grow", "drop", "flag", "empty", "touch", "shorter"))
    if how == "grow":
        numbers[0] += 1
        grow(path, letter(numbers[0]))
    elif how == "drop" and (second := have.find(FROM, 1)) > 0:
        path.write_bytes(have[second:])
    elif how == "flag":
        # A program that marks a mail as read writes over bytes in the middle of the file.
        path.write_bytes(have.replace(b"words", chance.choice((b"WORDS", b"w0rds")), 1))
    elif how == "empty":
        path.write_bytes(FROM + letter(0, "new") + b"\n")
    elif how == "shorter":
        path.write_bytes(have[: have.rfind(FROM)])
    else:
        path.touch()


def lost(tmp_path: Path, seed: int, turns: int) -> set[bytes]:
    """Return which mails stood in the file when it was read and were never fetched."""
    chance, path = random.Random(seed), tmp_path / f"{seed}.mbox"
    cursors, numbers, kept, stood = dict[str, Cursor](), [2], set[bytes](), set[bytes]()
    write(path, [letter(n) for n in range(3)])
    inbox = inbox_of(path, batch_messages=2)
    for _ in range(turns):
        if chance.random() < 0.3:
            inbox = inbox_of(path, batch_messages=2)
        stood |= {one.content for one in fetch(inbox_of(path))}
        kept |= {one.content for one in fetch(inbox, cursors)}
        changed(path, chance, numbers)
    return stood - kept


def test_whatever_is_done_to_the_file_no_mail_is_passed_over(tmp_path: Path) -> None:
    for _ in range(many(20, long=2000)):
        seed = random.randrange(10**6)
        assert lost(tmp_path, seed, turns=12) == set(), f"seed {seed}"


def test_oracle_a_mark_that_is_believed_loses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mark, "resume", lambda mark, _, size: min(mark.end, size))
    assert any(lost(tmp_path, seed, turns=12) for seed in range(10))


def test_what_changes_while_it_is_read_is_read_as_a_whole_again(tmp_path: Path) -> None:
    path, cursors = tmp_path / "a.mbox", dict[str, Cursor]()
    write(path, [letter(n) for n in range(4)])
    walk = inbox_of(path, batch_messages=2).deliveries(cursors)
    first = next(walk)
    cursors[first.cursor.mailbox] = first.cursor
    # The digest of the second batch would be that of bytes nobody has read.
    path.write_bytes(path.read_bytes().replace(b"words 1", b"WORDS 1"))
    second = next(walk)
    cursors[second.cursor.mailbox] = second.cursor
    with pytest.raises(ArchiveRefused, match="changed"):
        next(walk)
    assert letter(1, "WORDS") in bodies(path, cursors)
