"""Messages that a person gave a case of their own: which they are, and what they are copies of.

Rule of the room: the row of the copy says it by its place and nothing else does; a copy that is not
byte for byte what it claims to be is a stranger's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, exists, or_, select

from triage.domain import OWN_CASE, Apart, Position, RawMessage
from triage.errors import ChangedUnderneath
from triage.store import tables
from triage.store.planning import unindexed
from triage.store.transaction import Work

_PLACE = ("inbox", "mailbox", "epoch", "uid")
_ALIKE = ("channel", "media_type")
#: A copy stands right behind its original, so that an answer to both goes on in the newer case.
_BEHIND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a landed message is a copy of."""

    #: When the first one landed: the copy came when that came.
    came_at: datetime
    #: Whether it is one, byte for byte and from the same inbox.
    same: bool


def origin_of(work: Work, raw: RawMessage) -> Origin | None:
    """Return what a landed message is a copy of; None for one that came by itself."""
    if not raw.position.own_case:
        return None
    raws = tables.raw_messages
    columns = [raws.c[name] for name in (*_PLACE, *_ALIKE, "digest", "received_at")]
    query = select(*columns).where(raws.c.clinic == raw.clinic, raws.c.id == raw.position.uid)
    first = work.first(query)
    if first is None:
        return Origin(raw.received_at, same=False)
    digests = work.vault.blinds("raw", raw.clinic, hashlib.sha256(raw.content).hexdigest())
    place = Position(first.inbox, first.mailbox, first.epoch, first.uid).copied(raw.position.uid)
    alike = (raw.channel.value, raw.media_type) == (first.channel, first.media_type)
    same = alike and raw.position == place and bytes(first.digest) in digests
    return Origin(first.received_at + _BEHIND, same)


def apart_of(work: Work, clinic: str, raw_ids: Sequence[str]) -> dict[str, Apart]:
    """Return raw id -> how it stands to other cases, for the messages of one case."""
    raws = tables.raw_messages
    columns = [raws.c[name] for name in ("id", *_PLACE)]
    rows = work.rows(select(*columns).where(raws.c.id.in_(raw_ids)))
    own, out_of, reports = dict[str, str](), dict[str, str](), frozenset[str]()
    # Nothing is taken out of a case of one message, and none ever leaves its case.
    if len(rows) > 1:
        own, reports = _own_cases(work, clinic, rows), _reports(work, raw_ids)
    if copies := {row.id: row.uid for row in rows if row.epoch.startswith(OWN_CASE)}:
        first = _cases_of(work, clinic, list(copies.values()))
        out_of = {raw_id: first[uid] for raw_id, uid in copies.items() if uid in first}
    return {
        raw_id: Apart(own.get(raw_id), out_of.get(raw_id), raw_id in reports) for raw_id in raw_ids
    }


def _own_cases(work: Work, clinic: str, rows: Sequence[Row[tuple[str, ...]]]) -> dict[str, str]:
    """Return raw id -> the case its copy was filed in, empty while that waits."""
    raws, messages = tables.raw_messages, tables.messages
    query = (
        select(raws.c.uid, messages.c.case_id)
        .join(messages, messages.c.raw_id == raws.c.id, isouter=True)
        .where(raws.c.clinic == clinic, or_(*(_copy_of(row) for row in rows)))
    )
    return {str(row.uid): str(row.case_id or "") for row in work.rows(query)}


def _copy_of(row: Row[tuple[str, ...]]) -> ColumnElement[bool]:
    raws = tables.raw_messages
    place = Position(row.inbox, row.mailbox, row.epoch, row.uid).copied(row.id)
    return and_(*(raws.c[name] == getattr(place, name) for name in _PLACE))


def _cases_of(work: Work, clinic: str, raw_ids: Sequence[str]) -> dict[str, str]:
    messages = tables.messages
    query = select(messages.c.raw_id, messages.c.case_id).where(
        messages.c.clinic == clinic, messages.c.raw_id.in_(raw_ids)
    )
    return {str(row.raw_id): str(row.case_id) for row in work.rows(query)}


def _reports(work: Work, raw_ids: Sequence[str]) -> frozenset[str]:
    bounces = tables.bounces
    query = select(bounces.c.raw_id).where(bounces.c.raw_id.in_(raw_ids))
    return frozenset(str(row.raw_id) for row in work.rows(query))


def refuse_waiting_copies(work: Work, case_ids: Sequence[str], clinic: str) -> None:
    """Refuse to erase while a copy out of these cases waits: it would be filed afterwards."""
    raws, messages = tables.raw_messages, tables.messages
    filed = select(messages.c.raw_id).where(
        messages.c.clinic == clinic, messages.c.case_id.in_(case_ids)
    )
    waiting = select(raws.c.id).where(
        # Only what waits is looked through, by its own index.
        unindexed(raws.c.clinic) == clinic,
        raws.c.filed_at.is_(None),
        raws.c.epoch.startswith(OWN_CASE),
        raws.c.uid.in_(filed),
    )
    if work.first(waiting) is not None:
        raise ChangedUnderneath("A message of this case is just getting a case of its own.")


def counted_once() -> ColumnElement[bool]:
    """Whether a message is no copy: what came once is counted once."""
    raws, messages = tables.raw_messages, tables.messages
    return ~exists().where(raws.c.id == messages.c.raw_id, raws.c.epoch.startswith(OWN_CASE))
