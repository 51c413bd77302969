"""A reading becomes a case, or joins the open case of the same conversation.

Rule of the room: filing is one transaction, done once per raw message however often it is asked;
joining may raise the rank of a case and never lowers it.
"""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, and_, or_, select, update

from triage.domain import CaseState, Lane, Mark, Reading, Route, Urgency, new_id
from triage.store import records, tables
from triage.store.bounces import as_own_mail, case_of, given_back, own_mail, put_in_front
from triage.store.parts import case_marks, share, write_message
from triage.store.search_index import index_message
from triage.store.senders import Sender, identify, thread_of
from triage.store.snoozes import wake_for_message
from triage.store.transaction import Work

#: A message within this long of a closed case is a second message of the same patient.
RECENT = timedelta(hours=48)
#: Lanes by how much they need a person first; a case never moves down this list by itself.
_LANES = (Lane.URGENT, Lane.UNREADABLE, Lane.UNSORTED, Lane.SORTED)


def file_reading(work: Work, reading: Reading, *, clinic: str, by: str) -> str:
    """Store a reading under a case and return the case's id; raise NotFound for a foreign raw."""
    work.lock(f"filing {clinic}")
    raws, messages = tables.raw_messages, tables.messages
    here = (raws.c.clinic == clinic, raws.c.id == reading.raw.id)
    work.one(select(raws.c.id).where(*here), f"raw {reading.raw.id}")
    filed = work.first(select(messages.c.case_id).where(messages.c.raw_id == reading.raw.id))
    if filed is not None:
        return str(filed.case_id)
    if own_mail(work, reading.message, clinic):
        reading = as_own_mail(reading)
    back = given_back(work, reading.message, clinic)
    about = case_of(work, back)
    if about is None:
        sender = identify(work, reading.message, clinic)
        thread_id = thread_of(work, reading.message, sender, clinic)
        case_id = _case(work, reading, sender, clinic=clinic, thread_id=thread_id)
        _requests(work, reading, clinic=clinic, case_id=case_id)
    else:
        # A copy of our own words to this patient: they are kept, and erased, with the case.
        sender = Sender(None, None, frozenset())
        case_id, thread_id = str(about.id), str(about.thread_id)
        _raise(work, about, reading)
    write_message(work, reading, sender, clinic=clinic, case_id=case_id, thread_id=thread_id)
    words = (reading.message, reading.redacted)
    index_message(work, *words, clinic=clinic, case_id=case_id)
    wake_for_message(work, case_id, sender.patient_id, clinic=clinic, by=by)
    for case in put_in_front(work, back, reading, clinic=clinic, by=by):
        # What the reply answered is not answered: the case cannot be closed without a look.
        asked = (Route(case.route),)
        ask_for(work, asked, Urgency(case.urgency), clinic=clinic, case_id=case.id)
    work.run(update(raws).where(*here).values(filed_at=work.now))
    work.moved(clinic)
    work.note("case.filed", clinic=clinic, by=by, cases=(case_id,), detail=_filed(reading, sender))
    return case_id


def _filed(reading: Reading, sender: Sender) -> dict[str, str]:
    """Return what the audit keeps of a message: which bytes it was and whose it was taken for."""
    digest = hashlib.sha256(reading.raw.content).hexdigest()
    detail = {"raw": reading.raw.id, "sha256": digest, "model": reading.classification.model}
    return detail | ({"patient": sender.patient_id} if sender.patient_id else {})


def _case(work: Work, reading: Reading, sender: Sender, *, clinic: str, thread_id: str) -> str:
    cases = tables.cases
    query = select(cases).where(
        cases.c.clinic == clinic,
        cases.c.thread_id == thread_id,
        cases.c.state == CaseState.OPEN.value,
        cases.c.patient_id == sender.patient_id,
        cases.c.contact_id == sender.contact_id,
    )
    # Locked before it is read: what a person sorts at this moment is not overwritten by old ranks.
    case = work.first(query.order_by(cases.c.opened_at.desc(), cases.c.id).with_for_update())
    if case is None or sender.patient_id is None:
        return _open_case(work, reading, sender, clinic=clinic, thread_id=thread_id)
    _join(work, case, reading, sender)
    return str(case.id)


def _open_case(work: Work, reading: Reading, sender: Sender, *, clinic: str, thread_id: str) -> str:
    rank, case_id = reading.priority, new_id()
    marks = case_marks(reading, sender)
    if sender.patient_id is not None and wrote_lately(work, sender.patient_id, clinic):
        marks |= {Mark.SECOND_MESSAGE}
    work.add(
        tables.cases,
        id=case_id,
        clinic=clinic,
        thread_id=thread_id,
        state=CaseState.OPEN.value,
        lane=rank.lane.value,
        home_lane=rank.lane.value,
        route=rank.route.value,
        also=records.listed(rank.also),
        urgency=int(rank.urgency),
        score=rank.score,
        confidence=share(reading.classification.confidence),
        abstained=reading.classification.abstained,
        marks=records.listed(marks),
        patient_id=sender.patient_id,
        contact_id=sender.contact_id,
        channel=reading.message.channel.value,
        opened_at=reading.raw.received_at,
        last_message_at=reading.raw.received_at,
    )
    return case_id


def wrote_lately(work: Work, patient_id: str, clinic: str, *, besides: str = "") -> bool:
    """Whether this patient has another case that is open or was closed within 48 hours."""
    cases = tables.cases
    lately = and_(cases.c.state == CaseState.CLOSED.value, cases.c.closed_at > work.now - RECENT)
    query = select(cases.c.id).where(
        cases.c.clinic == clinic,
        cases.c.patient_id == patient_id,
        cases.c.id != besides,
        or_(cases.c.state == CaseState.OPEN.value, lately),
    )
    return work.first(query) is not None


def _join(work: Work, case: Row[Any], reading: Reading, sender: Sender) -> None:
    rank, cases = reading.priority, tables.cases
    higher = (int(rank.urgency), rank.score) > (case.urgency, case.score)
    route = rank.route if higher else Route(case.route)
    routes = records.routes(case.also) | {Route(case.route), rank.route} | rank.also
    marks = _marks_together(records.marks(case.marks), case_marks(reading, sender))
    lane = min(Lane(case.home_lane), rank.lane, key=_LANES.index)
    found = reading.classification
    work.run(
        update(cases)
        .where(cases.c.id == case.id)
        .values(
            lane=lane.value,
            home_lane=lane.value,
            route=route.value,
            also=records.listed(routes - {route}),
            urgency=max(case.urgency, int(rank.urgency)),
            score=max(case.score, rank.score),
            confidence=share(found.confidence) if higher else case.confidence,
            abstained=case.abstained or found.abstained,
            marks=records.listed(marks),
            last_message_at=max(case.last_message_at, reading.raw.received_at),
        )
    )


def _raise(work: Work, case: Row[Any], report: Reading) -> None:
    """Let a delivery report lift the rank of the case it joins, as any message may."""
    rank, cases = report.priority, tables.cases
    lane = min(Lane(case.home_lane), rank.lane, key=_LANES.index) if rank.urgency else case.lane
    home = lane if rank.urgency else case.home_lane
    work.run(
        update(cases)
        .where(cases.c.id == case.id)
        .values(
            lane=str(lane),
            home_lane=str(home),
            urgency=max(case.urgency, int(rank.urgency)),
            score=max(case.score, rank.score),
            last_message_at=max(case.last_message_at, report.raw.received_at),
        )
    )


def _marks_together(known: frozenset[Mark], new: frozenset[Mark]) -> frozenset[Mark]:
    """Return the marks of a joined case; it is automatic only while every message of it is."""
    marks = known | new | {Mark.SECOND_MESSAGE}
    return marks if Mark.AUTOMATIC in known & new else marks - {Mark.AUTOMATIC}


def _requests(work: Work, reading: Reading, *, clinic: str, case_id: str) -> None:
    rank = reading.priority
    also = [route for route in Route if route in rank.also and route is not rank.route]
    ask_for(work, (rank.route, *also), rank.urgency, clinic=clinic, case_id=case_id)


def ask_for(
    work: Work, routes: tuple[Route, ...], urgency: Urgency, *, clinic: str, case_id: str
) -> None:
    """Add one open request per route; a route already asked for keeps the higher urgency.

    The urgency belongs to the first route; what is asked beside it is routine.
    """
    table = tables.requests
    known = work.rows(select(table).where(table.c.case_id == case_id))
    waiting = {Route(row.route): row for row in known if not row.done}
    for offset, route in enumerate(routes):
        level = int(urgency) if offset == 0 else int(Urgency.ROUTINE)
        if route in waiting:
            raised = max(level, waiting[route].urgency)
            work.run(update(table).where(table.c.id == waiting[route].id).values(urgency=raised))
            continue
        work.add(
            table,
            id=new_id(),
            clinic=clinic,
            case_id=case_id,
            position=len(known) + offset,
            route=route.value,
            urgency=level,
            done=False,
        )
