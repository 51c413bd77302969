"""Reads the audit's chains as they lie in the database, believing nothing, and verifies them.

Rule of the room: only raw columns are read, in pages, so that a row that makes no sense is found
where it stands; guards and schema are not asked, because whoever tampers takes them away first.
"""

import hmac
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.exc import DBAPIError

from triage.audit import ANCHORED, RESTORED, Check, Claims, Verdict, said
from triage.domain import Anchor, Head
from triage.errors import WrongKey
from triage.store import tables
from triage.store.current import key_mark
from triage.store.engine import connect
from triage.store.keys import Keys
from triage.store.rawrows import cases_of, event_of, raw_columns, words_of
from triage.store.trail import heads_of
from triage.store.transaction import Transactions, Work, utcnow

#: Returns the lines of the anchor file as they are now.
Anchors = Callable[[], Sequence[Anchor]]
#: Is told how many events were checked, and how many there are.
Progress = Callable[[int, int], None]
_PAGE = 2000
_UNREADABLE = "this row cannot be read"


def verify_database(
    url: str,
    keys: Keys,
    *,
    anchors: Anchors | None = None,
    heads: Collection[Head] = (),
    progress: Progress | None = None,
) -> Verdict:
    """Verify the chains of a database with nothing but its address and its keys.

    Raises WrongKey or StoreRefused where it cannot be read at all; never for a broken chain.
    """
    engine = connect(url, keys)
    try:
        transactions = Transactions(engine, keys, utcnow)
        with transactions.read() as work:
            _require_key(work, keys)
        with transactions.snapshot() as work:
            return verify_chains(
                work, keys.named("audit"), anchors=anchors, heads=heads, progress=progress
            )
    finally:
        engine.dispose()


def verify_chains(
    work: Work,
    key: bytes | Sequence[bytes],
    *,
    anchors: Anchors | None = None,
    heads: Collection[Head] = (),
    progress: Progress | None = None,
) -> Verdict:
    """Check every link against the heads inside, the index of cases and the anchors outside.

    `work` sees one moment of the database and must have read nothing before the anchors are read;
    `heads` are one more anchor, from paper for example.
    """
    lines = list(anchors()) if anchors else []
    if heads:
        lines.append(Anchor(tuple(heads), at=utcnow()))
    reading = Reading(work, Check(key, lines))
    if broken := reading.broken(progress):
        return broken
    verdict = reading.check.close(reading.heads, reading.claims.remembered)
    if not verdict.holds:
        return verdict
    if place := reading.strayed():
        why = "the index of cases does not say what this event says"
        return replace(verdict, broken_at=place.number, chain=place.chain, why=why)
    # Read anew: a line may have been written since, and its event stands in this moment already.
    if anchors and (lost := reading.claims.lost(anchors())):
        why = "the line it anchored is gone from the file"
        return replace(verdict, broken_at=lost.number, chain=lost.chain, why=why)
    return verdict


class Reading:
    """One walk over all rows in the order of `seq`, with what the index of cases says of each."""

    def __init__(self, work: Work, check: Check) -> None:
        self._work = work
        self._columns = raw_columns(work.connection)
        self._matched = 0
        self._strayed: Head | None = None
        self.check, self.claims = check, Claims()
        self.heads = heads_of(work.connection)

    def broken(self, progress: Progress | None) -> Verdict | None:
        """Follow every chain; return the verdict at the first row that does not hold."""
        done, whole = 0, sum(head.number for head in self.heads)
        try:
            for page in self._pages():
                for row in page:
                    if why := self._trouble(row):
                        return self.check.verdict(why, _chain(row))
                self._compare_index(page)
                done += len(page)
                if progress:
                    progress(done, whole)
        except DBAPIError:
            # One row cannot even be fetched; those before it held.
            return self.check.verdict(_UNREADABLE)
        return None

    def strayed(self) -> Head | None:
        """Return, once all was read, the place of the first event that the index belies."""
        named, audit = tables.audit_cases, tables.audit
        if self._strayed is None:
            if self._work.number(select(func.count()).select_from(named)) == self._matched:
                return None
            without = select(func.min(named.c.seq)).where(named.c.seq.not_in(select(audit.c.seq)))
            return Head("", self._work.number(without) or 1, "")
        return self._strayed

    def _trouble(self, row: Any) -> str:
        seq, _, _, _, action, _, _, previous, digest, chain, number = row
        links = (previous, digest)
        try:
            words = words_of(row)
            why = self.check.follow(chain, number, seq, words, links) if words else "not tried"
            if why or action in (ANCHORED, RESTORED):
                event = event_of(row)
                if why:
                    # The quick form of what it says may be at fault; this one never is.
                    why = self.check.follow(chain, number, seq, said(event), links)
                if not why:
                    self.claims.see(event)
        except (ValueError, TypeError, LookupError, AttributeError):
            return _UNREADABLE
        return why

    def _pages(self) -> Iterator[list[Row[Any]]]:
        seq = tables.audit.c.seq
        last: int | None = None
        while True:
            query: Select[Any] = select(*self._columns).order_by(seq)
            page = self._page(query if last is None else query.where(seq > last))
            if not page:
                return
            yield page
            last = page[-1][0]

    def _page(self, query: Select[Any]) -> list[Row[Any]]:
        try:
            return self._work.rows(query.limit(_PAGE))
        except DBAPIError:
            # One row of the page cannot be fetched; those before it still can, one by one.
            return self._work.rows(query.limit(1))

    def _compare_index(self, page: Sequence[Any]) -> None:
        named, (first, last) = tables.audit_cases, (page[0][0], page[-1][0])
        query = select(named.c.seq, named.c.case_id).where(named.c.seq.between(first, last))
        found: list[Any] = sorted(tuple(row) for row in self._work.rows(query))
        wanted = sorted((row[0], case) for row in page for case in cases_of(row))
        self._matched += len(found)
        if found != wanted and self._strayed is None:
            seq = min(set(found) ^ set(wanted))[0]
            here = (Head(row[9], row[10], row[8]) for row in page if row[0] == seq)
            self._strayed = next(here, Head("", seq, ""))


def _chain(row: Any) -> str:
    return row[9] if isinstance(row[9], str) else ""


def _require_key(work: Work, keys: Keys) -> None:
    """Raise WrongKey where the audit key is not this database's: all would look forged."""
    checks = tables.key_checks
    row = work.first(select(checks.c.value).where(checks.c.name == "audit"))
    marks = [key_mark(key) for key in keys.named("audit")]
    if row is None or not any(hmac.compare_digest(bytes(row.value), mark) for mark in marks):
        raise WrongKey("the audit key")
