"""What stands on paper of an open case: who, how to reach them, and the words that matter.

Rule of the room: it only reads; whoever calls it writes the audit row in the same transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from triage.domain import CaseRow
from triage.errors import Erased
from triage.store import tables
from triage.store.casefile import deciding, queue_rows
from triage.store.transaction import Work

#: Letters of a message that stand on paper; the whole of it waits for the machine.
SHOWN = 1500


def lines_of(work: Work, rows: Sequence[Row[Any]]) -> list[dict[str, object]]:
    """Return what stands on paper of some cases."""
    lines = queue_rows(work, rows)
    people = _people(work, [line.case.patient_id for line in lines if line.case.patient_id])
    words = _words(work, [line.case.id for line in lines])
    names = _names(work, [line.case.claimed_by for line in lines if line.case.claimed_by])
    return [
        _line(line, people.get(line.case.patient_id or "", {}), words[line.case.id], names)
        for line in lines
    ]


def _line(
    line: CaseRow,
    who: Mapping[str, object],
    words: Mapping[str, object],
    names: Mapping[str, str],
) -> dict[str, object]:
    case = line.case
    return {
        "code": case.id[:8],
        "urgency": case.urgency.word,
        "lane": case.lane.value,
        "route": case.route.value,
        "received": case.last_message_at.isoformat(timespec="minutes"),
        "messages": line.messages,
        "sender": line.sender.reveal(),
        "address": line.address.reveal(),
        **words,
        "because": list(line.because[:2]),
        "reply": line.reply.value if line.reply else "",
        "held_by": names.get(case.claimed_by or "", ""),
        **who,
    }


def _people(work: Work, ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return patient id -> name, birth date, record and whatever they are reached by."""
    patients, contacts, vault = tables.patients, tables.contacts, work.vault
    found: dict[str, dict[str, object]] = {}
    for row in work.rows(select(patients).where(patients.c.id.in_(ids))) if ids else ():
        try:
            found[row.id] = {
                "patient": vault.text(row.name, row.id).reveal(),
                "born": vault.text(row.birth_date, row.id).reveal(),
                "record": vault.text(row.mrn, row.id).reveal(),
                "reached": [],
            }
        except Erased:
            continue
    # Who works from paper believes it: an address out of use would reach somebody else.
    used = (contacts.c.patient_id.in_(list(found)), contacts.c.retired_at.is_(None))
    for row in work.rows(select(contacts).where(*used)):
        reached = found[row.patient_id]["reached"]
        assert isinstance(reached, list)
        sure = "" if row.verified_by else " (not verified)"
        reached.append(f"{row.channel} {vault.text(row.address, row.id).reveal()}{sure}")
    return found


def _words(work: Work, case_ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return case id -> the message that gave it its rank, and the newest where it is another.

    Whoever works from paper reads nothing else: a calm word that came later hides no urgent one.
    """
    table = tables.messages
    query = select(table.c.id, table.c.case_id).where(table.c.case_id.in_(case_ids))
    ordered = query.order_by(table.c.received_at, table.c.id)
    newest = {row.case_id: row.id for row in work.rows(ordered)}
    first = {case_id: row.message_id for case_id, row in deciding(work, case_ids).items()}
    wanted = sorted({*newest.values(), *first.values()})
    texts = select(table.c.id, table.c.subject, table.c.body).where(table.c.id.in_(wanted))
    said = {row.id: _said(work, row) for row in work.rows(texts)}
    found: dict[str, dict[str, object]] = {}
    for case_id, last in newest.items():
        shown = first.get(case_id, last)
        found[case_id] = {**said[shown], "newest": said[last] if last != shown else None}
    return found


def _said(work: Work, row: Row[Any]) -> dict[str, str]:
    subject, body = (work.vault.text(one, row.id).reveal() for one in (row.subject, row.body))
    return {"subject": subject, "text": body[:SHOWN]}


def _names(work: Work, ids: Sequence[str]) -> dict[str, str]:
    users = tables.users
    query = select(users.c.id, users.c.display_name).where(users.c.id.in_(ids))
    return {row.id: row.display_name for row in work.rows(query)} if ids else {}
