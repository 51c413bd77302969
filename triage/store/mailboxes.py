"""Each mailbox compared with the ledger: listed = stored + owed + ignored, message by message.

Rule of the room: "stored" means that the bytes are here, not that a row says so; only a named
person may have a message ignored.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, Table, delete, func, select, update

from triage.domain import Arrival, Balance, Debt, Listing, new_id
from triage.store import tables
from triage.store.transaction import Transactions, Work

OWED, QUARANTINED, IGNORED = "owed", "quarantined", "ignored"
#: After so many cycles without the bytes, a message is called quarantined: look at the server.
_PATIENCE = 3
#: Rows written or deleted in one statement.
_AT_ONCE = 500


class Mailboxes:
    """What the servers list, beside what lies here."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def missing(self, inbox: str, listing: Listing, *, clinic: str) -> frozenset[str]:
        """Return the listed uids whose bytes are not here and that nobody chose to ignore."""
        with self._transactions.read() as work:
            here = {row.uid for row in work.stream(_stored(inbox, listing, clinic))}
            ignored = {row.uid for row in _debts(work, inbox, listing, clinic) if _settled(row)}
        return listing.uids - here - ignored

    def contradicted(self, arrivals: Iterable[Arrival], *, clinic: str) -> bool:
        """Whether one of these lies at a place we know, with bytes that never lay there."""
        with self._transactions.read() as work:
            for arrival in arrivals:
                known = {bytes(row.digest) for row in work.rows(_digests(arrival, clinic))}
                if known and known.isdisjoint(work.vault.blinds("raw", clinic, arrival.digest)):
                    return True
        return False

    def compared(
        self,
        inbox: str,
        listing: Listing,
        *,
        owed: Iterable[str],
        repaired: Iterable[str],
        clinic: str,
    ) -> int:
        """Remember the outcome of one comparison; `repaired` were missing and are stored now.

        Return how many were: also those of an earlier comparison that were landed since, since
        who hears of a message that was missing must not depend on which look brought it back.
        """
        still = set(owed)
        with self._transactions.write() as work:
            work.lock(f"mailbox {clinic} {inbox} {listing.mailbox}")
            gone = _write_debts(work, inbox, listing, clinic, still)
            count = len({*repaired, *(gone & listing.uids)})
            _write_balance(work, inbox, listing, clinic, owed=len(still), repaired=count)
            if count:
                detail = {"inbox": inbox, "count": str(count)}
                work.note("mailbox.repaired", clinic=clinic, by="landing", detail=detail)
        return count

    def balances(self, *, clinic: str, inbox: str | None = None) -> list[Balance]:
        """Return every mailbox as it was last compared, by name."""
        table = tables.mailboxes
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.inbox)
        if inbox is not None:
            query = query.where(table.c.inbox == inbox)
        with self._transactions.read() as work:
            return [_balance(row) for row in work.rows(query.order_by(table.c.mailbox))]

    def debts(self, *, clinic: str, inbox: str | None = None) -> list[Debt]:
        """Return what servers list and do not hand over, ignored ones included, oldest first."""
        table = tables.uncollected
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.since, table.c.uid)
        if inbox is not None:
            query = query.where(table.c.inbox == inbox)
        with self._transactions.read() as work:
            return [_debt(row) for row in work.rows(query)]

    def owed(self, *, clinic: str) -> int:
        """Return how many messages lie on a server and neither here nor on the list to ignore."""
        table = tables.uncollected
        query = select(func.count()).where(table.c.clinic == clinic, table.c.fate != IGNORED)
        with self._transactions.read() as work:
            return work.number(query)

    def owing(self, *, before: datetime, clinic: str) -> frozenset[str]:
        """Return the inboxes that have owed a message since `before`; what is ignored is not."""
        table = tables.uncollected
        mine = (table.c.clinic == clinic, table.c.fate != IGNORED, table.c.since < before)
        with self._transactions.read() as work:
            rows = work.rows(select(table.c.inbox).where(*mine).distinct())
        return frozenset(row.inbox for row in rows)

    def repaired(self, *, since: datetime, clinic: str) -> bool:
        """Whether messages were found missing here after `since`; all are fetched again."""
        table = tables.mailboxes
        query = select(func.count()).where(table.c.clinic == clinic, table.c.repaired_at >= since)
        with self._transactions.read() as work:
            return work.number(query) > 0

    def ignore(self, inbox: str, mailbox: str, uid: str, *, clinic: str, by: str) -> None:
        """Let a message that is owed be missing from now on, as `by` decided; raise NotFound."""
        table = tables.uncollected
        here = (*_place(table, clinic, inbox, mailbox), table.c.uid == uid)
        with self._transactions.write() as work:
            row = work.one(select(table).where(*here), f"owed message {mailbox} {uid}")
            work.run(update(table).where(table.c.id == row.id).values(fate=IGNORED, by=by))
            detail = {"inbox": inbox, "mailbox": mailbox, "uid": uid}
            work.note("mailbox.ignored", clinic=clinic, by=by, detail=detail)


def _place(table: Table, clinic: str, inbox: str, mailbox: str) -> tuple[ColumnElement[bool], ...]:
    return (table.c.clinic == clinic, table.c.inbox == inbox, table.c.mailbox == mailbox)


def _stored(inbox: str, listing: Listing, clinic: str) -> "Select[tuple[str]]":
    ledger, raws = tables.ledger, tables.raw_messages
    # Joined, because a ledger row whose message is gone promises what nobody can read.
    return (
        select(ledger.c.uid)
        .join(raws, raws.c.id == ledger.c.raw_id)
        .where(*_place(ledger, clinic, inbox, listing.mailbox), ledger.c.epoch == listing.epoch)
    )


def _digests(arrival: Arrival, clinic: str) -> "Select[tuple[bytes]]":
    at, ledger = arrival.position, tables.ledger
    here = (*_place(ledger, clinic, at.inbox, at.mailbox), ledger.c.epoch == at.epoch)
    return select(ledger.c.digest).where(*here, ledger.c.uid == at.uid)


def _debts(work: Work, inbox: str, listing: Listing, clinic: str) -> list[Row[tuple[str, str]]]:
    table = tables.uncollected
    here = (*_place(table, clinic, inbox, listing.mailbox), table.c.epoch == listing.epoch)
    return work.rows(select(table.c.uid, table.c.fate).where(*here))


def _settled(row: Row[tuple[str, str]]) -> bool:
    return bool(row.fate == IGNORED)


def _write_debts(
    work: Work, inbox: str, listing: Listing, clinic: str, owed: set[str]
) -> frozenset[str]:
    """Write what is owed now, and return what was and is no more: stored here, or not listed."""
    table = tables.uncollected
    place = _place(table, clinic, inbox, listing.mailbox)
    # What an earlier epoch owed is listed anew in this one, or is gone.
    work.run(delete(table).where(*place, table.c.epoch != listing.epoch))
    known = {row.uid: row.fate for row in _debts(work, inbox, listing, clinic)}
    gone = [uid for uid, fate in known.items() if fate != IGNORED and uid not in owed]
    if not listing.whole:
        gone = [uid for uid in gone if uid in listing.uids]
    for some in _slices(gone):
        work.run(delete(table).where(*place, table.c.uid.in_(some)))
    if known:
        tried = table.c.tries + 1
        mine = update(table).where(*place, table.c.fate != IGNORED)
        work.run(mine.values(tries=tried))
        work.run(mine.where(table.c.tries >= _PATIENCE).values(fate=QUARANTINED))
    where = {"clinic": clinic, "inbox": inbox, "mailbox": listing.mailbox, "epoch": listing.epoch}
    for uid in sorted(owed - known.keys()):
        fresh = {"fate": OWED, "tries": 1, "since": work.now}
        work.add(table, id=new_id(), uid=uid, **where, **fresh)
    return frozenset(gone)


def _write_balance(
    work: Work, inbox: str, listing: Listing, clinic: str, *, owed: int, repaired: int
) -> None:
    table = tables.mailboxes
    counts = {"epoch": listing.epoch, "listed": len(listing.uids), "owed": owed}
    values = {**counts, "compared_at": work.now}
    if repaired:
        values["repaired_at"] = work.now
    known = update(table).where(*_place(table, clinic, inbox, listing.mailbox))
    if not work.run(known.values(repaired=table.c.repaired + repaired, **values)):
        place = {"clinic": clinic, "inbox": inbox, "mailbox": listing.mailbox}
        work.add(table, id=new_id(), repaired=repaired, **place, **values)


def _slices(uids: list[str]) -> list[list[str]]:
    return [uids[start : start + _AT_ONCE] for start in range(0, len(uids), _AT_ONCE)]


def _balance(row: Row[tuple[object, ...]]) -> Balance:
    return Balance(
        row.inbox,
        row.mailbox,
        row.epoch,
        row.listed,
        row.owed,
        row.compared_at,
        row.repaired,
        row.repaired_at,
    )


def _debt(row: Row[tuple[object, ...]]) -> Debt:
    return Debt(
        row.inbox, row.mailbox, row.epoch, row.uid, row.fate, row.tries, row.since, row.by or ""
    )
