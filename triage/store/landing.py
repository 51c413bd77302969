"""Raw messages are landed here: committed and synced before anybody reads them.

Rule of the room: in doubt a message is landed once more; it is never dropped.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, func, or_, select, update

from triage.domain import Arrival, Channel, Cursor, Position, RawMessage, new_id
from triage.errors import NotFound
from triage.store import tables
from triage.store.canaries import take_out
from triage.store.keyring import of_raw
from triage.store.landing_rows import LANDED, RELISTED, land_all, write_ledger, write_raw
from triage.store.planning import unindexed
from triage.store.transaction import Transactions, Work

#: Up to so many tries a message keeps its place: a worker that died took all of its batch along.
FEW_TRIES = 2
#: Nothing lands so long after a moment that lies behind us, unless the clock was set back.
AHEAD = timedelta(minutes=5)


class Landing:
    """The ledger of every message any server ever listed."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        #: When the last message landed; a clock that stands still must not mix their order up.
        self._last = datetime.min.replace(tzinfo=UTC)

    def land(
        self, arrivals: Sequence[Arrival], *, clinic: str, by: str = "landing"
    ) -> tuple[str, ...]:
        """Store arrivals the ledger does not know; return the ids of the newly landed ones.

        A known place with known bytes is nothing new; with other bytes it is a new message. A
        new epoch lists old messages anew: those get a ledger row and are not doubled.
        """
        with self._transactions.write() as work:
            work.lock(f"landing {clinic}")
            first = work.now
            if first <= self._last < first + timedelta(seconds=1):
                first = self._last + timedelta(microseconds=1)
            ids = land_all(work, arrivals, clinic, first=first, slowly=_land)
            self._last = first + timedelta(microseconds=len(arrivals))
            landed = tuple(raw_id for raw_id in ids if raw_id is not None)
            if landed:
                detail = {"count": str(len(landed)), "inbox": arrivals[0].position.inbox}
                work.note("message.landed", clinic=clinic, by=by, detail=detail)
        return landed

    def cursors(self, inbox: str, *, clinic: str) -> dict[str, Cursor]:
        """Return mailbox -> how far it has been landed."""
        table = tables.cursors
        query = select(table).where(table.c.clinic == clinic, table.c.inbox == inbox)
        with self._transactions.read() as work:
            rows = work.rows(query)
        return {row.mailbox: Cursor(row.mailbox, row.epoch, row.uid) for row in rows}

    def move_cursor(self, inbox: str, cursor: Cursor, *, clinic: str) -> None:
        """Remember how far a mailbox has been landed; call it after `land`, never before."""
        table = tables.cursors
        place = {"clinic": clinic, "inbox": inbox, "mailbox": cursor.mailbox}
        with self._transactions.write() as work:
            work.lock(f"landing {clinic}")
            values = {"epoch": cursor.epoch, "uid": cursor.uid, "moved_at": work.now}
            known = update(table).where(*(table.c[name] == place[name] for name in place))
            if not work.run(known.values(**values)):
                work.add(table, id=new_id(), **place, **values)

    def waiting(
        self, *, limit: int, clinic: str | None = None, below: int | None = None
    ) -> list[tuple[str, str]]:
        """Return (clinic, raw id) of messages landed and not yet filed.

        The least tried come first, then the oldest: what fails again and again holds up nothing.
        A few tries do not count, so that what a dead worker had begun is filed before its answers.
        With `below` only those tried less often than that, and there every try counts: what may
        have killed a worker must not be looked at before those nobody has looked at.
        """
        raws = tables.raw_messages
        few = 0 if below is not None else FEW_TRIES
        tries = case((raws.c.attempts <= few, 0), else_=raws.c.attempts)
        query = (
            select(raws.c.clinic, raws.c.id)
            .where(raws.c.filed_at.is_(None))
            .order_by(tries, raws.c.received_at, raws.c.id)
            .limit(limit)
        )
        if clinic is not None:
            query = query.where(unindexed(raws.c.clinic) == clinic)
        if below is not None:
            query = query.where(raws.c.attempts < below)
        with self._transactions.read() as work:
            return [(str(row.clinic), str(row.id)) for row in work.rows(query)]

    def attempts(self, raw_ids: Sequence[str], *, clinic: str) -> dict[str, int]:
        """Return how often reading each message was begun."""
        raws = tables.raw_messages
        query = select(raws.c.id, raws.c.attempts).where(
            raws.c.clinic == clinic, raws.c.id.in_(raw_ids)
        )
        with self._transactions.read() as work:
            return {str(row.id): int(row.attempts) for row in work.rows(query)}

    def late(self, *, before: datetime, clinic: str) -> int:
        """Return how many messages landed before `before` and are still in no queue."""
        raws = tables.raw_messages
        query = select(func.count()).where(
            # Only what waits is looked through, by its own index, and not all that ever landed.
            unindexed(raws.c.clinic) == clinic,
            raws.c.filed_at.is_(None),
            # One from the future waited since before the clock was set back.
            or_(raws.c.received_at < before, raws.c.received_at > before + AHEAD),
        )
        with self._transactions.read() as work:
            return work.number(query)

    def raw(self, raw_id: str, *, clinic: str, by: str) -> RawMessage:
        """Return a landed message with its bytes; raise NotFound."""
        (found,) = self.raws([raw_id], clinic=clinic, by=by)
        return found

    def raws(self, raw_ids: Sequence[str], *, clinic: str, by: str) -> list[RawMessage]:
        """Return landed messages with their bytes, in this order; raise NotFound."""
        with self._transactions.write() as work:
            return _open_all(work, raw_ids, clinic, by)

    def glance(self, raw_ids: Sequence[str], *, clinic: str, by: str) -> list[RawMessage]:
        """Return landed messages with their bytes, for a first look that counts as a try."""
        with self._transactions.write() as work:
            _count_tries(work, raw_ids, clinic)
            return _open_all(work, raw_ids, clinic, by)

    def attempt(self, raw_ids: Sequence[str], *, clinic: str) -> dict[str, int]:
        """Count one more try at reading each message; return how many of each there were.

        Raises NotFound, and then counts none.
        """
        with self._transactions.write() as work:
            return _count_tries(work, raw_ids, clinic)

    def ledger_counts(self, inbox: str, *, clinic: str) -> dict[str, int]:
        """Return fate -> number of ledger rows of one inbox."""
        ledger = tables.ledger
        query = (
            select(ledger.c.fate, func.count().label("rows"))
            .where(ledger.c.clinic == clinic, ledger.c.inbox == inbox)
            .group_by(ledger.c.fate)
        )
        with self._transactions.read() as work:
            return {str(row.fate): int(row.rows) for row in work.rows(query)}


def _count_tries(work: Work, raw_ids: Sequence[str], clinic: str) -> dict[str, int]:
    raws = tables.raw_messages
    here = (raws.c.clinic == clinic, raws.c.id.in_(raw_ids))
    work.run(update(raws).where(*here).values(attempts=raws.c.attempts + 1))
    rows = work.rows(select(raws.c.id, raws.c.attempts).where(*here))
    tries = {str(row.id): int(row.attempts) for row in rows}
    for raw_id in raw_ids:
        if raw_id not in tries:
            raise NotFound(f"raw {raw_id}")
    return tries


def _open_all(work: Work, raw_ids: Sequence[str], clinic: str, by: str) -> list[RawMessage]:
    for raw_id in raw_ids:
        work.note("raw.read", clinic=clinic, by=by, detail={"raw": raw_id})
    work.open_keys([of_raw(raw_id) for raw_id in raw_ids])
    return [open_raw(work, raw_id, clinic) for raw_id in raw_ids]


def open_raw(work: Work, raw_id: str, clinic: str) -> RawMessage:
    """Return a landed message inside an open transaction; raise NotFound."""
    raws = tables.raw_messages
    query = select(raws).where(raws.c.clinic == clinic, raws.c.id == raw_id)
    row = work.one(query, f"raw {raw_id}")
    return RawMessage(
        id=row.id,
        clinic=row.clinic,
        position=Position(row.inbox, row.mailbox, row.epoch, row.uid),
        channel=Channel(row.channel),
        media_type=row.media_type,
        received_at=row.received_at,
        content=work.vault.open(row.content, row.id),
    )


def _land(work: Work, arrival: Arrival, clinic: str, *, at: datetime) -> str | None:
    place, ledger = arrival.position, tables.ledger
    digest, *older = work.vault.blinds("raw", clinic, arrival.digest)
    same_bytes = select(ledger.c.epoch, ledger.c.uid, ledger.c.raw_id, ledger.c.fate).where(
        ledger.c.clinic == clinic,
        ledger.c.inbox == place.inbox,
        ledger.c.mailbox == place.mailbox,
        ledger.c.digest.in_([digest, *older]),
    )
    twins = work.rows(same_bytes.order_by(ledger.c.at, ledger.c.id))
    known = next((row for row in twins if (row.epoch, row.uid) == (place.epoch, place.uid)), None)
    if known is not None:
        return _restored(work, arrival, clinic, digest, known.raw_id, at=at)
    orphan = _without_ledger(work, arrival, clinic, digest)
    if orphan is not None:
        write_ledger(work, arrival, clinic=clinic, digest=digest, raw_id=orphan, fate=LANDED)
        return None
    here = {row.raw_id for row in twins if row.epoch == place.epoch}
    old = next((r.raw_id for r in twins if r.epoch != place.epoch and r.raw_id not in here), None)
    if old is not None and not _place_known(work, arrival, clinic):
        write_ledger(work, arrival, clinic=clinic, digest=digest, raw_id=old, fate=RELISTED)
        return _restored(work, arrival, clinic, digest, old, at=at)
    raw_id = write_raw(work, arrival, clinic, digest, new_id(), at=at)
    write_ledger(work, arrival, clinic=clinic, digest=digest, raw_id=raw_id, fate=LANDED)
    # A test mail of our own is remembered like any other and goes into no queue.
    return None if take_out(work, arrival, raw_id, clinic) else raw_id


def _restored(
    work: Work, arrival: Arrival, clinic: str, digest: bytes, raw_id: str, *, at: datetime
) -> str | None:
    """Return None when the message is there; else write it anew, as its ledger row promises."""
    raws = tables.raw_messages
    if work.first(select(raws.c.id).where(raws.c.id == raw_id)) is not None:
        return None
    return write_raw(work, arrival, clinic, digest, raw_id, at=at)


def _without_ledger(work: Work, arrival: Arrival, clinic: str, digest: bytes) -> str | None:
    """Return the message of this very place and these bytes whose own ledger row is gone."""
    place, raws, ledger = arrival.position, tables.raw_messages, tables.ledger
    query = select(raws.c.id).where(
        raws.c.clinic == clinic,
        raws.c.inbox == place.inbox,
        raws.c.mailbox == place.mailbox,
        raws.c.epoch == place.epoch,
        raws.c.uid == place.uid,
        raws.c.digest == digest,
        ~select(ledger.c.id)
        .where(
            ledger.c.raw_id == raws.c.id, ledger.c.epoch == place.epoch, ledger.c.uid == place.uid
        )
        .exists(),
    )
    row = work.first(query)
    return None if row is None else str(row.id)


def _place_known(work: Work, arrival: Arrival, clinic: str) -> bool:
    """Whether this very uid was listed before; other bytes under it then mean a new message."""
    place, ledger = arrival.position, tables.ledger
    query = select(ledger.c.id).where(
        ledger.c.clinic == clinic,
        ledger.c.inbox == place.inbox,
        ledger.c.mailbox == place.mailbox,
        ledger.c.epoch == place.epoch,
        ledger.c.uid == place.uid,
    )
    return work.first(query) is not None
