"""Safety-bar 43: 200 random tamperings straight on the database, on both engines, 200 found."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from tests.sizes import many
from tests.store import tampering
from tests.store.practice import Clock, queued
from tests.store.tampering import Tamper
from tests.store.test_landing import written
from triage.audit import AnchorFile, Verdict
from triage.cli import app
from triage.domain import Anchor
from triage.engine import Anchoring
from triage.store import Keys, Store, verify_database
from triage.store.chain import verify_chain
from triage.store.engine import connect
from triage.store.transaction import Work
from triage.store.vault import Vault

#: All 200 with TRIAGE_LONG=1; five of every kind otherwise.
TRIES = many(45, long=200)
EVERY = timedelta(minutes=10)


@dataclass(frozen=True)
class Trail:
    """A chain of some 60 events, anchored five times, with a few events after the last."""

    url: str
    keys: Keys
    file: AnchorFile
    newest: int

    @property
    def anchored(self) -> int:
        return max(line.seq for line in self.file.read())

    @property
    def tampers(self) -> Sequence[Tamper]:
        """Every kind; the last is that of somebody who stole the audit key as well."""
        kinds = ("edit", "garbage", "delete", "insert", "reorder", "truncate", "misfile")
        named = [getattr(tampering, kind) for kind in kinds]
        return [*named, tampering.rewrite(b"another key" * 3), tampering.rewrite(self.keys.audit)]


@pytest.fixture
def trail(store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path) -> Trail:
    file, clock = AnchorFile(tmp_path / "elsewhere.anchor"), Clock()
    anchoring = Anchoring(store, file, clinic=clinic, every=EVERY, clock=clock)
    case_id = queued(store, clinic).outgoing.case_id
    for _ in range(5):
        for _ in range(8):
            store.cases.get(case_id, clinic=clinic, by="user-dora")
        store.cases.queue(clinic=clinic, by="user-dora")
        clock.forward(EVERY)
        assert anchoring.once()
    store.cases.get(case_id, clinic=clinic, by="user-dora")
    return Trail(store_url, keys, file, store.audit.head()[0])


@contextmanager
def unguarded(trail: Trail) -> Iterator[Connection]:
    engine = connect(trail.url, trail.keys, owner=True)
    with engine.connect() as connection:
        tampering.without_guards(connection)
        yield connection
    engine.dispose()


def look(connection: Connection, trail: Trail, anchors: Sequence[Anchor]) -> Verdict:
    work = Work(connection, Vault(trail.keys), Clock()())
    return verify_chain(work, trail.keys.audit, anchors=lambda: anchors)


def found(trail: Trail, anchors: Sequence[Anchor], tries: int) -> tuple[int, list[str]]:
    """Tamper and look, each time on the whole chain; return how many were found, and the others."""
    missed: list[str] = []
    with unguarded(trail) as connection:
        assert look(connection, trail, anchors).holds
        connection.rollback()
        for number in range(tries):
            chance = random.Random(number)
            tamper = trail.tampers[number % len(trail.tampers)]
            tampering.begin(connection)
            what = tamper(connection, trail.newest, trail.anchored, chance)
            if look(connection, trail, anchors).holds:
                missed.append(f"{number}: {what}")
            connection.rollback()
    return tries - len(missed), missed


def test_random_tamperings_are_all_found(trail: Trail) -> None:
    assert found(trail, trail.file.read(), TRIES) == (TRIES, [])


def test_without_the_anchor_a_cut_and_a_stolen_key_are_not_found(trail: Trail) -> None:
    """Sabotage: nothing inside the database shows these two; the anchor is what finds them."""
    with unguarded(trail) as connection:
        # As the chain was before it remembered any anchoring.
        tampering.begin(connection)
        first = next(line.seq for line in trail.file.read())
        tampering.drop(connection, first + 1, trail.newest)
        tampering.head(connection, first)
        connection.commit()
    short = Trail(trail.url, trail.keys, trail.file, first)
    missed = Counter(what.split(": ")[1].split()[0] for what in found_inside(short, first))
    assert missed.keys() == {"cut", "rewritten"}
    assert sum(missed.values()) == 10


def found_inside(trail: Trail, anchored: int) -> list[str]:
    """Return what is missed when nothing outside is looked at."""
    missed = []
    with unguarded(trail) as connection:
        for number in range(45):
            tampering.begin(connection)
            tamper = trail.tampers[number % len(trail.tampers)]
            what = tamper(connection, trail.newest, anchored, random.Random(number))
            if look(connection, trail, ()).holds:
                missed.append(f"{number}: {what}")
            connection.rollback()
    return missed


def committed(trail: Trail, tamper: Tamper) -> None:
    with unguarded(trail) as connection:
        tampering.begin(connection)
        tamper(connection, trail.newest, trail.anchored, random.Random(7))
        connection.commit()


def asked(trail: Trail, tmp_path: Path) -> list[str]:
    places = ["--keys", written(trail.keys, tmp_path), "--anchor", str(trail.file.path)]
    return ["audit", "verify", "--database", trail.url, *places]


@pytest.mark.parametrize("kind", range(9))
def test_the_command_needs_keys_and_database_only_and_says_where(
    trail: Trail, tmp_path: Path, kind: int
) -> None:
    told = CliRunner().invoke(app, asked(trail, tmp_path))
    assert told.exit_code == 0, told.stderr
    assert f"{trail.newest} events hold" in told.stdout
    assert f"up to event {trail.anchored}; {trail.newest - trail.anchored} came" in told.stdout
    committed(trail, trail.tampers[kind])
    told = CliRunner().invoke(app, asked(trail, tmp_path))
    assert told.exit_code == 3
    assert told.stderr.startswith("triage: event ")


def test_the_command_runs_on_its_own(trail: Trail, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "triage", *asked(trail, tmp_path)]
    assert subprocess.run(command, capture_output=True, cwd=tmp_path).returncode == 0
    committed(trail, tampering.truncate)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3
    assert "cut off" in done.stderr
    wrong = Keys.make(tmp_path / "others")
    done = subprocess.run([*command, "--keys", str(tmp_path / "others")], capture_output=True)
    assert (done.returncode, wrong.audit in done.stderr) == (1, False)


def test_a_head_on_paper_finds_a_cut_too(trail: Trail, tmp_path: Path) -> None:
    verdict = verify_database(trail.url, trail.keys)
    paper = ["--head", f"{verdict.events}:{verdict.head}"]
    told = CliRunner().invoke(app, [*asked(trail, tmp_path), *paper])
    assert told.exit_code == 0
    assert "0 came after it" in told.stdout
    with unguarded(trail) as connection:
        tampering.begin(connection)
        tampering.drop(connection, trail.newest, trail.newest)
        tampering.head(connection, trail.newest - 1)
        connection.commit()
    # After the last anchor only the newer head on paper knows of the event.
    assert CliRunner().invoke(app, asked(trail, tmp_path)).exit_code == 0
    assert CliRunner().invoke(app, [*asked(trail, tmp_path), *paper]).exit_code == 3


@pytest.mark.parametrize("lines", ["none", "fewer", "others", "torn"])
def test_an_anchor_file_that_lost_lines_is_found(
    store: Store, trail: Trail, clinic: str, lines: str
) -> None:
    path, whole = trail.file.path, trail.file.path.read_text()
    if lines == "none":
        path.unlink()
    elif lines == "fewer":
        path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    elif lines == "others":
        path.write_text(whole.replace(whole.split()[1], "0" * 64))
    else:
        path.write_text(whole[:-60])
    assert not store.audit.verify(anchors=trail.file.read).holds
    path.write_text(whole)
    assert store.audit.verify(anchors=trail.file.read).holds


def test_half_a_line_left_by_a_crash_spoils_neither_itself_nor_the_next(
    store: Store, trail: Trail, clinic: str
) -> None:
    with trail.file.path.open("a") as file:
        file.write("12 ab")
    assert store.audit.verify(anchors=trail.file.read).holds
    seq, digest = store.audit.head()
    trail.file.append(Anchor(seq, digest, Clock()()))
    assert trail.file.read()[-1].seq == seq
    assert store.audit.verify(anchors=trail.file.read).anchored == seq
