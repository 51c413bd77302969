"""A patient who wrote before writes again: linked, raised, and never put into what is closed.

Rule of the room: it may only raise. Which cases hang together is asked of the patient's cases each
time, so that naming another patient also parts them; a stranger's only by the same bytes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select

from triage.domain import (
    CHAIN_WITHIN,
    SOON,
    CaseState,
    Chain,
    Lane,
    Linked,
    Mark,
    Reading,
    Route,
    Urgency,
    gets_worse,
)
from triage.store import tables
from triage.store.apart import counted_once
from triage.store.senders import Sender
from triage.store.transaction import Work

#: How many times sooner it is due: written again within two days, and within one.
AGAIN, TWICE_A_DAY = 2, 4
#: Where the ledger has the same bytes of the same mailbox; it is indexed by these.
_PLACE = ("clinic", "inbox", "mailbox", "digest")
#: What the priority of a worsening message says beside its own reasons.
WORSE = "The patient wrote again and says that it got worse."
#: Where such a message stands among today's.
_SCORE = 75


def follow_up(work: Work, reading: Reading, sender: Sender, clinic: str) -> tuple[Reading, int]:
    """Return the reading with the rank of somebody who writes again, and its haste."""
    if sender.patient_id is None or Mark.AUTOMATIC in reading.marks | sender.marks:
        return reading, 1
    if reading.message.automatic or not wrote_lately(work, sender.patient_id, clinic):
        return reading, 1
    haste = haste_of(work, sender.patient_id, clinic, before=reading.raw.received_at)
    words = f"{reading.message.subject.reveal()}\n{reading.message.body.reveal()}"
    if reading.priority.urgency > Urgency.ROUTINE or not gets_worse(words):
        return reading, haste
    return _raised(reading), haste


def _raised(reading: Reading) -> Reading:
    """Return the reading as urgent; an urgent one has no suggestion."""
    rank = reading.priority
    also = (rank.also | {rank.route}) - {Route.URGENT_CLINICAL, Route.NOT_FOR_US}
    raised = replace(
        rank,
        route=Route.URGENT_CLINICAL,
        also=also,
        urgency=Urgency.TODAY,
        score=max(rank.score, _SCORE),
        lane=Lane.URGENT,
        because=(WORSE, *rank.because),
    )
    return replace(reading, priority=raised, suggestion=None)


def haste_of(
    work: Work, patient_id: str, clinic: str, *, before: datetime, besides: str = ""
) -> int:
    """Return how many times sooner than others this patient is answered."""
    cases, messages = tables.cases, tables.messages
    query = (
        select(func.count())
        .select_from(messages.join(cases, cases.c.id == messages.c.case_id))
        .where(
            cases.c.clinic == clinic,
            cases.c.patient_id == patient_id,
            cases.c.id != besides,
            messages.c.automatic.is_(False),
            messages.c.received_at > before - SOON,
            messages.c.received_at <= before,
        )
    )
    return TWICE_A_DAY if work.number(query) else AGAIN


def wrote_lately(work: Work, patient_id: str, clinic: str, *, besides: str = "") -> bool:
    """Whether this patient has another case that is open or was closed within 48 hours."""
    cases = tables.cases
    lately = and_(
        cases.c.state == CaseState.CLOSED.value, cases.c.closed_at > work.now - CHAIN_WITHIN
    )
    query = select(cases.c.id).where(
        cases.c.clinic == clinic,
        cases.c.patient_id == patient_id,
        cases.c.id != besides,
        or_(cases.c.state == CaseState.OPEN.value, lately),
    )
    return work.first(query) is not None


def chain_of(work: Work, case: Row[Any]) -> Chain:
    """Return how often the patient of a case wrote around it, and the other cases of it.

    Where nobody knows who wrote, those that hold the very same message.
    """
    if case.patient_id is None:
        return _copies(work, case)
    cases = tables.cases
    near = and_(
        cases.c.last_message_at > case.opened_at - CHAIN_WITHIN,
        cases.c.opened_at < case.last_message_at + CHAIN_WITHIN,
    )
    # What lay open until lately belongs to it however old it is.
    open_then = or_(
        cases.c.state == CaseState.OPEN.value, cases.c.closed_at > case.opened_at - CHAIN_WITHIN
    )
    mine = and_(cases.c.clinic == case.clinic, cases.c.patient_id == case.patient_id)
    earlier = and_(cases.c.opened_at <= case.opened_at, open_then)
    rows = work.rows(_cases().where(mine, or_(near, earlier, cases.c.id == case.id)))
    others = tuple(_linked(row) for row in rows if row.id != case.id)
    return Chain(_within(work, case, [row.id for row in rows]), others)


def _cases() -> Select[Any]:
    """Return the query for cases as a chain names them, the oldest first."""
    cases, messages = tables.cases, tables.messages
    return (
        select(
            cases.c.id,
            cases.c.state,
            cases.c.route,
            cases.c.opened_at,
            cases.c.last_message_at,
            func.count(messages.c.id).label("messages"),
        )
        .join(messages, messages.c.case_id == cases.c.id)
        .where(cases.c.erased_at.is_(None), messages.c.automatic.is_(False))
        .group_by(cases.c.id)
        .order_by(cases.c.opened_at, cases.c.id)
    )


def _copies(work: Work, case: Row[Any]) -> Chain:
    """Return the other cases with the very bytes of this one, out of the same mailbox.

    Nothing but the bytes is asked: a Message-ID is what its writer says, and would let a stranger
    put a case beside another's.
    """
    messages, mine, same = tables.messages, tables.ledger.alias(), tables.ledger.alias()
    its_own = select(messages.c.raw_id).where(messages.c.case_id == case.id)
    alike = (
        select(same.c.raw_id)
        .join(mine, and_(*(same.c[name] == mine.c[name] for name in _PLACE)))
        .where(mine.c.clinic == case.clinic, mine.c.raw_id.in_(its_own))
    )
    holding = select(messages.c.case_id).where(messages.c.raw_id.in_(alike))
    query = _cases().where(tables.cases.c.id.in_(holding), tables.cases.c.id != case.id)
    others = tuple(_linked(row) for row in work.rows(query))
    return Chain(len(others) + 1, others, copies=True) if others else Chain()


def _within(work: Work, case: Row[Any], ids: Sequence[str]) -> int:
    """Return how many messages of these cases came within 48 hours of this one's newest."""
    messages = tables.messages
    query = (
        select(func.count())
        .select_from(messages)
        .where(
            messages.c.case_id.in_(ids),
            messages.c.automatic.is_(False),
            counted_once(),
            messages.c.received_at > case.last_message_at - CHAIN_WITHIN,
            messages.c.received_at < case.last_message_at + CHAIN_WITHIN,
        )
    )
    return work.number(query)


def _linked(row: Row[Any]) -> Linked:
    return Linked(
        row.id,
        CaseState(row.state),
        Route(row.route),
        row.opened_at,
        row.last_message_at,
        row.messages,
    )
