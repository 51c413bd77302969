"""Gathers what proves what happened to a case, and who saw a patient in any case.

Rule of the room: the row that says evidence was read is part of the evidence, and says how many
events belong to the case, so that one taken out of a pack later is missed.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from triage.audit import content, event_key, key_of
from triage.domain import Anchor, AuditEvent, CaseFile, Evidence, Head, Stretch
from triage.store import records, tables
from triage.store.casefile import case_file, requests_of
from triage.store.departures import left_from
from triage.store.landing import open_raw
from triage.store.second import firsts_of
from triage.store.trail import heads_of
from triage.store.transaction import Work

#: The action by which a worker says which models and rules it serves with.
SERVING = "parts.serving"
#: A run of the chain in a pack is never longer; without an anchor near, an event stands alone.
LONGEST_RUN = 20_000


def gather(
    work: Work, case_id: str, *, clinic: str, by: str, anchors: Sequence[Anchor]
) -> Evidence:
    """Return everything known of one case, leaving the row that says so; raise NotFound.

    Of an erased case the words are gone, and what the chain says of it is all there is.
    """
    cases = tables.cases
    here = select(cases).where(cases.c.clinic == clinic, cases.c.id == case_id)
    row = work.one(here, f"case {case_id}")
    count = len(_events(work, case_id, clinic)) + 1
    detail = {"events": str(count)}
    work.note("evidence.read", clinic=clinic, by=by, cases=(case_id,), detail=detail)
    # Written now and not at the end, so that it is among the events below.
    work.finish()
    # Also older ones: what was sealed before a rotation stays as it is.
    key = work.vault.current.all("audit")
    file = case_file(work, row) if row.erased_at is None else _without_words(work, row)
    events = _events(work, case_id, clinic)
    by_number = {each.seq: each for each in (*_serving(work, events, clinic), *events)}
    events = tuple(event for _, event in sorted(by_number.items()))
    heads = {head.chain: head for head in heads_of(work.connection)}
    known = {head for anchor in anchors for head in anchor.heads if _reached(head, heads)}
    stretches = tuple(_stretches(work, events, known | set(heads.values()), key))
    ends = {(each.chain, each.first + len(each.contents) - 1) for each in stretches}
    return Evidence(
        file=file,
        originals={each.id: open_raw(work, each.raw_id, clinic) for each in file.messages},
        events=events,
        keys={each.seq: event_key(key_of(each, key), each.seq).hex() for each in events},
        stretches=stretches,
        heads=_at(heads.values(), ends),
        anchored=_at(known, ends),
        erased_at=row.erased_at,
        left=tuple(left_from(work, case_id, clinic)) if row.erased_at is None else (),
        firsts=firsts_of(work, events, clinic) if row.erased_at is None else (),
    )


def _reached(head: Head, heads: Mapping[str, Head]) -> bool:
    return head.chain in heads and head.number <= heads[head.chain].number


def _at(heads: Iterable[Head], ends: set[tuple[str, int]]) -> tuple[Head, ...]:
    """Return those heads at which a run ends, in order."""
    found = (head for head in heads if (head.chain, head.number) in ends)
    return tuple(sorted(found, key=lambda head: (head.chain, head.number, head.digest)))


def _without_words(work: Work, row: Row[Any]) -> CaseFile:
    """Return what stays of an erased case: nothing that a key was needed for."""
    case = records.case(row, requests_of(work, [row.id])[row.id], work.now)
    return CaseFile(case, (), None, None, (), None, None)


def seen_by(work: Work, patient_id: str, clinic: str) -> tuple[AuditEvent, ...]:
    """Return every event about a patient or a case that is or ever was theirs, oldest first."""
    audit, named, cases = tables.audit, tables.audit_cases, tables.cases
    about = {each.seq: each for each in _about(work, patient_id, clinic)}
    theirs = {case for each in about.values() if _linked(each, patient_id) for case in each.cases}
    mine = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.patient_id == patient_id)
    theirs |= {row.id for row in work.rows(mine)}
    query = select(audit).join(named, named.c.seq == audit.c.seq).where(audit.c.clinic == clinic)
    for row in work.rows(query.where(named.c.case_id.in_(sorted(theirs)))):
        about.setdefault(row.seq, records.event(row))
    return tuple(event for _, event in sorted(about.items()))


def _about(work: Work, patient_id: str, clinic: str) -> Iterator[AuditEvent]:
    """Yield the events whose details name the patient, or a contact of theirs."""
    audit, contacts = tables.audit, tables.contacts
    mine = select(contacts.c.id).where(
        contacts.c.clinic == clinic, contacts.c.patient_id == patient_id
    )
    known = {patient_id, *(row.id for row in work.rows(mine))}
    query = select(audit).where(audit.c.clinic == clinic, _names_people(audit.c.action))
    for row in work.stream(query):
        event = records.event(row)
        if known & {word for text in event.detail.values() for word in text.split()}:
            yield event


def _names_people(action: Any) -> Any:
    starts = ("patient.", "contact.", "case.linked", "case.unlinked", "case.filed")
    return action.like(f"{starts[0]}%") | action.like(f"{starts[1]}%") | action.in_(starts[2:])


def _linked(event: AuditEvent, patient_id: str) -> bool:
    theirs = event.detail.get("patient_id", event.detail.get("patient"))
    return event.action in ("case.linked", "case.filed") and theirs == patient_id


def _events(work: Work, case_id: str, clinic: str) -> tuple[AuditEvent, ...]:
    audit, named = tables.audit, tables.audit_cases
    query = (
        select(audit)
        .join(named, named.c.seq == audit.c.seq)
        .where(audit.c.clinic == clinic, named.c.case_id == case_id)
        .order_by(audit.c.seq)
    )
    return tuple(records.event(row) for row in work.rows(query))


def _serving(work: Work, events: Sequence[AuditEvent], clinic: str) -> Iterator[AuditEvent]:
    """Yield, for each filing, what its worker last said of its models and rules."""
    audit = tables.audit
    for filed in events:
        if filed.action != "case.filed":
            continue
        query: Select[Any] = select(audit).where(
            audit.c.clinic == clinic,
            audit.c.action == SERVING,
            audit.c.actor == filed.actor,
            audit.c.seq < filed.seq,
        )
        if row := work.first(query.order_by(audit.c.seq.desc())):
            yield records.event(row)


def _stretches(
    work: Work, events: Sequence[AuditEvent], heads: Iterable[Head], key: Sequence[bytes]
) -> Iterator[Stretch]:
    """Yield runs of each chain that lead from each event to the next of `heads`."""
    audit, ends = tables.audit, defaultdict[str, list[int]](list)
    for head in heads:
        ends[head.chain].append(head.number)
    for chain in sorted({each.chain for each in events}):
        places = [each.number for each in events if each.chain == chain]
        for first, last in _runs(places, sorted(ends[chain])):
            here = (audit.c.chain == chain) & audit.c.number.between(first, last)
            query = select(audit).where(here).order_by(audit.c.number)
            found = [records.event(row) for row in work.rows(query)]
            sealed = (content(each, key=event_key(key_of(each, key), each.seq)) for each in found)
            yield Stretch(chain, first, found[0].previous, tuple(sealed))


def _runs(places: Iterable[int], ends: Sequence[int]) -> list[list[int]]:
    """Return [first, last] of every run from a place to the next end; what touches is one."""
    runs: list[list[int]] = []
    for number in places:
        place = bisect_left(ends, number)
        end = ends[place] if place < len(ends) else number
        end = number if end - number > LONGEST_RUN else end
        if runs and number <= runs[-1][1] + 1:
            runs[-1][1] = max(end, runs[-1][1])
        else:
            runs.append([number, end])
    return runs
