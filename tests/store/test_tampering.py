"""Safety-bar 43: 200 random tamperings straight on the database, on both engines, 200 found."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from tests.sizes import many
from tests.store import tampering
from tests.store.practice import Clock, queued
from tests.store.tampering import Tamper
from tests.store.test_landing import written
from triage.audit import AnchorFile, Verdict, newest_heads, written_head
from triage.cli import app
from triage.domain import Anchor
from triage.engine import Anchoring
from triage.store import Keys, Store, open_store, verify_database
from triage.store.chain import verify_chains
from triage.store.engine import connect
from triage.store.trail import PARTS
from triage.store.transaction import Work
from triage.store.vault import Vault

pytestmark = pytest.mark.bar(43)
#: All 200 with TRIAGE_LONG=1; three of every kind otherwise.
TRIES = many(39, long=208)
KINDS = ("edit", "garbage", "delete", "insert", "reorder", "truncate", "misfile")
#: What only several chains invite.
BETWEEN = ("move", "swap", "lose")
EVERY = timedelta(minutes=10)


@dataclass(frozen=True)
class Trail:
    """Four chains of some 70 events, anchored five times, with a few events after the last."""

    url: str
    keys: Keys
    file: AnchorFile

    @property
    def anchored(self) -> Mapping[str, int]:
        return {head.chain: head.number for head in newest_heads(self.file.read())}

    @property
    def tampers(self) -> Sequence[Tamper]:
        """Every kind; the last is that of somebody who stole the audit key as well."""
        named = [getattr(tampering, kind) for kind in KINDS + BETWEEN]
        other = b"another key" * 3
        rewrite, stolen = tampering.rewrite, tampering.rewrite(self.keys.audit)
        return [*named, rewrite(other), rewrite(other, whole=True), stolen]


@pytest.fixture
def trail(store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path) -> Trail:
    file, clock = AnchorFile(tmp_path / "elsewhere.anchor"), Clock()
    case_id = queued(store, clinic).outgoing.case_id
    web, worker, sender = (open_store(store_url, keys, part=part) for part in PARTS[:3])
    anchoring = Anchoring(worker, file, clinic=clinic, every=EVERY, clock=clock)
    for _ in range(5):
        for _ in range(4):
            web.cases.get(case_id, clinic=clinic, by="user-dora")
            worker.audit.record("parts.serving", clinic=clinic, by="worker")
        web.cases.queue(clinic=clinic, by="user-dora")
        for action in ("reply.claimed", "reply.sent"):
            sender.audit.record(action, clinic=clinic, by="sender", cases=(case_id,))
        clock.forward(EVERY)
        assert anchoring.once()
    web.cases.get(case_id, clinic=clinic, by="user-dora")
    for each in (web, worker, sender):
        each.close()
    return Trail(store_url, keys, file)


@contextmanager
def unguarded(trail: Trail) -> Iterator[Connection]:
    engine = connect(trail.url, trail.keys, owner=True)
    with engine.connect() as connection:
        tampering.without_guards(connection)
        yield connection
    engine.dispose()


def look(connection: Connection, trail: Trail, anchors: Sequence[Anchor]) -> Verdict:
    work = Work(connection, Vault(trail.keys), Clock()())
    return verify_chains(work, trail.keys.audit, anchors=lambda: anchors)


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
            what = tamper(connection, trail.anchored, chance)
            if look(connection, trail, anchors).holds:
                missed.append(f"{number}: {what}")
            connection.rollback()
    return tries - len(missed), missed


def test_random_tamperings_are_all_found(
    trail: Trail, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", TRIES)
    assert found(trail, trail.file.read(), TRIES) == (TRIES, [])


def test_without_the_anchor_cuts_lost_chains_and_a_stolen_key_are_not_found(trail: Trail) -> None:
    """Sabotage: nothing inside the database shows these; the anchor is what finds them."""
    first = {head.chain: head.number for head in trail.file.read()[0].heads}
    with unguarded(trail) as connection:
        # As the chains were before they remembered any anchoring.
        tampering.begin(connection)
        for chain, events in tampering.chains(connection).items():
            tampering.drop(connection, events[first.get(chain, 0) :])
            tampering.set_head(connection, chain)
        connection.commit()
    found = found_inside(trail, first)
    missed = Counter(what.split()[0] for what in found)
    assert missed.keys() == {"cut", "lost", "rewritten"}
    assert sum(missed.values()) == 9


def found_inside(trail: Trail, anchored: Mapping[str, int]) -> list[str]:
    """Return what is missed when nothing outside is looked at."""
    missed = []
    with unguarded(trail) as connection:
        for number in range(39):
            tampering.begin(connection)
            tamper = trail.tampers[number % len(trail.tampers)]
            what = tamper(connection, anchored, random.Random(number))
            if look(connection, trail, ()).holds:
                missed.append(what)
            connection.rollback()
    return missed


def test_what_the_audit_remembers_finds_a_lost_chain_without_the_file(trail: Trail) -> None:
    """Each line outside is remembered with how far every chain was, in the worker's chain."""
    with unguarded(trail) as connection:
        for chain in ("web", "sender", "command"):
            events = tampering.chains(connection)[chain]
            for keep in (0, 1):
                tampering.begin(connection)
                tampering.drop(connection, events[keep:])
                if keep:
                    tampering.set_head(connection, chain)
                else:
                    gone = text("DELETE FROM audit_heads WHERE chain = :chain")
                    connection.execute(gone, {"chain": chain})
                verdict = look(connection, trail, ())
                assert (verdict.chain, "audit itself knows" in verdict.why) == (chain, True)
                connection.rollback()


def committed(trail: Trail, tamper: Tamper) -> None:
    with unguarded(trail) as connection:
        tampering.begin(connection)
        tamper(connection, trail.anchored, random.Random(7))
        connection.commit()


def asked(trail: Trail, tmp_path: Path) -> list[str]:
    places = ["--keys", written(trail.keys, tmp_path), "--anchor", str(trail.file.path)]
    return ["audit", "verify", "--database", trail.url, *places]


@pytest.mark.parametrize("kind", ["edit", "move", "truncate", "lose"])
def test_the_command_needs_keys_and_database_only_and_says_where(
    trail: Trail, tmp_path: Path, kind: str
) -> None:
    told = CliRunner().invoke(app, asked(trail, tmp_path))
    assert told.exit_code == 0, told.stderr
    anchored, verdict = sum(trail.anchored.values()), verify_database(trail.url, trail.keys)
    assert f"{verdict.events} events in 4 chains hold" in told.stdout
    assert f"{anchored} of them are anchored outside; {verdict.events - anchored}" in told.stdout
    committed(trail, getattr(tampering, kind))
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
    paper = [word for head in verdict.heads for word in ("--head", written_head(head))]
    told = CliRunner().invoke(app, [*asked(trail, tmp_path), *paper])
    assert told.exit_code == 0
    assert " 0 came after that" in told.stdout
    assert all(written_head(head) in told.stdout for head in verdict.heads)
    with unguarded(trail) as connection:
        tampering.begin(connection)
        tampering.drop(connection, tampering.chains(connection)["web"][-1:])
        tampering.set_head(connection, "web")
        connection.commit()
    # After the last anchor only the newer head on paper knows of the event.
    assert CliRunner().invoke(app, asked(trail, tmp_path)).exit_code == 0
    assert CliRunner().invoke(app, [*asked(trail, tmp_path), *paper]).exit_code == 3
    assert CliRunner().invoke(app, [*asked(trail, tmp_path), "--head", "web=1"]).exit_code == 1


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
        path.write_text(whole.replace(whole.split()[0].split(":")[1], "0" * 64))
    else:
        path.write_text(whole[:-60])
    assert not store.audit.verify(anchors=trail.file.read).holds
    path.write_text(whole)
    assert store.audit.verify(anchors=trail.file.read).holds


def test_half_a_line_left_by_a_crash_spoils_neither_itself_nor_the_next(
    store: Store, trail: Trail, clinic: str
) -> None:
    with trail.file.path.open("a") as file:
        file.write("web=12:ab")
    assert store.audit.verify(anchors=trail.file.read).holds
    heads = store.audit.heads()
    trail.file.append(Anchor(heads, Clock()()))
    assert trail.file.read()[-1].heads == heads
    verdict = store.audit.verify(anchors=trail.file.read)
    assert verdict.anchored == verdict.events
