"""Reads the audit chain as it lies in the database, believing nothing, and verifies it.

Rule of the room: only raw columns are read, in pages, so that a row that makes no sense is found
where it stands; guards and schema are not asked, because whoever tampers takes them away first.
"""

import hmac
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NULLTYPE

from triage.audit import Claims, Verdict, verify
from triage.domain import Anchor, AuditEvent
from triage.errors import WrongKey
from triage.store import tables
from triage.store.current import key_mark
from triage.store.engine import connect
from triage.store.keys import Keys
from triage.store.transaction import Transactions, Work, utcnow

#: Returns the lines of the anchor file as they are now.
Anchors = Callable[[], Sequence[Anchor]]
_PAGE = 1000
_decode = json.JSONDecoder().decode


def verify_database(
    url: str, keys: Keys, *, anchors: Anchors | None = None, head: tuple[int, str] | None = None
) -> Verdict:
    """Verify the chain of a database with nothing but its address and its keys.

    Raises WrongKey or StoreRefused where it cannot be read at all; never for a broken chain.
    """
    engine = connect(url, keys)
    try:
        transactions = Transactions(engine, keys, utcnow)
        with transactions.read() as work:
            _require_key(work, keys)
        with transactions.snapshot() as work:
            return verify_chain(work, keys.named("audit"), anchors=anchors, head=head)
    finally:
        engine.dispose()


def verify_chain(
    work: Work,
    key: bytes | Sequence[bytes],
    *,
    anchors: Anchors | None = None,
    head: tuple[int, str] | None = None,
) -> Verdict:
    """Check every link against the head inside, the index of cases and the anchors outside.

    `work` sees one moment of the database and must have read nothing before the anchors are read;
    `head` is one more anchor, from paper for example.
    """
    lines = list(anchors()) if anchors else []
    if head is not None and head[0]:
        lines.append(Anchor(*head, at=utcnow()))
    claims, chain, inside = Claims(), Chain(work), _head(work)
    verdict = verify(
        chain.events(),
        key=key,
        head=None if inside is None else str(inside.digest),
        anchors=lines,
        seen=claims.see,
    )
    if not verdict.holds:
        return verdict
    if inside is None or inside.seq != verdict.events:
        return replace(verdict, broken_at=verdict.events + 1, why="the head names another end")
    if strayed := chain.strayed():
        why = "the index of cases does not say what this event says"
        return replace(verdict, broken_at=strayed, why=why)
    # Read anew: a line may have been written since, and its event stands in this moment already.
    if anchors and (lost := claims.lost(anchors())):
        return replace(verdict, broken_at=lost, why="the line it anchored is gone from the file")
    return verdict


class Chain:
    """The rows of the chain in order, with what the index of cases says of each."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._strayed: int | None = None
        self._matched = 0

    def events(self) -> Iterator[AuditEvent]:
        """Yield every event; raise ValueError or TypeError at a row that makes no sense."""
        last: int | None = None
        while page := self._page(last):
            index = self._index(page[0].seq, page[-1].seq)
            for row in page:
                event = _event(row)
                named = index.get(event.seq, ())
                self._matched += len(named)
                if set(named) != set(event.cases) and self._strayed is None:
                    self._strayed = event.seq
                yield event
            last = page[-1].seq

    def strayed(self) -> int | None:
        """Return, once all was read, the first event that the index of cases belies."""
        named, audit = tables.audit_cases, tables.audit
        if self._strayed is None:
            if self._work.number(select(func.count()).select_from(named)) == self._matched:
                return None
            without = select(func.min(named.c.seq)).where(named.c.seq.not_in(select(audit.c.seq)))
            return self._work.number(without) or 1
        return self._strayed

    def _page(self, last: int | None) -> list[Row[Any]]:
        columns: list[Any] = [type_coerce(column, NULLTYPE) for column in tables.audit.c]
        query: Select[Any] = select(*columns)
        query = query.order_by(tables.audit.c.seq)
        if last is not None:
            query = query.where(tables.audit.c.seq > last)
        try:
            return self._work.rows(query.limit(_PAGE))
        except DBAPIError:
            # One row of the page cannot even be fetched; those before it still can.
            return self._one(query)

    def _one(self, query: Select[Any]) -> list[Row[Any]]:
        try:
            return self._work.rows(query.limit(1))
        except DBAPIError:
            raise ValueError("a row cannot be fetched") from None

    def _index(self, first: int, last: int) -> dict[int, list[str]]:
        named = tables.audit_cases
        found: dict[int, list[str]] = defaultdict(list)
        query = select(named.c.seq, named.c.case_id).where(named.c.seq.between(first, last))
        rows: list[Any] = list(self._work.rows(query))
        for seq, case_id in rows:
            found[seq].append(case_id)
        return found


def _event(row: Any) -> AuditEvent:
    # By place and not by name: this runs a million times. The order is the table's.
    seq, clinic, at, actor, action, stored_cases, stored_detail, previous, digest = row
    if {str} != {type(clinic), type(actor), type(action), type(previous), type(digest)}:
        raise TypeError("not words")
    cases, detail = _parsed(stored_cases), _parsed(stored_detail)
    if type(cases) is not list or type(detail) is not dict:
        raise TypeError("not a list and a mapping")
    at = _moment(at)
    return AuditEvent(seq, clinic, at, actor, action, tuple(cases), detail, previous, digest)


def _parsed(stored: Any) -> Any:
    """Return JSON as parsed by us or, on PostgreSQL, already by the driver."""
    return _decode(stored) if isinstance(stored, str) else stored


def _moment(stored: Any) -> datetime:
    """Return a moment in UTC; SQLite keeps it as text without a zone."""
    if isinstance(stored, datetime):
        return stored.astimezone(UTC)
    found = datetime.fromisoformat(stored)
    if found.tzinfo is not None:
        raise ValueError("a zone")
    return found.replace(tzinfo=UTC)


def _head(work: Work) -> Row[Any] | None:
    return work.first(select(tables.audit_head).where(tables.audit_head.c.id == 1))


def _require_key(work: Work, keys: Keys) -> None:
    """Raise WrongKey where the audit key is not this database's: all would look forged."""
    checks = tables.key_checks
    row = work.first(select(checks.c.value).where(checks.c.name == "audit"))
    marks = [key_mark(key) for key in keys.named("audit")]
    if row is None or not any(hmac.compare_digest(bytes(row.value), mark) for mark in marks):
        raise WrongKey("the audit key")
