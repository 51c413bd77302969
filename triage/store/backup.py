"""Backups: every row, sealed twice, and the key store in a file of its own; and the way back.

Rule of the room: after a restore no reply leaves that may have left before, nobody is signed in,
what was erased stays erased, and the chain itself says what was lost. Until all of that is done
nobody else opens what a restore has put back.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, select, update

from triage.audit import NO_ANCHOR, RESTORED, AnchorFile, Verdict, beyond, mark, newest_heads
from triage.domain import Anchor, CaseState, Head, Lane, ReplyState, new_id
from triage.errors import AuditBroken, Erased, StoreRefused
from triage.store import keystore, tables
from triage.store.audit_log import AuditLog
from triage.store.backup_folder import DATA, KEPT_DATA, KEYS, BackupFolder, made_at
from triage.store.current import key_mark, stored_mark
from triage.store.due import act_again
from triage.store.engine import connect
from triage.store.erasures import Erasure, ErasureList
from triage.store.guards import drop_guards, make_guards
from triage.store.keyring import Keyring, of_case
from triage.store.keys import Keys
from triage.store.keystore import KeyStore, connect_keys
from triage.store.reindex import reindex
from triage.store.restore_place import begin_run
from triage.store.restoring import (
    begin_restore,
    end_restore,
    hold_restore,
    refuse_half_restored,
)
from triage.store.rows import digest_of, lines_of, put_back
from triage.store.schema import adopt_keys, newest
from triage.store.sealed_file import read_sealed, write_sealed
from triage.store.searches import Searches
from triage.store.trail import go_on, heads_of, renew_chains
from triage.store.transaction import Transactions, Work, told, utcnow


class Restored(NamedTuple):
    """What a restore found, did and could not bring back."""

    verdict: Verdict
    #: Replies that may have left already, and erasures that were done again.
    uncertain: int
    erased: int
    #: The moment that people, roles and authenticators, like all rows, are of.
    made_at: datetime
    #: Erasure lists that were there, of all that were looked for.
    lists: tuple[int, int]
    #: The newest line of the anchor file, how many events up to it are lost, and where that file
    #: is kept when some are.
    anchor: Anchor | None
    lost: int
    aside: Path | None


def make_backup(
    url: str,
    keys: Keys,
    folder: Path,
    *,
    lists: Sequence[Path] = (),
    kept: timedelta = KEPT_DATA,
    clock: Callable[[], datetime] = utcnow,
) -> Path:
    """Write one backup below `folder`, drop what is too old; return the file of the rows.

    Run as the owner. What the erasure `lists` hold is there before the rows; the rows are of one
    moment; the keys are read after them, so that no row lacks its key. Raises StoreLocked while
    another process makes one, and HalfRestored: what a restore left would be the newest backup.
    """
    now, place = clock(), BackupFolder(folder)
    place.make()
    with place.alone():
        # Room is made first, but the newest goes only once there is a newer one.
        place.prune(now, kept=kept, spare=True)
        now = place.begin(now)
        _keep_list(keys, place.list, lists)
        for kind, engine in ((DATA, connect(url, keys)), (KEYS, connect_keys(url, keys))):
            order = _tables(kind)
            with told(), engine.connect() as connection:
                _one_moment(connection)
                if kind == DATA:
                    refuse_half_restored(connection)
                head = f"{kind} {newest()} {digest_of(connection, order)}".encode()
                lines = _headed(head, lines_of(connection, order))
                write_sealed(place.file(kind, now), lines, key=keys.file, purpose=kind)
            engine.dispose()
        place.prune(now, kept=kept)
    return place.file(DATA, now)


def restore_backup(
    url: str,
    keys: Keys,
    folder: Path,
    *,
    lists: Sequence[Path] = (),
    anchors: AnchorFile | None = None,
    made: str = "",
) -> Restored:
    """Put the newest backup into an empty database, or over a restore that was cut off.

    Return what was found and what is lost.

    `made` begins the name of an older one; its keys are the newest there are all the same.

    Replies that were queued or on the wire become uncertain, in front of a person; whoever was
    signed in is signed out and every browser is a stranger's; erasures of any list that the backup
    does not know are done again. The chain is compared with the `anchors` it can have, and goes on
    with these. Until the end nobody else opens the store: open_store raises HalfRestored. Raises
    StoreRefused when a database is there already or the backup is not whole, AuditBroken,
    AnchorRefused.
    """
    place = BackupFolder(folder)
    path, beside = place.pair(made)
    run = begin_run(url, keys)
    owner = connect_keys(url, keys, owner=True)
    ring = Keyring(KeyStore(owner), keys)
    doing = Transactions(connect(url, keys, owner=True), keys, utcnow, ring)
    places = list(dict.fromkeys([*lists, place.list]))
    lines = anchors.read() if anchors else ()
    try:
        _refill_keys(owner, keys, beside)
        with doing.write() as work:
            found, heads = _bring_back(work, keys, path, run=run, places=places, lines=lines)
        _index(doing, keys)
        erased = _erase_again(doing, ring.store, ErasureList(places, keys.named("audit")))
        kept = [line for line in lines if not beyond(line.heads, heads)]
        verdict = _verdict(doing, kept if lines else None)
        aside = anchors.cut(heads, utcnow()) if anchors and found.lost else None
        with doing.write() as work:
            end_restore(work.connection, run)
        return found._replace(verdict=verdict, erased=erased, aside=aside)
    finally:
        doing.close()


def _bring_back(
    work: Work,
    keys: Keys,
    path: Path,
    *,
    run: bytes,
    places: Sequence[Path],
    lines: Sequence[Anchor],
) -> tuple[Restored, tuple[Head, ...]]:
    """Put the rows back and make them harmless in one transaction; return where the chains ended.

    Apart from each other, replies that have left would be queued again and old sessions hold.
    """
    hold_restore(work.connection, run)
    _refill(work.connection, keys, path, DATA)
    begin_restore(work.connection, run)
    # Before anything of today is written: these are the ends the backup brought.
    heads = heads_of(work.connection)
    found = Restored(
        verdict=Verdict(0),
        uncertain=_doubt(work),
        erased=0,
        made_at=made_at(path),
        lists=(sum(each.exists() for each in places), len(places)),
        anchor=lines[-1] if lines else None,
        lost=beyond(newest_heads(lines), heads),
        aside=None,
    )
    for table in (tables.sessions, tables.known_browsers, tables.log_in_tries):
        work.run(delete(table))
    _note(work, found)
    if len(keys.named("audit")) > 1:
        # The backup may be from before the newest key, under which every chain must end.
        renew_chains(work.connection, key=keys.audit, by="restore", at=work.now)
    return found, heads


def _index(doing: Transactions, keys: Keys) -> None:
    """Make the indexes of a backup anew that is from before today's index key."""
    if not _indexed(doing, keys):
        reindex(doing, keys, by="restore")
        Searches(doing).catch_up(by="restore")


def _keep_list(keys: Keys, path: Path, lists: Sequence[Path]) -> None:
    """Add what `lists` know to the list beside the backups; return when the disk has it."""
    # There also where nobody was erased: a restore says which lists it found.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    kept = ErasureList([path], keys.named("audit"))
    known = {erasure.id for erasure in kept.read()}
    for erasure in ErasureList(lists, keys.named("audit")).read():
        if erasure.id not in known:
            kept.add(erasure)
    place = os.open(path.parent, os.O_RDONLY)
    os.fsync(place)
    os.close(place)


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


def _refill_keys(engine: Engine, keys: Keys, path: Path) -> None:
    with told(), engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        _refill(connection, keys, path, KEYS)
        connection.commit()


def _refill(connection: Connection, keys: Keys, path: Path, kind: str) -> None:
    """Replace every row by the backup's, in one transaction; raise StoreRefused if one differs."""
    order = _tables(kind)
    lines = read_sealed(path, key=keys.named("file"), purpose=kind)
    head = next(lines, b"").decode().split()
    if head[:2] != [kind, newest()]:
        raise StoreRefused(f"{path.name} is of another version of triage; restore it with that")
    if kind == DATA:
        drop_guards(connection)
    for table in reversed(order):
        connection.execute(delete(table))
    digest = put_back(connection, order, lines)
    if not digest == head[2] == digest_of(connection, order):
        raise StoreRefused(f"{path.name} was not put back whole")
    if kind == DATA:
        adopt_keys(connection, keys)
        go_on(connection)
        make_guards(connection)


def _indexed(doing: Transactions, keys: Keys) -> bool:
    """Whether the restored indexes are under the newest key; older backups' may not be."""
    with doing.read() as work:
        return compare_digest(stored_mark(work.connection, "index"), key_mark(keys.index))


def _doubt(work: Work) -> int:
    """Put every reply that may have left since the backup in front of a person."""
    replies, cases = tables.replies, tables.cases
    underway = replies.c.state.in_([ReplyState.QUEUED.value, ReplyState.SENDING.value])
    rows = work.rows(select(replies).where(underway).order_by(replies.c.id))
    for row in rows:
        try:
            why = work.seal(replies, row.id, under=of_case(row.case_id), why="restored", receipt="")
        except Erased:
            # Erased since: the newer keys know it already, and the case is closed below.
            why = {}
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
        act_again(work, row.case_id)
        detail = {"reply": row.id, "why": "restored"}
        work.note("reply.uncertain", clinic=row.clinic, by="restore", cases=[row.case_id],
                  detail=detail)  # fmt: skip
        work.moved(row.clinic)
    return len(rows)


def _note(work: Work, found: Restored) -> None:
    """Let the chain say, to every clinic, what was put back and what was not."""
    line = found.anchor
    detail = {
        "uncertain": str(found.uncertain),
        "as_of": found.made_at.isoformat(),
        "look_over": "people, roles, authenticators",
        "erasure_lists": "{} of {}".format(*found.lists) if found.lists[0] else "none",
        "anchor": mark(line) if line else NO_ANCHOR,
        "lost_events": str(found.lost) if line else "unknown",
    }
    for clinic in work.rows(select(tables.clinics.c.id)):
        work.note(RESTORED, clinic=clinic.id, by="restore", detail=detail)


def _erase_again(doing: Transactions, apart: KeyStore, listed: ErasureList) -> int:
    """Do every erasure the restored database knows nothing of, as lists and key store tell it."""
    from triage.store.life import erase_again

    table, count = tables.erasures, 0
    for erasure in (*listed.read(), *_destroyed(doing, apart, listed)):
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


def _destroyed(doing: Transactions, apart: KeyStore, listed: ErasureList) -> Iterator[Erasure]:
    """Yield what keys newer than the rows say was erased, and no list does."""
    known = {owner for erasure in listed.read() for owner in erasure.owners}
    for kind, table in (("case", tables.cases), ("patient", tables.patients)):
        gone = [key.owner for key in apart.of_kind(kind) if key.wrapped is None]
        for owner in sorted({*gone} - known):
            subject = owner.partition(":")[2]
            here = select(table.c.clinic).where(table.c.id == subject, table.c.erased_at.is_(None))
            with doing.read() as work:
                row = work.first(here)
            if row is not None:
                yield Erasure(new_id(), row.clinic, kind, subject, (owner,))


def _verdict(doing: Transactions, lines: Sequence[Anchor] | None) -> Verdict:
    verdict = AuditLog(doing).verify(anchors=None if lines is None else lambda: lines)
    if not verdict.holds:
        raise AuditBroken(verdict.where)
    return verdict
