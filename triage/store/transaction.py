"""One transaction: what is read or written, and the audit row that says so, together or not.

Rule of the room: a write transaction takes its lock at the start, and that of an audit chain last.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, Select, Table, insert, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError

from triage.domain import AuditEvent, Protected
from triage.errors import NotFound, StoreRefused
from triage.store import tables
from triage.store.engine import explain
from triage.store.keyring import STORE, DataKey, Keyring
from triage.store.keys import Keys
from triage.store.sealed import SealedValue
from triage.store.trail import COMMAND, append
from triage.store.vault import Vault


def utcnow() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Work:
    """One open transaction with the vault at hand."""

    def __init__(
        self, connection: Connection, vault: Vault, now: datetime, part: str = COMMAND
    ) -> None:
        self._connection = connection
        self._part = part
        #: For the owner's work on the tables themselves.
        self.connection = connection
        self.vault = vault
        self.now = now
        self._events: list[AuditEvent] = []
        self._moved: set[tuple[Table, str]] = set()
        self._made: dict[str, DataKey] = {}

    def run(self, statement: Executable, rows: list[dict[str, Any]] | None = None) -> int:
        """Execute a write and return how many rows it changed."""
        result: CursorResult[Any] = self._connection.execute(statement, rows)
        return result.rowcount

    def add(self, table: Table, **values: Any) -> None:
        """Insert one row."""
        self._connection.execute(insert(table), [values])

    def rows(self, query: Select[Any]) -> list[Row[Any]]:
        """Return every row of a query."""
        return list(self._connection.execute(query).all())

    def stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        """Yield rows without holding them all."""
        yield from self._connection.execute(query, execution_options={"yield_per": 1000})

    def first(self, query: Select[Any]) -> Row[Any] | None:
        """Return the first row or None."""
        return self._connection.execute(query.limit(1)).first()

    def one(self, query: Select[Any], what: str) -> Row[Any]:
        """Return the first row; raise NotFound naming `what`."""
        row = self.first(query)
        if row is None:
            raise NotFound(what)
        return row

    def number(self, query: Select[Any]) -> int:
        """Return the one number a query counts; nothing is zero."""
        return int(self._connection.execute(query).scalar() or 0)

    def lock(self, name: str) -> None:
        """Let one transaction at a time past this name; SQLite has only one writer anyway."""
        if self._connection.dialect.name == "postgresql":
            digest = hashlib.sha256(f"triage lock {name}".encode()).digest()
            key = int.from_bytes(digest[:8], "big", signed=True)
            self._connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (key,))

    def seal(
        self, table: Table, row_id: str, *, under: str = STORE, **texts: Protected | str | bytes
    ) -> dict[str, SealedValue]:
        """Seal several columns of one row with the data key of the owner `under`."""
        key = self._key(under)
        return {
            column: self.vault.seal(
                table.name,
                column,
                row_id,
                text.reveal() if isinstance(text, Protected) else text,
                under=key,
            )
            for column, text in texts.items()
        }

    def new_owner(self, owner: str) -> None:
        """Make the key of an owner whose id was drawn just now, so that it can have none yet."""
        if self.vault.ring is not None:
            self._made[owner] = self.vault.ring.fresh(owner)

    def _key(self, owner: str) -> DataKey:
        ring = self.vault.ring
        if ring is None:
            raise StoreRefused("this connection has no key store")
        if owner not in self._made:
            known = ring.newest(owner)
            if known is not None:
                return known
            self._made[owner] = ring.fresh(owner)
        return self._made[owner]

    def warm(self, kind: str) -> None:
        """Open every data key of a kind of owner at once, before many of their rows are read."""
        if self.vault.ring is not None:
            self.vault.ring.warm(kind)

    def open_keys(self, owners: Iterable[str]) -> None:
        """Open the data keys of these owners at once, before their rows are read."""
        if self.vault.ring is not None:
            self.vault.ring.warm_owners(owners)

    def note(
        self,
        action: str,
        *,
        clinic: str,
        by: str,
        cases: Iterable[str] = (),
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Remember that `by` did `action`; the row is written when the transaction ends."""
        self._events.append(
            AuditEvent(0, clinic, self.now, by, action, tuple(cases), dict(detail or {}))
        )

    def moved(self, clinic: str) -> None:
        """Say that the queue of a clinic looks different from now on."""
        self._moved.add((tables.queue_versions, clinic))

    def roster_moved(self, clinic: str) -> None:
        """Say that the patients or the staff of a clinic are others from now on."""
        self._moved.add((tables.roster_versions, clinic))

    def finish(self) -> None:
        """Move the versions and write the audit rows, each sealed to the one before it."""
        for versions, clinic in sorted(self._moved, key=lambda moved: (moved[0].name, moved[1])):
            self._move_version(versions, clinic)
        # Keys are synced before the rows they opened for are: no row is ever without its key.
        if self._made and self.vault.ring is not None:
            self.vault.ring.keep(list(self._made.values()), self.now)
            self._made.clear()
        if self._events:
            # The key first: whoever rotates it waits for all who asked, and then takes the heads.
            key = self.vault.serving("audit")
            append(self._connection, self._events, part=self._part, key=key)
        # Called early by who needs its own row to be there, and again at the end of all.
        self._moved.clear()
        self._events.clear()

    def _move_version(self, versions: Table, clinic: str) -> None:
        step = update(versions).where(versions.c.clinic == clinic)
        if not self.run(step.values(version=versions.c.version + 1)):
            self.add(versions, clinic=clinic, version=1)


#: What a step of somebody else adds to a transaction; what it raises undoes all of it.
Within = Callable[[Work], None]


class Transactions:
    """Opens transactions; every room of the store is given one of these."""

    def __init__(
        self,
        engine: Engine,
        keys: Keys,
        clock: Callable[[], datetime],
        ring: Keyring | None = None,
        *,
        part: str = COMMAND,
    ) -> None:
        self._engine = engine
        #: The kind of process this is, whose chains the audit rows go to.
        self.part = part
        self.vault = Vault(keys, ring)
        self.clock = clock

    @property
    def audit_keys(self) -> tuple[bytes, ...]:
        """Every audit key, newest first: older ones sealed what was written before a rotation."""
        return self.vault.current.all("audit")

    @contextmanager
    def write(self) -> Iterator[Work]:
        """Yield one transaction that holds the right to write; commit, or undo it all."""
        with self._begin("BEGIN IMMEDIATE") as work:
            yield work
            work.finish()

    @contextmanager
    def read(self) -> Iterator[Work]:
        """Yield one transaction that only reads, and nothing that identifies a patient."""
        with self._begin("BEGIN") as work:
            yield work

    @contextmanager
    def snapshot(self) -> Iterator[Work]:
        """Yield one transaction that reads a single moment, whatever others write meanwhile."""
        with self._begin("BEGIN", isolation_level="REPEATABLE READ") as work:
            yield work

    @contextmanager
    def _begin(self, begin: str, **postgresql: Any) -> Iterator[Work]:
        with told(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(begin)
            elif postgresql:
                connection.execution_options(**postgresql)
            yield Work(connection, self.vault.within(connection), self.clock(), self.part)
            connection.commit()

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()
        if self.vault.ring is not None:
            self.vault.ring.close()


@contextmanager
def told() -> Iterator[None]:
    """Turn a driver's exception into one of triage's own."""
    try:
        yield
    except DBAPIError as trouble:
        raise explain(trouble) from None
