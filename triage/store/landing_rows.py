"""Rows of landed messages: those nobody knows are written together, the others one by one.

Rule of the room: the quick way is only for what nothing here resembles, neither its bytes nor its
place; whatever is known in any way is looked at by itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from triage.domain import Arrival, new_id
from triage.store import tables
from triage.store.canaries import take_out
from triage.store.keyring import of_raw
from triage.store.transaction import Work

LANDED, RELISTED = "landed", "relisted"
#: Lands one arrival that may be known: (work, arrival, clinic, at) -> its id when it is new.
Slowly = Callable[..., str | None]


def land_all(
    work: Work, arrivals: Sequence[Arrival], clinic: str, *, first: datetime, slowly: Slowly
) -> list[str | None]:
    """Land arrivals in their order, from the moment `first` on; return the id of each new one."""
    marks = [work.vault.blinds("raw", clinic, arrival.digest) for arrival in arrivals]
    known, places = _resembled(work, arrivals, marks, clinic)
    ids: list[str | None] = []
    fresh = _Fresh(work, clinic)
    for offset, (arrival, mark) in enumerate(zip(arrivals, marks, strict=True)):
        # What arrives together keeps its order, since many ask which is newest.
        at = first + timedelta(microseconds=offset)
        if known.isdisjoint(mark) and _place(arrival) not in places:
            ids.append(fresh.add(arrival, mark[0], at))
            # The same bytes again in this very batch are another matter.
            known.update(mark)
        else:
            fresh.write()
            ids.append(slowly(work, arrival, clinic, at=at))
    fresh.write()
    return [None if raw_id in fresh.ours else raw_id for raw_id in ids]


class _Fresh:
    """Rows that wait to be written together."""

    def __init__(self, work: Work, clinic: str) -> None:
        self._work = work
        self._clinic = clinic
        self._raws: list[dict[str, Any]] = []
        self._ledger: list[dict[str, Any]] = []
        self._arrivals: list[tuple[Arrival, str]] = []
        #: Test mails of our own: remembered like any other, and in no queue.
        self.ours: set[str] = set()

    def add(self, arrival: Arrival, digest: bytes, at: datetime) -> str:
        raw_id = new_id()
        self._work.new_owner(of_raw(raw_id))
        self._raws.append(_raw(self._work, arrival, self._clinic, digest, raw_id, at=at))
        found = {"digest": digest, "raw_id": raw_id, "fate": LANDED}
        self._ledger.append(_ledger(self._work, arrival, clinic=self._clinic, **found))
        self._arrivals.append((arrival, raw_id))
        return raw_id

    def write(self) -> None:
        if not self._raws:
            return
        self._work.run(insert(tables.raw_messages), self._raws)
        self._work.run(insert(tables.ledger), self._ledger)
        for arrival, raw_id in self._arrivals:
            if take_out(self._work, arrival, raw_id, self._clinic):
                self.ours.add(raw_id)
        self._raws, self._ledger, self._arrivals = [], [], []


def _place(arrival: Arrival) -> tuple[str, ...]:
    at = arrival.position
    return (at.inbox, at.mailbox, at.epoch, at.uid)


def _resembled(
    work: Work, arrivals: Sequence[Arrival], marks: Sequence[Sequence[bytes]], clinic: str
) -> tuple[set[bytes], set[tuple[str, ...]]]:
    """Return the digests and the places among these that the store knows, wherever else."""
    ledger, raws = tables.ledger, tables.raw_messages
    digests = [one for mark in marks for one in mark]
    inboxes = {arrival.position.inbox for arrival in arrivals}
    uids = {arrival.position.uid for arrival in arrivals}
    alike = select(ledger.c.digest).where(
        ledger.c.clinic == clinic, ledger.c.inbox.in_(inboxes), ledger.c.digest.in_(digests)
    )
    there = select(raws.c.inbox, raws.c.mailbox, raws.c.epoch, raws.c.uid).where(
        raws.c.clinic == clinic,
        raws.c.inbox.in_(inboxes),
        raws.c.mailbox.in_({arrival.position.mailbox for arrival in arrivals}),
        raws.c.epoch.in_({arrival.position.epoch for arrival in arrivals}),
        raws.c.uid.in_(uids),
    )
    places = {tuple(map(str, row)) for row in work.rows(there)}
    return {bytes(row.digest) for row in work.rows(alike)}, places


def write_raw(
    work: Work, arrival: Arrival, clinic: str, digest: bytes, raw_id: str, *, at: datetime
) -> str:
    """Write the bytes of a message."""
    work.add(tables.raw_messages, **_raw(work, arrival, clinic, digest, raw_id, at=at))
    return raw_id


def _raw(
    work: Work, arrival: Arrival, clinic: str, digest: bytes, raw_id: str, *, at: datetime
) -> dict[str, Any]:
    place = arrival.position
    return {
        "id": raw_id,
        "clinic": clinic,
        "inbox": place.inbox,
        "mailbox": place.mailbox,
        "epoch": place.epoch,
        "uid": place.uid,
        "channel": arrival.channel.value,
        "media_type": arrival.media_type[:128],
        "digest": digest,
        "received_at": at,
        "attempts": 0,
        **work.seal(tables.raw_messages, raw_id, under=of_raw(raw_id), content=arrival.content),
    }


def write_ledger(
    work: Work, arrival: Arrival, *, clinic: str, digest: bytes, raw_id: str, fate: str
) -> None:
    """Write that this place held these bytes."""
    found = {"digest": digest, "raw_id": raw_id, "fate": fate}
    work.add(tables.ledger, **_ledger(work, arrival, clinic=clinic, **found))


def _ledger(work: Work, arrival: Arrival, *, clinic: str, **found: Any) -> dict[str, Any]:
    place = arrival.position
    return {
        "id": new_id(),
        "clinic": clinic,
        "inbox": place.inbox,
        "mailbox": place.mailbox,
        "epoch": place.epoch,
        "uid": place.uid,
        "at": work.now,
        **found,
    }
