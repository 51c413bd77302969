"""A reading becomes a case, or joins the open case of the same conversation.

Rule of the room: filing is one transaction, done once per raw message however often it is asked;
joining may raise the rank of a case and never lowers it.
"""

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update

from triage.domain import CaseState, Label, Lane, Mark, Place, Reading, Route, Urgency, new_id
from triage.store import records, tables
from triage.store.apart import Origin, origin_of
from triage.store.bounces import as_own_mail, case_of, given_back, own_mail, put_in_front
from triage.store.due import must_act, placed, placed_again, sooner
from triage.store.follow_ups import follow_up, wrote_lately
from triage.store.parts import case_marks, share, write_message
from triage.store.search_index import index_message
from triage.store.senders import Sender, identify, new_thread, thread_of
from triage.store.snoozes import wake_for_message
from triage.store.transaction import Work
from triage.store.two_needed import keep_need

#: Lanes by how much they need a person first; a case never moves down this list by itself.
_LANES = (Lane.URGENT, Lane.UNREADABLE, Lane.UNSORTED, Lane.SORTED)
#: Whoever landed a copy that is none may have written anything into it.
_NOT_THE_SAME = Sender(None, None, frozenset({Mark.UNVERIFIED_SENDER}))


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
    origin = origin_of(work, reading.raw)
    # What a copy gives back was said where the first one was filed.
    back = [] if origin else given_back(work, reading.message, clinic)
    about = case_of(work, back)
    if about is None:
        reading, sender, thread_id = _whose(work, reading, origin, clinic)
        reading, haste = follow_up(work, reading, sender, clinic)
        case_id = _case(work, reading, sender, haste, clinic=clinic, thread_id=thread_id)
        _requests(work, reading, clinic=clinic, case_id=case_id)
    else:
        # A copy of our own words to this patient: they are kept, and erased, with the case.
        sender = Sender(None, None, frozenset())
        case_id, thread_id = str(about.id), str(about.thread_id)
        _raise(work, about, reading)
    keep_need(work, case_id, clinic)
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


def _whose(
    work: Work, reading: Reading, origin: Origin | None, clinic: str
) -> tuple[Reading, Sender, str]:
    """Return the reading, who wrote it and the conversation it belongs to.

    What a person gave a case of its own begins a conversation, and came when it first came.
    """
    if origin is None:
        sender = identify(work, reading.message, clinic)
        landed = reading.raw.received_at
        return reading, sender, thread_of(work, reading.message, sender, clinic, landed=landed)
    reading = replace(reading, raw=replace(reading.raw, received_at=origin.came_at))
    sender = identify(work, reading.message, clinic) if origin.same else _NOT_THE_SAME
    return reading, sender, new_thread(work, sender, clinic)


def _filed(reading: Reading, sender: Sender) -> dict[str, str]:
    """Return what the audit keeps of a message: which bytes it was and whose it was taken for."""
    digest = hashlib.sha256(reading.raw.content).hexdigest()
    detail = {"raw": reading.raw.id, "sha256": digest, "model": reading.classification.model}
    return detail | ({"patient": sender.patient_id} if sender.patient_id else {})


def _case(
    work: Work, reading: Reading, sender: Sender, haste: int, *, clinic: str, thread_id: str
) -> str:
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
        return _open_case(work, reading, sender, haste, clinic=clinic, thread_id=thread_id)
    _join(work, case, reading, sender, haste)
    return str(case.id)


def _open_case(
    work: Work, reading: Reading, sender: Sender, haste: int, *, clinic: str, thread_id: str
) -> str:
    rank, case_id, came = reading.priority, new_id(), reading.raw.received_at
    place = Place(rank.route, rank.lane, rank.urgency, came, haste)
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
        opened_at=came,
        last_message_at=came,
        **placed(work, clinic, place),
        # For a case that a person made time begins when it is there, whatever was done before.
        **must_act(work, None, rank.urgency, work.now if reading.raw.position.own_case else came),
    )
    return case_id


def _join(work: Work, case: Row[Any], reading: Reading, sender: Sender, haste: int) -> None:
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
            **_sooner(work, case, reading, route=route, lane=lane, haste=haste),
        )
    )


def _sooner(
    work: Work, case: Row[Any], reading: Reading, *, route: Route, lane: Lane, haste: int
) -> dict[str, Any]:
    """Return when a case is due that another message joined, and since when somebody must act."""
    rank = reading.priority
    act = must_act(work, case, rank.urgency, reading.raw.received_at)
    changed = {
        "route": route.value,
        "home_lane": lane.value,
        "urgency": max(case.urgency, int(rank.urgency)),
        "haste": max(case.haste, haste),
        "urgent_since": act.get("urgent_since", case.urgent_since),
    }
    return sooner(case, placed_again(work, case, **changed)) | act


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
            **must_act(work, case, rank.urgency, report.raw.received_at),
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


def follow(work: Work, case: Row[Any], label: Label, *, clinic: str, by: str) -> frozenset[Route]:
    """Let the open requests of a locked case be what the person says is asked for; return them.

    How soon something is wanted says nothing of whether it was done: where the label raises or
    lowers the case, only what says so itself is settled, and every topic stays open.
    """
    asked, wanted = tables.requests, {label.route, *label.also}
    waiting = (asked.c.case_id == case.id, asked.c.done.is_(False))
    there = {Route(row.route) for row in work.rows(select(asked.c.route).where(*waiting))}
    if int(label.urgency) != case.urgency:
        wanted |= there - {Route.URGENT_CLINICAL, Route.NOT_FOR_US}
    unwanted = [route.value for route in there - wanted]
    work.run(
        update(asked)
        .where(*waiting, asked.c.route.in_(unwanted))
        .values(done=True, done_by=by, done_at=work.now)
    )
    also = [route for route in Route if route in label.also and route is not label.route]
    ask_for(work, (label.route, *also), label.urgency, clinic=clinic, case_id=case.id)
    return frozenset(wanted)


def tick_all(work: Work, case_id: str, *, clinic: str, by: str) -> None:
    """Mark every open request of a case as done."""
    asked = tables.requests
    waiting = (asked.c.case_id == case_id, asked.c.done.is_(False))
    ids = [row.id for row in work.rows(select(asked.c.id).where(*waiting))]
    work.run(update(asked).where(*waiting).values(done=True, done_by=by, done_at=work.now))
    for one in ids:
        work.note("request.done", clinic=clinic, by=by, cases=(case_id,), detail={"request": one})
