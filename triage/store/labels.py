"""What people say is right: labels, the daily re-reading, and the rows retraining may see.

Rule of the room: an export holds redacted words only, never an original.
"""

import secrets
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select, update

from triage.domain import (
    CaseState,
    Label,
    Lane,
    Route,
    SampleItem,
    TrainingRow,
    Urgency,
    new_id,
)
from triage.store import records, tables
from triage.store.due import must_act
from triage.store.filing import ask_for
from triage.store.keyring import of_case
from triage.store.transaction import Transactions, Work

#: Source of a label that only says who works on a case now: nothing is learned from it.
HAND_OVER = "hand_over"


class Labels:
    """Labels of a clinic; written once."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, label: Label, *, by: str) -> None:
        """Keep one label; raise NotFound when its case is not of its clinic."""
        with self._transactions.write() as work:
            write_label(work, label)
            _noted(work, "label.added", label, by)

    def all(self, *, clinic: str, by: str) -> list[Label]:
        """Return every label, oldest first."""
        table = tables.labels
        query = select(table).where(table.c.clinic == clinic).order_by(table.c.at, table.c.id)
        with self._transactions.write() as work:
            gone = _erased(work, clinic)
            found = [
                records.label(row, work.vault, erased=row.case_id in gone)
                for row in work.rows(query)
            ]
            detail = {"count": str(len(found))}
            work.note("label.listed", clinic=clinic, by=by, detail=detail)
        return found

    def draw_sample(
        self, day: date, *, clinic: str, by: str, share: float = 0.02, least: int = 10
    ) -> list[SampleItem]:
        """Return the day's random sample of messages not ranked urgent, drawing what is missing.

        The day is the clinic's own. Asked again, it returns the same items, and more only when
        more messages have come in since.
        """
        table = tables.sample_items
        drawn = select(table).where(table.c.clinic == clinic, table.c.day == day)
        with self._transactions.write() as work:
            work.lock(f"sample {clinic}")
            candidates = _routine_messages(work, day, clinic)
            wanted = min(len(candidates), max(least, ceil(share * len(candidates))))
            known = {row.message_id for row in work.rows(drawn)}
            fresh = [row for row in candidates if row.id not in known]
            missing = max(0, wanted - len(known))
            for row in secrets.SystemRandom().sample(fresh, min(missing, len(fresh))):
                _draw(work, row, day, clinic)
            gone, rows = _erased(work, clinic), work.rows(drawn.order_by(table.c.id))
            items = [_item(row) for row in rows if row.case_id not in gone]
            cases = sorted({item.case_id for item in items})
            work.note("sample.drawn", clinic=clinic, by=by, cases=cases)
        return items

    def judge(
        self,
        item_id: str,
        right: bool,
        label: Label | None,
        *,
        clinic: str,
        by: str,
        score: int = 0,
    ) -> None:
        """Say whether a sampled message was ranked rightly; the label is kept with it.

        A message that was urgent after all puts its case among the urgent ones in the same
        transaction, with the label's urgency and at least this score, and opens it again.
        """
        table = tables.sample_items
        here = (table.c.clinic == clinic, table.c.id == item_id)
        with self._transactions.write() as work:
            item = work.one(select(table).where(*here), f"sample item {item_id}")
            if label is not None:
                write_label(work, label)
            if label is not None and not right and label.urgency > Urgency.ROUTINE:
                _raise_case(work, item.case_id, label, score)
            values = {
                "judged_right": right,
                "judged_by": by,
                "judged_at": work.now,
                "label_id": label.id if label else None,
            }
            work.run(update(table).where(*here).values(**values))
            detail = {"item": item_id, "right": str(right)}
            work.note("sample.judged", clinic=clinic, by=by, cases=(item.case_id,), detail=detail)

    def sample_tally(self, *, clinic: str) -> tuple[int, int]:
        """Return (judged, judged wrong) over all days."""
        table = tables.sample_items
        mine = select(func.count()).select_from(table).where(table.c.clinic == clinic)
        with self._transactions.read() as work:
            judged = work.number(mine.where(table.c.judged_right.is_not(None)))
            return judged, work.number(mine.where(table.c.judged_right.is_(False)))

    def export_rows(self, *, clinic: str, by: str) -> list[TrainingRow]:
        """Return the newest label of each message with the redacted words it was given for.

        The audit says that they were read; whether they were handed out is for the desk to note.
        """
        table = tables.labels
        query = (
            select(table)
            .where(table.c.clinic == clinic, table.c.source != HAND_OVER)
            .order_by(table.c.at, table.c.id)
        )
        with self._transactions.write() as work:
            newest: dict[str, tuple[Row[Any], Row[Any]]] = {}
            for label in work.rows(query):
                message = _labelled_message(work, label)
                if message is not None:
                    newest[message.id] = (label, message)
            rows = [_training_row(work, label, message) for label, message in newest.values()]
            cases = sorted({label.case_id for label, _ in newest.values()})
            work.note("label.rows_read", clinic=clinic, by=by, cases=cases)
        return rows


def write_label(work: Work, label: Label) -> None:
    """Store a label inside an open transaction; raise NotFound for a foreign case."""
    cases, table = tables.cases, tables.labels
    known = select(cases.c.id).where(cases.c.id == label.case_id, cases.c.clinic == label.clinic)
    work.one(known, f"case {label.case_id}")
    work.add(
        table,
        id=label.id,
        clinic=label.clinic,
        case_id=label.case_id,
        model=label.model,
        shown_route=label.shown_route.value,
        shown_also=records.listed(label.shown_also),
        shown_urgency=int(label.shown_urgency),
        route=label.route.value,
        also=records.listed(label.also),
        urgency=int(label.urgency),
        by=label.by,
        at=label.at,
        source=label.source,
        **work.seal(table, label.id, under=of_case(label.case_id), why=label.why),
    )


def _erased(work: Work, clinic: str) -> set[str]:
    cases = tables.cases
    query = select(cases.c.id).where(cases.c.clinic == clinic, cases.c.erased_at.is_not(None))
    return {row.id for row in work.rows(query)}


def _noted(work: Work, action: str, label: Label, by: str) -> None:
    detail = {"label": label.id, "source": label.source}
    work.note(action, clinic=label.clinic, by=by, cases=(label.case_id,), detail=detail)


def _routine_messages(work: Work, day: date, clinic: str) -> list[Row[Any]]:
    """Return the messages of one day that were not ranked urgent and are in nobody's sample."""
    messages, ranks, clinics = tables.messages, tables.priorities, tables.clinics
    cases = tables.cases
    home = work.one(select(clinics.c.timezone).where(clinics.c.id == clinic), "clinic")
    midnight = datetime.combine(day, time(), ZoneInfo(home.timezone)).astimezone(UTC)
    tomorrow = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(home.timezone))
    query = (
        select(messages.c.id, messages.c.case_id)
        .join(ranks, ranks.c.message_id == messages.c.id)
        .join(cases, cases.c.id == messages.c.case_id)
        .where(
            messages.c.clinic == clinic,
            cases.c.erased_at.is_(None),
            messages.c.received_at >= midnight,
            messages.c.received_at < tomorrow.astimezone(UTC),
            ranks.c.urgency == int(Urgency.ROUTINE),
        )
        .order_by(messages.c.id)
    )
    return work.rows(query)


def _draw(work: Work, row: Row[Any], day: date, clinic: str) -> None:
    work.add(
        tables.sample_items,
        id=new_id(),
        clinic=clinic,
        day=day,
        case_id=row.case_id,
        message_id=row.id,
    )


def _item(row: Row[Any]) -> SampleItem:
    return SampleItem(row.id, row.day, row.case_id, row.message_id, row.judged_right, row.judged_by)


def _raise_case(work: Work, case_id: str, label: Label, score: int) -> None:
    """Put a case among the urgent ones, open, and ask for the urgent thing; lower nothing."""
    cases = tables.cases
    case = work.one(select(cases).where(cases.c.id == case_id).with_for_update(), "case")
    also = records.routes(case.also) | {Route(case.route)}
    work.run(
        update(cases)
        .where(cases.c.id == case_id)
        .values(
            route=Route.URGENT_CLINICAL.value,
            also=records.listed(also - {Route.URGENT_CLINICAL}),
            urgency=max(case.urgency, int(label.urgency)),
            score=max(case.score, score),
            lane=Lane.URGENT.value,
            home_lane=Lane.URGENT.value,
            abstained=False,
            state=CaseState.OPEN.value,
            closed_at=None,
            tier=0,
            due_at=work.now,
            **must_act(work, case, label.urgency, work.now),
        )
    )
    ask_for(work, (Route.URGENT_CLINICAL,), label.urgency, clinic=label.clinic, case_id=case_id)
    detail = {"label": label.id}
    work.note("case.raised", clinic=label.clinic, by=label.by, cases=(case_id,), detail=detail)
    work.moved(label.clinic)


def _labelled_message(work: Work, label: Row[Any]) -> Row[Any] | None:
    """Return the message a label is about: the one re-read, else the newest its giver can know."""
    messages, items, cases = tables.messages, tables.sample_items, tables.cases
    erased = select(cases.c.id).where(cases.c.id == label.case_id, cases.c.erased_at.is_not(None))
    if work.first(erased) is not None:
        return None
    read = select(messages).join(items, items.c.message_id == messages.c.id)
    sampled = work.first(read.where(items.c.label_id == label.id))
    if sampled is not None:
        return sampled
    seen = select(messages).where(
        messages.c.case_id == label.case_id, messages.c.received_at <= label.at
    )
    return work.first(seen.order_by(messages.c.received_at.desc(), messages.c.id.desc()))


def _training_row(work: Work, label: Row[Any], message: Row[Any]) -> TrainingRow:
    also = tuple(route.value for route in Route if route.value in label.also)
    return TrainingRow(
        id=message.id,
        channel=message.channel,
        subject=work.vault.text(message.redacted_subject, message.id).reveal(),
        body=work.vault.text(message.redacted_body, message.id).reveal(),
        route=label.route,
        also=also,
        urgency=Urgency(label.urgency).word,
        source=label.source,
        model=label.model,
        files=work.vault.text(message.redacted_files, message.id).reveal(),
        case_id=message.case_id,
        thread_id=message.thread_id,
    )
