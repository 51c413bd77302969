"""Backups: every row, sealed twice, and the key store in a file of its own; and the way back.

Rule of the room: a backup of the keys is kept for at most seven days, so that what was erased is
gone from there, too; after a restore no reply leaves that may have left before.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, select, text, update

from triage.audit import Verdict
from triage.domain import CaseState, Lane, ReplyState
from triage.errors import AuditBroken, StoreRefused
from triage.store import keystore, tables
from triage.store.engine import connect
from triage.store.erasures import ErasureList
from triage.store.guards import drop_guards, make_guards
from triage.store.keyring import Keyring, of_case
from triage.store.keys import Keys
from triage.store.keystore import KeyStore, connect_keys
from triage.store.rows import digest_of, lines_of, put_back
from triage.store.schema import check_keys, migrate, newest
from triage.store.sealed_file import read_sealed, write_sealed
from triage.store.transaction import Transactions, Work, told, utcnow

#: Both kinds are kept this long; that is also how long an erased key may outlive its erasure.
KEPT = timedelta(days=7)
DATA, KEYS, LIST = "data", "keys", "erasures.list"
_STAMP = "%Y%m%dT%H%M%S%fZ"


def make_backup(
    url: str, keys: Keys, folder: Path, *, clock: Callable[[], datetime] = utcnow
) -> Path:
    """Write one backup below `folder`, drop those older than seven days; return the data's file.

    Run as the owner. The rows are of one moment; the keys are read after them, so that no row
    lacks its key.
    """
    now = clock()
    for kind in (DATA, KEYS):
        (folder / kind).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / DATA / f"{now.strftime(_STAMP)}.sealed"
    for kind, engine in ((DATA, connect(url, keys)), (KEYS, connect_keys(url, keys))):
        order = _tables(kind)
        with told(), engine.connect() as connection:
            _one_moment(connection)
            head = f"{kind} {newest()} {digest_of(connection, order)}".encode()
            lines = _headed(head, lines_of(connection, order))
            write_sealed(folder / kind / path.name, lines, key=keys.file, purpose=kind)
        engine.dispose()
    for kind in (DATA, KEYS):
        for half in (folder / kind).glob(".*.part"):
            half.unlink()
        for old in (folder / kind).glob("*.sealed"):
            if _made_at(old) < now - KEPT:
                old.unlink()
    return path


def restore_backup(
    url: str, keys: Keys, folder: Path, *, lists: Sequence[Path] = ()
) -> tuple[Verdict, int, int]:
    """Put the newest backup into an empty database; return (audit verdict, uncertain, erased).

    Replies that were queued or on the wire become uncertain, in front of a person; whoever was
    signed in is signed out; erasures of any list that the backup does not know are done again.
    Raises StoreRefused when a database is there already or the backup is not whole, AuditBroken.
    """
    path = _newest(folder)
    _refuse_present(url, keys)
    migrate(url, keys)
    owner = connect_keys(url, keys, owner=True)
    _refill(owner, keys, folder / KEYS / path.name, KEYS)
    engine = connect(url, keys, owner=True)
    ring = Keyring(KeyStore(owner), keys)
    doing = Transactions(engine, keys, utcnow, ring)
    listed = ErasureList([*lists, folder / LIST], keys.audit)
    try:
        _refill(engine, keys, path, DATA)
        with doing.write() as work:
            uncertain = _doubt(work)
            work.run(delete(tables.sessions))
        erased = _erase_again(doing, ring.store, listed)
        return _verdict(doing), uncertain, erased
    finally:
        doing.close()


def _tables(kind: str) -> Sequence[Table]:
    """Return every table of the database, or of the key store, in the order of foreign keys."""
    return (tables.metadata if kind == DATA else keystore.metadata).sorted_tables


def _one_moment(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _headed(head: bytes, lines: Any) -> Any:
    yield head
    yield from lines


def _made_at(path: Path) -> datetime:
    return datetime.strptime(f"{path.stem[:-1]}+0000", f"{_STAMP[:-1]}%z")


def _newest(folder: Path) -> Path:
    found = sorted((folder / DATA).glob("*.sealed")) if (folder / DATA).is_dir() else []
    whole = [path for path in found if (folder / KEYS / path.name).exists()]
    if not whole:
        raise StoreRefused(f"there is no backup with its keys in {folder}")
    return whole[-1]


def _refuse_present(url: str, keys: Keys) -> None:
    path = keystore.key_file(url)
    if path is not None:
        data = path.with_name(path.name.removesuffix("-keys"))
        if path.exists() or data.exists():
            raise StoreRefused(f"{data.name} is there already; move it and its keys away first")
        return
    engine = connect(url, keys, owner=True)
    with told(), engine.connect() as connection:
        there = connection.execute(text("SELECT to_regclass('public.audit_head')")).scalar()
    engine.dispose()
    if there is not None:
        raise StoreRefused("this database is not empty; restore into a fresh one")


def _refill(engine: Engine, keys: Keys, path: Path, kind: str) -> None:
    """Replace every row by the backup's, in one transaction; raise StoreRefused if one differs."""
    order = _tables(kind)
    lines = read_sealed(path, key=keys.file, purpose=kind)
    head = next(lines, b"").decode().split()
    if head[:2] != [kind, newest()]:
        raise StoreRefused(f"{path.name} is of another version of triage; restore it with that")
    with told(), engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if kind == DATA:
            drop_guards(connection)
        for table in reversed(order):
            connection.execute(delete(table))
        digest = put_back(connection, order, lines)
        if not digest == head[2] == digest_of(connection, order):
            raise StoreRefused(f"{path.name} was not put back whole")
        if kind == DATA:
            check_keys(connection, keys)
            make_guards(connection)
        connection.commit()


def _doubt(work: Work) -> int:
    """Put every reply that may have left since the backup in front of a person."""
    replies, cases = tables.replies, tables.cases
    underway = replies.c.state.in_([ReplyState.QUEUED.value, ReplyState.SENDING.value])
    rows = work.rows(select(replies).where(underway).order_by(replies.c.id))
    for row in rows:
        why = work.seal(replies, row.id, under=of_case(row.case_id), why="restored", receipt="")
        mine = update(replies).where(replies.c.id == row.id)
        # A legal step at a time, as the guards want it: queued, sending, uncertain.
        work.run(mine.values(state=ReplyState.SENDING.value, claimed_at=work.now))
        doubt = ReplyState.UNCERTAIN.value
        work.run(mine.values(state=doubt, settled_at=work.now, **why))
        front = {"state": CaseState.OPEN.value, "closed_at": None}
        case = update(cases).where(cases.c.id == row.case_id)
        work.run(case.values(**front))
        calm = cases.c.home_lane != Lane.URGENT.value
        work.run(case.where(calm).values(lane=Lane.OUTGOING.value))
        detail = {"reply": row.id, "why": "restored"}
        work.note("reply.uncertain", clinic=row.clinic, by="restore", cases=[row.case_id],
                  detail=detail)  # fmt: skip
        work.moved(row.clinic)
    for clinic in work.rows(select(tables.clinics.c.id)):
        detail = {"uncertain": str(len(rows))}
        work.note("store.restored", clinic=clinic.id, by="restore", detail=detail)
    return len(rows)


def _erase_again(doing: Transactions, apart: KeyStore, listed: ErasureList) -> int:
    """Do every listed erasure the restored database knows nothing of."""
    from triage.store.life import erase_again

    table, count = tables.erasures, 0
    for erasure in listed.read():
        with doing.write() as work:
            query = select(table.c.done_at).where(table.c.id == erasure.id)
            known = work.first(query)
            if known is not None and known.done_at is not None:
                continue
            erase_again(work, erasure)
        apart.destroy(erasure.owners, doing.clock())
        with doing.write() as work:
            done = update(table).where(table.c.id == erasure.id)
            work.run(done.values(done_at=work.now))
            detail = {erasure.kind: erasure.subject}
            work.note("keys.destroyed", clinic=erasure.clinic, by="restore", detail=detail)
        count += 1
    return count


def _verdict(doing: Transactions) -> Verdict:
    from triage.store.audit_log import AuditLog

    verdict = AuditLog(doing).verify()
    if not verdict.holds:
        raise AuditBroken(f"event {verdict.broken_at}")
    return verdict
