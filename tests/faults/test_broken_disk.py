"""Safety-bar 13: the disk is full, read-only or broken at any point, and later whole again.

A process that lands, files, sends, anchors, backs up and watches runs on a folder whose every
change fails from some point on, chosen by lot. Nothing is lost or doubled, staff are told in the
next round of the watch, and without a restart all goes on once the disk is whole.
"""

import errno
import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import copy_database
from tests.powercut.refusing import Disk, Kind, Program, refuser
from tests.sizes import LONG, many
from tests.small_practice import approve, mail_from, move_in, receive
from tests.store.test_landing import written
from triage.desk import Desk
from triage.store import Keys, open_store
from triage.store.engine import connect

pytestmark = [pytest.mark.bar(13), pytest.mark.timeout(2400 if LONG else 170)]

ROOT = Path(__file__).resolve().parents[2]
POINTS = many(3, long=50)
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO)
#: The short form comes as far as the first.
KINDS = (Kind.ALL, Kind.GROWTH, Kind.SYNC, Kind.HALF, Kind.ONCE)
#: With these much can still be written; staff are told of what was not.
PARTLY = (Kind.GROWTH, Kind.ONCE)
#: Rounds of ten seconds that may pass until all is well again.
ROUNDS = 6


@contextmanager
def morning(
    tmp_path: Path, template: Path, keys: Keys, folder: Path
) -> Iterator[tuple[Program, Disk, str, int]]:
    """Start the process on a folder of its own; yield it with its disk, store and replies."""
    home = tmp_path / "home"
    home.mkdir()
    copy_database(template, home / "triage.db")
    url = f"sqlite:///{home}/triage.db"
    store = open_store(url, keys)
    move_in(store)
    desk = Desk(store, undo=timedelta(seconds=-1), mail_domain="clinic.example")
    mails = [mail_from(1, f"early {n}", message_id=f"<e{n}@example.org>") for n in range(4)]
    for case_id in receive(store, *mails):
        approve(desk, case_id)
    store.close()
    disk = Disk(refuser(folder), home, tmp_path / "control")
    command = [sys.executable, "-m", "tests.faults.broken_morning", url]
    program = Program([*command, written(keys, tmp_path), str(home)], disk.environment, ROOT)
    try:
        yield program, disk, url, len(mails)
    finally:
        program.close()


def turn(program: Program, new: int = 0, seconds: int = 10) -> dict[str, Any]:
    return dict(json.loads(program.ask(f"{new} {seconds}")))


def test_a_disk_that_breaks_loses_nothing_and_all_goes_on_without_a_restart(
    tmp_path: Path,
    sqlite_template: Path,
    keys: Keys,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", POINTS)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    library = tmp_path_factory.mktemp("refuser")
    with morning(tmp_path, sqlite_template, keys, library) as (program, disk, url, replies):
        seen = turn(program, 1)
        for point in range(POINTS):
            error = ERRORS[point % len(ERRORS)]
            # Every third one from the very first change on; the others somewhere in the work.
            kind = KINDS[point // len(ERRORS) % len(KINDS)]
            after = chance.choice((0, chance.randrange(120), chance.randrange(20)))
            disk.fails(error, after=after, kind=kind)
            told, found = set[str](), set[str]()
            for _ in range(2):
                seen = turn(program, 2)
                told, found = told | set(seen["told"]), found | set(seen["found"])
            where = f"seed {seed}, point {point}: {errno.errorcode[error]}, {kind.name}, {seen}"
            # Staff are told at once; what came back within a minute they believe to be wrong still.
            fine = kind in PARTLY or not disk.refused()
            assert fine or "database:" in (found if point else told & found), where
            assert found or seen["cursor"] == str(seen["mails"]), where
            assert int(seen["mails"]) >= (int(seen["cursor"]) if seen["cursor"].isdigit() else 0)
            disk.whole()
            for _ in range(ROUNDS):
                seen = turn(program)
                if not seen["found"] and not any(seen["trouble"][:2]):
                    break
            assert seen["found"] == [], where
            assert seen["cursor"] == str(seen["mails"]), where
        # A backup that failed is tried again after five minutes, and says so until then.
        seen = turn(program, seconds=320)
        assert seen["trouble"] == ["", ""], seen
        assert (tmp_path / "home" / "heartbeat").exists()
    check(url, keys, seen, replies)


def check(url: str, keys: Keys, seen: dict[str, Any], replies: int) -> None:
    """Every mail is filed once, no reply left twice, the file is whole, the chain holds."""
    assert len(seen["sent"]) == len(set(seen["sent"]))
    store = open_store(url, keys)
    assert store.landing.waiting(limit=9) == []
    assert store.landing.ledger_counts("memory", clinic="c1") == {"landed": seen["mails"]}
    figures = store.counts.figures(clinic="c1")
    assert figures.in_no_queue == 0
    assert figures.landed == seen["mails"] + replies
    settled = {state: count for state, count in figures.replies.items() if count}
    # What left is sent, or uncertain where the note of it could not be written.
    assert sum(settled.values()) == replies
    assert settled.keys() <= {"sent", "uncertain"}
    assert settled.get("sent", 0) <= len(seen["sent"])
    assert store.audit.verify().holds
    store.close()
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()
