"""Safety-bar 43: every process writes a chain of its own and waits for nobody else's."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text

from tests.postgres import PostgresServer
from tests.store import tampering
from tests.store.practice import Clock, queued
from triage.audit import FIRST, GENESIS, AnchorFile, newest_heads, seal
from triage.domain import AuditEvent
from triage.engine import Anchoring
from triage.errors import StoreLocked
from triage.store import Keys, Store, migrate, open_store, trail, verify_database
from triage.store.engine import connect

pytestmark = pytest.mark.bar(43)

_UPGRADE = command.upgrade


@contextmanager
def stores(url: str, keys: Keys, *parts: str) -> Iterator[list[Store]]:
    with ExitStack() as stack:
        opened = [open_store(url, keys, part=part) for part in parts]
        for each in opened:
            stack.callback(each.close)
        yield opened


def numbers(store: Store) -> dict[str, int]:
    return {head.chain: head.number for head in store.audit.heads()}


def test_each_process_writes_its_own_chain_in_one_order(store_url: str, keys: Keys) -> None:
    with stores(store_url, keys, *trail.PARTS) as opened:
        for _ in range(3):
            for each in opened:
                each.audit.record("x", clinic="a", by="t")
        assert numbers(opened[0]) == dict.fromkeys(trail.PARTS, 3)
        events = opened[0].audit.events(clinic="a", by="t")
        assert [each.chain for each in reversed(events)] == [*trail.PARTS] * 3
        assert opened[0].audit.verify().holds


def test_the_order_is_the_database_s_and_not_the_clock_s(store_url: str, keys: Keys) -> None:
    """Safety-bar 14: a clock that goes back changes no order."""
    clock = Clock()
    with stores(store_url, keys, "web", "worker") as opened:
        for number, each in enumerate(opened * 4):
            each.transactions.clock = clock
            clock.forward(timedelta(days=-1))
            each.audit.record(f"thing.{number}", clinic="a", by="t")
        events = opened[0].audit.events(clinic="a", by="t")
    assert [each.action for each in events] == [f"thing.{number}" for number in range(7, -1, -1)]


@pytest.mark.postgres
@pytest.mark.parametrize("parts", [("web", "worker"), ("worker", "worker"), ("web", "web", "web")])
def test_nobody_waits_for_a_head_that_another_holds(
    postgres: PostgresServer, keys: Keys, parts: tuple[str, ...]
) -> None:
    """All have written their rows and none has committed; nobody would wait even a millisecond."""
    with postgres.database() as url, stores(url, keys, *parts) as opened:
        with ExitStack() as stack:
            for each in opened:
                work = stack.enter_context(each.transactions.write())
                work.connection.execute(text("SET LOCAL lock_timeout = 1"))
                work.note("x", clinic="a", by="t")
                work.finish()
        first = dict.fromkeys(parts, 1)
        assert numbers(opened[0]).items() >= first.items()
        assert set(numbers(opened[0]).values()) == {1}
        assert len(numbers(opened[0])) == len(parts)
        # What was begun beside stays free for whoever comes next, the first one first.
        opened[0].audit.record("x", clinic="a", by="t")
        assert numbers(opened[0])[parts[0]] == 2
        assert opened[0].audit.verify().holds


@pytest.mark.postgres
def test_with_one_chain_for_all_the_second_would_wait(
    postgres: PostgresServer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the head of the one chain there used to be is taken without skipping."""

    def one_for_all(connection: object, part: str) -> object:
        del part
        query = text("SELECT * FROM audit_heads WHERE chain = 'web' FOR UPDATE")
        return trail.Head(*connection.execute(query).one())  # type: ignore[attr-defined]  # A Connection; only its name is left out.

    monkeypatch.setattr(trail, "_free", one_for_all)
    with (
        postgres.database() as url,
        stores(url, keys, "web", "worker") as (web, worker),
        web.transactions.write() as work,
    ):
        work.note("x", clinic="a", by="t")
        work.finish()
        with pytest.raises(StoreLocked):
            impatient(worker)


def impatient(store: Store) -> None:
    """Write one event, or fail if that means to wait."""
    with store.transactions.write() as work:
        work.connection.execute(text("SET LOCAL lock_timeout = 1"))
        work.note("x", clinic="a", by="t")


def test_no_process_touches_the_head_of_another(store_url: str, keys: Keys) -> None:
    """On SQLite one writes at a time whatever it writes; here, too, each moves its own head."""
    moved: list[tuple[str, str]] = []
    with stores(store_url, keys, "web", "worker") as opened:
        for each in opened:

            def seen(_c: object, _u: object, said: str, given: object, *_: object,
                     part: str = each.transactions.part) -> None:  # fmt: skip
                if said.startswith("UPDATE audit_heads"):
                    moved.append((part, str(given)))

            event.listen(each.transactions._engine, "before_cursor_execute", seen)
            each.audit.record("x", clinic="a", by="t")
    assert [part for part, _ in moved] == ["web", "worker"]
    assert all(f"'{part}'" in given for part, given in moved)


def test_many_writers_at_once_leave_chains_that_hold(store_url: str, keys: Keys) -> None:
    names = ("web", "web", "worker", "worker")
    with stores(store_url, keys, *names) as opened:

        def write(store: Store) -> None:
            for _ in range(10):
                store.audit.record("x", clinic="a", by="t", cases=("case-1",))

        writers = [threading.Thread(target=write, args=(each,)) for each in opened]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        verdict = opened[0].audit.verify()
        assert (verdict.holds, verdict.events) == (True, 40)
        assert {head.chain.split(".")[0] for head in verdict.heads} == {"web", "worker"}


def test_the_first_chain_is_sealed_as_it_always_was() -> None:
    """The digest is what the program made while there was one chain only."""
    at = datetime(2026, 11, 2, 8, tzinfo=UTC)
    detail = {"z": "1", "a": "2"}
    old = AuditEvent(7, "c1", at, "user-é", "case.read", ("a", "b"), detail, chain=FIRST, number=7)
    sealed = seal(old, GENESIS, key=b"k" * 32)
    assert sealed.digest == "e6420e732fd6f3db56105f18eaf6522cd24f1cb8e176e308c43188596af69b40"
    assert seal(replace(old, chain="web"), GENESIS, key=b"k" * 32).digest != sealed.digest


def as_it_was(url: str, keys: Keys) -> int:
    """Give a database the shape and the one chain it had before; return how long that is."""
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        tampering.without_guards(connection)
        tampering.begin(connection)
        events = [each for chain in tampering.chains(connection).values() for each in chain]
        events.sort(key=lambda each: each.seq)
        before = GENESIS
        for number, each in enumerate(events, 1):
            old = AuditEvent(number, each.clinic, each.at, each.actor, each.action, each.cases,
                             each.detail, chain=FIRST, number=number)  # fmt: skip
            sealed = seal(old, before, key=keys.audit)
            before = sealed.digest
            tampering.drop(connection, [each])
            tampering.put(connection, sealed)
        for said in (
            "DROP INDEX ix_audit_cases_seq",
            "ALTER TABLE audit DROP COLUMN chain",
            "ALTER TABLE audit DROP COLUMN number",
            "DROP TABLE audit_heads",
            "CREATE TABLE audit_head (id INTEGER PRIMARY KEY, seq BIGINT, digest VARCHAR(64))",
            f"INSERT INTO audit_head VALUES (1, {len(events)}, '{before}')",
            "UPDATE alembic_version SET version_num = '0009'",
        ):
            connection.exec_driver_sql(said)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SEQUENCE audit_order")
        connection.commit()
    engine.dispose()
    return len(events)


def only_the_chains(config: Config, _: str) -> None:
    """Run the one migration that was undone: what later ones made is still there."""
    _UPGRADE(config, "0010")
    command.stamp(config, "head")


def test_an_older_database_goes_on_with_its_one_chain_as_the_first(
    store: Store, store_url: str, keys: Keys, clinic: str, tmp_path: Path
) -> None:
    case_id = queued(store, clinic).outgoing.case_id
    store.close()
    old = as_it_was(store_url, keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", only_the_chains)
        migrate(store_url, keys)
    path = tmp_path / "audit.anchor"
    with stores(store_url, keys, "web", "worker") as (web, worker):
        assert numbers(web) == {FIRST: old}
        # The file has a line of before, and the chain remembers it as it did then.
        (head,) = web.audit.heads()
        path.write_text(f"{head.number} {head.digest} 2026-11-02T08:00:00+00:00\n")
        file = AnchorFile(path)
        worker.audit.record("audit.anchored", clinic=clinic, by="worker",
                            detail={"seq": str(head.number), "digest": head.digest})  # fmt: skip
        assert newest_heads(file.read()) == (head,)
        web.cases.get(case_id, clinic=clinic, by="user-dora")
        assert Anchoring(worker, file, clinic=clinic).once()
        assert {each.chain for each in newest_heads(file.read())} == {FIRST, "web", "worker"}
        assert web.audit.verify(anchors=file.read).holds
        path.write_text(path.read_text().partition("\n")[2])
        assert not web.audit.verify(anchors=file.read).holds, "the old line is missed, too"
        newest = web.audit.events(clinic=clinic, by="t", limit=1)
        assert newest[0].seq > old
    with unguarded(store_url, keys) as connection:
        tampering.change(connection, 2, actor="eve")
        connection.commit()
    verdict = verify_database(store_url, keys)
    assert (verdict.chain, verdict.broken_at) == (FIRST, 2)


@contextmanager
def unguarded(url: str, keys: Keys) -> Iterator[Connection]:
    engine = connect(url, keys, owner=True)
    with engine.connect() as connection:
        tampering.without_guards(connection)
        tampering.begin(connection)
        yield connection
    engine.dispose()
