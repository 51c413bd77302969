"""`triage import`: every mail of an archive waits for a person, once, however often it is run."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.connectors.test_archives import FROM, maildir, write
from tests.sizes import many
from tests.small_practice import CLINIC, mail_from, move_in, rooms
from triage.cli import app
from triage.cli.importing import landed
from triage.connectors.archive import archive_at
from triage.domain import CaseState, Lane, Mark
from triage.pipeline import file
from triage.store import Keys, Store, migrate, open_store
from triage.testing import mail

SETTINGS = '[clinic]\nid = "c1"\nname = "Test Clinic"\n'


def stored(store: Store) -> list[str]:
    """Return the SHA-256 of every landed message, sorted."""
    ids = [raw_id for _, raw_id in store.landing.waiting(limit=10_000, clinic="c1")]
    raws = [store.landing.raw(raw_id, clinic="c1", by="test") for raw_id in ids]
    return sorted(hashlib.sha256(raw.content).hexdigest() for raw in raws)


def digests(letters: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(letter).hexdigest() for letter in letters)


def bring_in(path: Path, store: Store) -> tuple[int, int]:
    return landed(archive_at(path, "old"), store, clinic="c1")


@pytest.mark.bar(1)
def test_nothing_is_lost_or_doubled_however_often_it_is_run(store: Store, tmp_path: Path) -> None:
    move_in(store)
    letters = [mail(f"number {n}") for n in range(12)]
    # Two mails of the same bytes are two mails.
    letters.append(letters[3])
    path = tmp_path / "old.mbox"
    write(path, letters)
    archive = archive_at(path, "old")
    # Stopped anywhere: landed, and the cursor not moved.
    for delivery in archive.deliveries({}):
        store.landing.land(delivery.arrivals[:5], clinic="c1", by="import")
        break
    assert bring_in(path, store) == (8, 5)
    assert stored(store) == digests(letters)
    assert bring_in(path, store) == (0, 0)
    # The file is another now: a mail is gone from its middle, one is new.
    write(path, [*letters[:4], *letters[5:], mail("fresh")])
    assert bring_in(path, store) == (1, 12)
    assert stored(store) == digests([*letters, mail("fresh")])


def test_a_maildir_and_a_renamed_mail_come_once(store: Store, tmp_path: Path) -> None:
    move_in(store)
    box = maildir(tmp_path / "box", "new/1.h", "cur/2.h:2,S", ".Sent/cur/3.h:2,S")
    assert bring_in(box, store) == (2, 0)
    os.rename(box / "new/1.h", box / "cur/1.h:2,RS")
    assert bring_in(box, store) == (0, 2)
    assert stored(store) == digests([mail("new/1.h"), mail("cur/2.h:2,S")])
    every = archive_at(box, "old", subfolders=True)
    assert landed(every, store, clinic="c1") == (1, 2)


@pytest.mark.bar(6)
def test_imported_mail_is_in_front_of_people_with_its_sign(store: Store, tmp_path: Path) -> None:
    move_in(store)
    broken = b"\0\xff no header at all"
    letters = [mail_from(1, "I need a refill"), mail_from(2, "chest pain"), broken]
    write(tmp_path / "old.mbox", [*letters[:2], broken + b"\n"])
    bring_in(tmp_path / "old.mbox", store)
    waiting = [raw_id for _, raw_id in store.landing.waiting(limit=9, clinic="c1")]
    cases = [
        store.cases.get(case_id, clinic=CLINIC.id, by="t").case
        for case_id in file(waiting, rooms(), store, clinic="c1", by="test")
    ]
    assert len({one.id for one in cases}) == len(letters)
    assert {one.lane for one in cases[1:]} == {Lane.URGENT, Lane.UNREADABLE}
    # A file proves no sender, so nobody is taken for a patient; and nothing is done by itself.
    wanted = {Mark.IMPORTED, Mark.UNVERIFIED_SENDER}
    assert all(wanted <= one.marks and one.patient_id is None for one in cases)
    assert all(one.state is CaseState.OPEN for one in cases)


@pytest.fixture
def home(tmp_path: Path, keys: Keys, sqlite_template: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "triage.toml").write_text(SETTINGS)
    made = Keys.make(tmp_path / "home" / "keys")
    url = f"sqlite:///{tmp_path / 'home' / 'triage.db'}"
    migrate(url, made)
    store = open_store(url, made)
    store.people.add_clinic(CLINIC)
    store.close()
    return tmp_path / "home"


@pytest.mark.bar(1)
def test_killed_again_and_again_it_goes_on(
    home: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A real process, ended by SIGKILL once some mail is stored; then the command runs through."""
    kills = many(1, long=40)
    record_property("tried", kills)
    letters = [mail(f"number {n}", message_id=f"<{n}@x>") for n in range(many(55, long=4000))]
    write(tmp_path / "old.mbox", letters)
    path = str(tmp_path / "old.mbox")
    store = open_store(f"sqlite:///{home / 'triage.db'}", Keys.load(home / "keys"))
    command = [sys.executable, "-m", "triage", "import", path, "--inbox", "old"]
    for _ in range(kills):
        before = len(store.landing.waiting(limit=10_000))
        child = subprocess.Popen([*command, "--home", str(home)], stderr=subprocess.DEVNULL)
        while child.poll() is None and len(store.landing.waiting(limit=10_000)) == before:
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    done = CliRunner().invoke(app, ["import", path, "--inbox", "old", "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert stored(store) == digests(letters)
    assert bring_in(Path(path), store) == (0, 0)
    store.close()


def test_counting_first_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.mbox").write_bytes(FROM + mail("1"))
    asked = ["import", str(tmp_path / "old.mbox"), "--inbox", "old", "--count"]
    assert "1 messages to import" in CliRunner().invoke(app, asked).output
    wrong = CliRunner().invoke(app, [*asked[:3], "Old Mail"])
    assert "--inbox" in str(wrong.exception)


def test_older_mail_stays_in_the_archive_when_asked_and_is_counted(tmp_path: Path) -> None:
    received = "Received: from a by b; Mon, 16 Nov 2026 10:00:00 +0000\r\n"
    letters = {
        "old": mail("old", headers="Date: Mon, 2 Nov 2026 10:00:00 +0000\r\n"),
        "young": mail("young", headers="Date: Sun, 15 Nov 2026 23:30:00 -0100\r\n"),
        # Dated wrongly by its writer, taken in by a server: the younger date counts.
        "late": mail("late", headers=f"{received}Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"),
        "undated": mail("undated"),
        "nonsense": mail("nonsense", headers="Date: the day before\r\n"),
        "broken": b"\0\xff\n",
    }
    write(tmp_path / "old.mbox", list(letters.values()))
    since = datetime(2026, 11, 16, tzinfo=UTC)
    archive = archive_at(tmp_path / "old.mbox", "old", since=since)
    found = [one.content for delivery in archive.deliveries({}) for one in delivery.arrivals]
    assert [letter in found for letter in letters.values()] == [False] + [True] * 5
    asked = ["import", str(tmp_path / "old.mbox"), "--inbox", "old", "--since", "2026-11-16"]
    said = CliRunner().invoke(app, [*asked, "--count"]).output
    assert "5 messages to import" in said
    assert "1 are older and NOT in triage" in said


def test_the_rest_can_be_taken_later(store: Store, tmp_path: Path) -> None:
    move_in(store)
    old = mail("old", headers="Date: Mon, 2 Nov 2026 10:00:00 +0000\r\n")
    write(tmp_path / "old.mbox", [old, mail("undated")])
    part = archive_at(tmp_path / "old.mbox", "old", since=datetime(2026, 11, 16, tzinfo=UTC))
    assert landed(part, store, clinic="c1") == (1, 0)
    assert bring_in(tmp_path / "old.mbox", store) == (1, 1)
    assert stored(store) == digests([old, mail("undated")])


def test_oracle_without_the_epoch_a_changed_file_doubles(store: Store, tmp_path: Path) -> None:
    """Sabotage: an archive that always calls itself the same one has its old mail stored again."""
    move_in(store)
    path = tmp_path / "old.mbox"
    for letters in ([mail("1"), mail("2")], [mail("2")]):
        write(path, letters)
        for delivery in archive_at(path, "old").deliveries({}):
            same = [
                replace(one, position=replace(one.position, epoch="import:always"))
                for one in delivery.arrivals
            ]
            store.landing.land(same, clinic="c1", by="import")
    assert len(stored(store)) == 3
