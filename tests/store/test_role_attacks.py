"""Safety-bar 18 on PostgreSQL: COPY, old row sets, a schema before ours, and keys of other cases.

Beside each stands what would happen without its fence.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from tests.postgres import PostgresServer
from tests.store.attacks import FRESH
from tests.store.practice import queued
from triage.domain import Clinic, Protected, Reply, ReplyState
from triage.errors import SendPostponed, StoreRefused, WrongKey
from triage.store import Keys, Store, migrate, open_store, tables
from triage.store.engine import connect
from triage.store.keyring import of_case
from triage.store.keystore import wrapped_keys
from triage.store.trail import SENDER, WEB, WORKER

pytestmark = [pytest.mark.postgres, pytest.mark.bar(18)]
CLINIC = "clinic-a"
PARTS = (WEB, WORKER, SENDER)


@dataclass(frozen=True)
class House:
    """One reply that was sent, one that waits, and the owner's connection."""

    url: str
    keys: Keys
    store: Store
    gone: Reply
    waiting: Reply

    def engine(self, part: str) -> Engine:
        return connect(self.url.replace("triage_owner@", f"triage_{part}@"), self.keys)

    @contextmanager
    def process(self, part: str) -> Iterator[Store]:
        url = self.url.replace("triage_owner@", f"triage_{part}@")
        store = open_store(url, self.keys, part=part)
        yield store
        store.close()


@pytest.fixture
def house(postgres: PostgresServer, keys: Keys) -> Iterator[House]:
    with postgres.database() as url:
        # A copied database lacks the rights on the database itself; migrating gives them.
        migrate(url, keys)
        store = open_store(url, keys)
        store.people.add_clinic(Clinic(CLINIC, "Harbour"))
        now = store.transactions.clock()
        gone, waiting = (queued(store, CLINIC, not_before=now) for _ in range(2))
        store.replies.claim(gone.id, clinic=CLINIC, by="sender")
        store.departures.keep(gone, b"the letter", by="sender")
        store.replies.settle(gone.id, ReplyState.SENT, clinic=CLINIC, by="sender")
        yield House(url, keys, store, gone, waiting)
        store.close()


#: What would be copied back: rows as they were, or as somebody would like them to be.
COPIES: dict[str, tuple[str, dict[str, str]]] = {
    "replies as they were": ("replies", {"state": "'queued'"}),
    "a reply nobody approved": ("replies", {**FRESH, "message_id_index": "sha256(body)"}),
    "a reply with another's yes": ("replies", {"id": "'evil'", "message_id_index": "sha256(body)"}),
    "a sent reply": ("replies", {**FRESH, "message_id_index": "sha256(body)", "state": "'sent'"}),
    "approvals": ("approvals", {"id": "'evil'", "reply_id": "'evil'"}),
    "approvals as they were": ("approvals", {}),
    "the audit as it was": ("audit", {}),
    "the audit in another order": ("audit", {"seq": "seq + 900", "number": "number + 900"}),
    "heads": ("audit_heads", {"chain": "'web.8'", "number": "7"}),
    "keys of browsers": ("proof_keys", {"id": "'evil'", "session_id": "'none'"}),
    "departures": ("departures", {"id": "'evil'", "claimed_at": "claimed_at + interval '1 s'"}),
    "data keys": ("triage_keys.wrapped_keys", {}),
    "landed messages": ("raw_messages", {}),
}


def rows_of(url: str, table: str, changed: dict[str, str]) -> tuple[str, bytes]:
    """Return the columns of a table and its rows, changed, as COPY writes them."""
    made = wrapped_keys if "." in table else tables.metadata.tables[table]
    names = [column.name for column in made.columns]
    picked = ", ".join(changed.get(name, name) for name in names)
    query = f"COPY (SELECT {picked} FROM {table} LIMIT 1) TO STDOUT"
    with psycopg.connect(_plain(url)) as connection, connection.cursor().copy(query) as copy:
        return ", ".join(names), b"".join(bytes(block) for block in copy)


def copied_in(url: str, table: str, names: str, rows: bytes) -> bool:
    """Copy rows into a table and commit; return whether the database took them."""
    try:
        with (
            psycopg.connect(_plain(url)) as connection,
            connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy,
        ):
            copy.write(rows)
    except psycopg.Error:
        return False
    return True


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:")


def test_nothing_is_copied_in_past_the_guards(house: House) -> None:
    for name, (table, changed) in COPIES.items():
        names, rows = rows_of(house.url, table, changed)
        assert rows, name
        for part in PARTS:
            url = house.url.replace("triage_owner@", f"triage_{part}@")
            assert not copied_in(url, table, names, rows), f"{part}: {name}"
    assert house.store.audit.verify().holds


def test_without_guards_rows_are_copied_in(house: House) -> None:
    """The oracle: what stopped these was a guard or a right, and not how they are written."""
    engine = connect(house.url, house.keys, owner=True)
    with engine.begin() as connection:
        for table in ("replies", "approvals", "proof_keys", "departures", "audit_heads"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            connection.exec_driver_sql(f"GRANT ALL ON {table} TO triage_sender")
            for (constraint,) in connection.exec_driver_sql(
                "SELECT conname FROM pg_constraint WHERE contype = 'f'"
                f" AND conrelid = '{table}'::regclass"
            ).all():
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    engine.dispose()
    url, taken = house.url.replace("triage_owner@", "triage_sender@"), set()
    for name in ("a reply nobody approved", "a sent reply", "approvals", "heads", "departures"):
        table, changed = COPIES[name]
        if copied_in(url, table, *rows_of(house.url, table, changed)):
            taken.add(name)
    assert taken >= {"a reply nobody approved", "approvals", "heads", "departures"}, taken


SHADOWS = (
    "CREATE SCHEMA triage_web",
    "GRANT USAGE ON SCHEMA triage_web TO PUBLIC",
    "CREATE TABLE triage_web.replies AS SELECT 'evil' AS id, 'queued' AS state",
    "GRANT SELECT ON triage_web.replies TO PUBLIC",
)


def test_a_schema_of_the_worker_s_stands_before_nobody_s_tables(house: House) -> None:
    """PostgreSQL looks into a schema with the name of whoever asks first; a worker may make one."""
    with house.engine(WORKER).begin() as connection:
        for statement in SHADOWS:
            connection.exec_driver_sql(statement)
    query = "SELECT id FROM replies WHERE state = 'queued'"
    with house.engine(WEB).connect() as connection:
        assert connection.exec_driver_sql(query).scalar() == house.waiting.id
        # The oracle: as the server would have it by itself, the worker's table is read.
        connection.exec_driver_sql("RESET search_path")
        assert connection.exec_driver_sql(query).scalar() == "evil"


def test_a_role_s_own_settings_change_nothing(house: House) -> None:
    engine = house.engine(SENDER)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER ROLE CURRENT_USER SET search_path = evil")
            connection.exec_driver_sql("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        with pytest.raises(StoreRefused, match="synchronous_commit"), house.process(SENDER):
            pass
        with house.engine(SENDER).connect() as connection:
            assert connection.exec_driver_sql("SHOW search_path").scalar() == "public, pg_temp"
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER ROLE CURRENT_USER RESET ALL")


def owners_seen(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = select(wrapped_keys.c.owner).order_by(wrapped_keys.c.owner)
        return [row.owner for row in connection.execute(query)]


def ids_seen(engine: Engine, table: Any) -> list[str]:
    with engine.connect() as connection:
        return sorted(row.id for row in connection.execute(select(table.c.id)))


def test_the_sender_opens_the_cases_with_a_reply_on_its_way_and_nothing_else(house: House) -> None:
    sender, case_id = house.engine(SENDER), house.waiting.outgoing.case_id
    assert len(owners_seen(house.engine(WEB))) > 4
    assert owners_seen(sender) == [of_case(case_id)]
    assert ids_seen(sender, tables.cases) == [case_id]
    assert ids_seen(sender, tables.replies) == [house.waiting.id]
    assert ids_seen(sender, tables.approvals) == [house.waiting.approval.id]
    assert ids_seen(sender, tables.contacts) == ["contact-1"]
    assert ids_seen(sender, tables.proof_keys) == [house.waiting.approval.key_id]
    with house.process(SENDER) as store:
        assert store.replies.claim(house.waiting.id, clinic=CLINIC, by="sender")
        store.departures.keep(house.waiting, b"the letter", by="sender")
        assert owners_seen(sender) == [of_case(case_id)]
        store.replies.settle(house.waiting.id, ReplyState.UNCERTAIN, clinic=CLINIC, by="sender")
    for table in (tables.cases, tables.replies, tables.approvals, tables.contacts):
        assert ids_seen(sender, table) == []
    assert owners_seen(sender) == ids_seen(sender, tables.proof_keys) == []
    with house.process(SENDER) as store, store.transactions.read() as work:
        rows = house.engine("owner")
        with rows.connect() as connection:
            words = connection.execute(select(tables.replies.c.id, tables.replies.c.body)).all()
        for row in words:
            with pytest.raises(WrongKey):
                work.vault.text(row.body, row.id)
    with house.store.transactions.read() as work:
        assert all(work.vault.text(row.body, row.id) == Protected("It is ready.") for row in words)


def test_the_watch_opens_no_key_and_only_two_processes_make_any(house: House) -> None:
    refused: Sequence[tuple[str, str]] = (
        ("watch", "SELECT owner FROM triage_keys.wrapped_keys"),
        ("sender", "INSERT INTO triage_keys.wrapped_keys (id, owner, master, wrapped, made_at)"
                   " VALUES ('evil', 'case:evil', 'm', NULL, now())"),
        *((part, "UPDATE triage_keys.wrapped_keys SET wrapped = NULL") for part in PARTS),
        *((part, "DELETE FROM triage_keys.wrapped_keys") for part in PARTS),
    )  # fmt: skip
    for part, statement in refused:
        with house.engine(part).connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(statement))


def test_bytes_are_kept_once_for_a_claim_and_only_by_the_sender(house: House) -> None:
    reply = house.waiting
    with house.process(SENDER) as store:
        with pytest.raises(SendPostponed):
            store.departures.keep(reply, b"too early", by="sender")
        assert store.replies.claim(reply.id, clinic=CLINIC, by="sender")
        for part in (WEB, WORKER):
            with house.process(part) as other, pytest.raises(SendPostponed):
                other.departures.keep(reply, b"not mine", by=part)
        store.departures.keep(reply, b"the letter", by="sender")
        with pytest.raises(SendPostponed):
            store.departures.keep(reply, b"another letter", by="sender")
        store.replies.settle(reply.id, ReplyState.SENT, clinic=CLINIC, by="sender")
        with pytest.raises(SendPostponed):
            store.departures.keep(reply, b"too late", by="sender")
