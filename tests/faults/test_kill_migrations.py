"""Safety-bar 16: kill -9 at any statement of any migration leaves the old shape or the new one.

A forked process migrates and kills itself right before a statement; the long form also kills it
from outside at any moment, with 100,000 patients in the tables. Afterwards the shape (tables,
triggers, rights) is one of the two, every row is there, and an old shape is not opened.
"""

import itertools
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event

from tests.postgres import PostgresServer
from tests.sizes import LONG, many
from triage.errors import StoreRefused
from triage.store import Keys, migrate, open_store, schema
from triage.store.engine import connect
from triage.store.guards import GUARDS, _sqlite
from triage.store.schema import newest

pytestmark = pytest.mark.bar(16)

ROWS = many(50, long=100_000)
#: The tables that have so many; every other one has a single row.
MANY = ("patients", "audit")
KILLS = many(1, long=20)
#: Each migration ends with a statement on this table.
_STEP = "alembic_version"


class Database:
    """One database of either engine, and copies of it."""

    def __init__(self, url: str, keys: Keys, server: PostgresServer | None) -> None:
        self.url, self.keys, self._server = url, keys, server

    @contextmanager
    def copy(self, name: str) -> Iterator["Database"]:
        if self._server is None:
            path = Path(self.url.removeprefix("sqlite:///"))
            other = path.with_name(f"{name}.db")
            for end in ("", "-keys"):
                if path.with_name(path.name + end).exists():
                    shutil.copy(f"{path}{end}", f"{other}{end}")
            yield Database(f"sqlite:///{other}", self.keys, None)
            return
        with self._server.copy(str(sa.make_url(self.url).database)) as url:
            yield Database(url, self.keys, self._server)

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        engine = connect(self.url, self.keys, owner=True)
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def shape(self) -> list[tuple[Any, ...]]:
        """Return everything that a migration may change: tables, indexes, triggers, rights."""
        with self.owner() as connection:
            sqlite = connection.dialect.name == "sqlite"
            queries = SQLITE_SHAPE if sqlite else POSTGRESQL_SHAPE
            return sorted(
                tuple(map(str, row)) for query in queries for row in connection.execute(query)
            )

    def rows(self) -> dict[str, int]:
        """Return table -> how many rows it has."""
        with self.owner() as connection:
            names = sa.inspect(connection).get_table_names()
            counted = (
                (name, sa.select(sa.func.count()).select_from(sa.table(name))) for name in names
            )
            return {name: connection.execute(query).scalar_one() for name, query in counted}


SQLITE_SHAPE = [sa.text("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
POSTGRESQL_SHAPE = [
    sa.text(
        "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema IN ('public', 'triage_keys')"
    ),
    sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"),
    sa.text(
        "SELECT t.tgrelid::regclass, t.tgname, t.tgenabled, p.prosrc FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal"
    ),
    sa.text("SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"),
    sa.text(
        "SELECT relname, relacl FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('public', 'triage_keys') AND relkind = 'r'"
    ),
    sa.text(
        "SELECT attrelid::regclass, attname, attacl FROM pg_attribute WHERE attacl::text <> ''"
    ),
]


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(schema._MIGRATIONS))
    return [one.revision for one in reversed(list(script.walk_revisions()))]


def forked(work: Callable[[], None], *, kill_after: float | None = None) -> bool:
    """Do something in a process of its own; say whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the migration failed by itself"
    return os.WIFSIGNALED(status)


def told(statements: list[str]) -> Callable[..., None]:
    def note(_c: object, _r: object, statement: str, *_: object) -> None:
        statements.append(statement)

    return note


@contextmanager
def listening(listener: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", listener)


def migrate_and_die(database: Database, at: int) -> bool:
    """Migrate, but be killed right before statement number `at`; say whether it came to that."""
    counter = itertools.count(1)

    def dying(*_: object) -> None:
        if next(counter) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        with listening(dying):
            migrate(database.url, database.keys)

    return forked(work)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path, keys: Keys) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path / 'empty.db'}", keys, None)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.copy("template0") as url:
        yield Database(url, keys, server)


@pytest.fixture
def two_behind(empty: Database) -> Database:
    """A database two migrations behind, with rows in every table and the triggers of its time."""
    from alembic import command

    with pytest.MonkeyPatch.context() as patch, empty.owner() as connection:
        real = command.upgrade
        patch.setattr(command, "upgrade", lambda config, _: real(config, revisions()[-3]))
        schema._begin(connection)
        schema._upgrade(connection)
        if not sa.inspect(connection).has_table("audit_heads"):
            patch.setattr(schema, "begin_chains", lambda _: None)
        schema._seed(connection, empty.keys)
        fill(connection)
        old_guards(connection)
        connection.commit()
    return empty


def fill(connection: Connection) -> None:
    """Give every table rows, whatever tables and columns there were at that time."""
    known = sa.MetaData()
    known.reflect(connection)
    for table in known.sorted_tables:
        if table.name in (_STEP, "key_checks"):
            continue
        needed = [column for column in table.columns if not column.nullable]
        numbers = range(1, 1 + (ROWS if table.name in MANY else 1))
        rows = [{one.name: value(one, number) for one in needed} for number in numbers]
        connection.execute(table.insert(), rows)


def value(column: sa.Column[Any], number: int) -> object:
    """Return what row `number` has there; what is named elsewhere is the first row of its table."""
    for link in column.foreign_keys:
        return value(link.column, 1)
    kind = column.type
    if isinstance(kind, sa.DateTime | sa.Date):
        moment = datetime(2026, 11, 2, tzinfo=UTC)
        return moment if isinstance(kind, sa.DateTime) else moment.date()
    if isinstance(kind, sa.JSON):
        return []
    if isinstance(kind, sa.LargeBinary):
        return b"%d sealed" % number
    if isinstance(kind, sa.Integer | sa.Boolean | sa.Float):
        return kind.python_type(number)
    return f"{number} {column.name}"[: getattr(kind, "length", None)]


def old_guards(connection: Connection) -> None:
    """Make today's guards as far as the tables of that time have what they speak of."""
    known = sa.inspect(connection)
    columns = {
        name: {column["name"] for column in known.get_columns(name)}
        for name in known.get_table_names()
    }
    made = set()
    for guard in GUARDS:
        spoken = re.findall(r"(\w+)\.(\w+)", guard.when)
        places = {(guard.table if name in ("NEW", "OLD") else name, of) for name, of in spoken}
        if guard.table not in columns or any(
            of not in columns.get(name, ()) for name, of in places
        ):
            continue
        made.add((guard.table, guard.says))
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(_sqlite(guard))
        else:
            from triage.store.guards_postgresql import make

            make(connection, [guard], ())
    # What no version changed; a migration that touches such rows must let the guards go first.
    assert {("audit", "written once"), ("audit", "never deleted")} <= made


def check_old_or_new(
    database: Database, old: object, new: object, rows: dict[str, int], at: str
) -> None:
    """Fail for a shape between the old and the new, a lost row, and an opened old one."""
    found = database.shape()
    assert found in (old, new), at
    if found == old:
        with pytest.raises(StoreRefused):
            open_store(database.url, database.keys)
        migrate(database.url, database.keys)
    open_store(database.url, database.keys).close()
    assert database.rows() == rows, at
    assert database.shape() == new, at


def test_every_migration_killed_leaves_the_old_shape_or_the_new(
    empty: Database, record_property: Callable[[str, object], None]
) -> None:
    """From nothing to the newest: all migrations, and the kills fall into each of them."""
    chance = random.Random(seed := random.randrange(10**9))
    statements: list[str] = []
    with empty.copy("whole") as whole:
        with listening(told(statements)):
            migrate(whole.url, whole.keys)
        new, rows = whole.shape(), whole.rows()
    steps = [n for n, one in enumerate(statements, 1) if _STEP in one and "CREATE" not in one]
    done = [n for n in steps if statements[n - 1].startswith(("INSERT", "UPDATE"))]
    assert len(done) == len(revisions())
    with empty.copy("nothing") as nothing:
        old = nothing.shape()
    spans = [*itertools.pairwise([3, *done]), (done[-1], len(statements))]
    points = [chance.randint(first + 1, last) for first, last in spans for _ in range(KILLS)]
    if not (LONG or empty.url.startswith("sqlite")):
        # A server's copies are slow: on every change a third of the migrations, drawn anew.
        points = chance.sample(points, len(points) // 3)
    record_property("tried", len(points))
    for number, at in enumerate(points):
        with empty.copy(f"killed_{number}") as database:
            assert migrate_and_die(database, at)
            assert database.shape() in (old, new), f"seed {seed}, statement {at}"
            if number == len(points) // 2:
                check_old_or_new(database, old, new, rows, f"seed {seed}, statement {at}")


def test_two_versions_behind_killed_at_any_statement(
    two_behind: Database, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed := random.randrange(10**9))
    statements: list[str] = []
    old, before = two_behind.shape(), two_behind.rows()
    with two_behind.copy("whole") as whole:
        began = time.monotonic()
        with listening(told(statements)):
            migrate(whole.url, whole.keys)
        took = time.monotonic() - began
        new, rows = whole.shape(), whole.rows()
    assert old != new
    assert before["patients"] == before["audit"] == ROWS
    gone = {name for name, count in before.items() if rows.get(name, 0) < count}
    # Its one row went into the table of heads.
    assert gone <= {"audit_head"}
    assert len(set(statements)) > 20
    moments = [None] * KILLS + [chance.uniform(0, took * 1.2) for _ in range(many(0, long=20))]
    record_property("tried", len(moments))
    for number, moment in enumerate(moments):
        at = chance.randint(2, len(statements))
        with two_behind.copy(f"killed_{number}") as database:
            if moment is None:
                assert migrate_and_die(database, at)
            else:
                forked(lambda one=database: migrate(one.url, one.keys), kill_after=moment)
            where = f"seed {seed}, kill {number} at statement {at} or after {moment} s"
            check_old_or_new(database, old, new, rows, where)


def test_oracle_a_migration_that_commits_in_between_is_seen(
    two_behind: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: the tables are committed before the guards are made."""
    old = two_behind.shape()
    with two_behind.copy("whole") as whole:
        migrate(whole.url, whole.keys)
        new = whole.shape()

    def commit_and_die(connection: Connection) -> None:
        connection.commit()
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(schema, "make_guards", commit_and_die)
    assert forked(lambda: migrate(two_behind.url, two_behind.keys))
    assert two_behind.shape() not in (old, new)
    # Whoever opens it all the same is turned away: its guards are not all there.
    with pytest.raises(StoreRefused):
        open_store(two_behind.url, two_behind.keys)


CHANGED_RIGHTS = (
    "GRANT DELETE ON drafts TO triage_worker",
    "GRANT UPDATE (body) ON replies TO triage_sender",
    "GRANT SELECT ON patients TO PUBLIC",
    "REVOKE INSERT ON audit FROM triage_web",
    "REVOKE UPDATE (filed_at) ON raw_messages FROM triage_worker",
    "GRANT SELECT ON messages TO triage_sender WITH GRANT OPTION",
    "GRANT TRUNCATE ON audit TO triage_web",
)


@pytest.mark.postgres
@pytest.mark.parametrize("statement", CHANGED_RIGHTS)
def test_changed_rights_are_found_at_start_and_mended_by_migrating(
    postgres: PostgresServer, keys: Keys, statement: str
) -> None:
    with postgres.database() as url:
        engine = connect(url, keys, owner=True)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
            connection.commit()
        engine.dispose()
        with pytest.raises(StoreRefused, match="the rights of"):
            open_store(url, keys)
        migrate(url, keys)
        open_store(url, keys).close()


def test_the_newest_revision_is_the_last_one() -> None:
    assert revisions()[-1] == newest()
