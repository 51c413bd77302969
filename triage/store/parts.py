"""Writes what the path made of one message: its text, its judgements, its files.

Rule of the room: whatever a mail can choose is sealed or reduced to a short printable word.
"""

import math
from dataclasses import dataclass, replace

from triage.domain import Mark, Message, Reading, new_id
from triage.store import records, tables
from triage.store.keyring import of_case
from triage.store.senders import Sender, message_index, portal_index
from triage.store.transaction import Work
from triage.store.vault import dump

_PREVIEW = 200
_WORD = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a message belongs."""

    clinic: str
    case_id: str
    message_id: str

    @property
    def owner(self) -> str:
        """Whose key seals it."""
        return of_case(self.case_id)


def write_message(
    work: Work, reading: Reading, sender: Sender, *, clinic: str, case_id: str, thread_id: str
) -> str:
    """Store every part of a reading under a case; return the message's id."""
    message, message_id = reading.message, new_id()
    if Mark.AUTOMATIC in sender.marks:
        # Only here it turned out to be our own words come back: nobody is offered an answer.
        reading = replace(reading, suggestion=None)
    table, redacted = tables.messages, reading.redacted
    work.add(
        table,
        id=message_id,
        clinic=clinic,
        raw_id=reading.raw.id,
        case_id=case_id,
        thread_id=thread_id,
        contact_id=sender.contact_id,
        patient_id=sender.patient_id,
        channel=message.channel.value,
        received_at=reading.raw.received_at,
        message_id_index=message_index(work, clinic, message.message_id.reveal()),
        portal_thread_index=portal_index(work, clinic, message.portal_thread.reveal()),
        automatic=message.automatic,
        sender_doubtful=message.sender_doubtful,
        marks=records.listed(message.marks | reading.marks | sender.marks),
        spans=[_span(span) for span in redacted.spans],
        withheld=sorted(redacted.withheld),
        redactor=redacted.redactor,
        **work.seal(table, message_id, under=of_case(case_id), **_texts(message)),
        leaks=_leaks(reading),
        **work.seal(
            table,
            message_id,
            under=of_case(case_id),
            redacted_subject=redacted.subject,
            redacted_body=redacted.body,
            redacted_files=redacted.files,
        ),
    )
    for write in (_attachments, _redactions, _classification, _priority, _flags, _suggestion):
        write(work, reading, Place(clinic, case_id, message_id))
    return message_id


def case_marks(reading: Reading, sender: Sender) -> frozenset[Mark]:
    """Return every mark one message brings into its case."""
    return reading.marks | reading.message.marks | sender.marks


def _texts(message: Message) -> dict[str, str]:
    return {
        "sender": message.sender.reveal(),
        "sender_name": message.sender_name.reveal(),
        "subject": message.subject.reveal(),
        "body": message.body.reveal(),
        "preview": " ".join(message.body.reveal()[: 4 * _PREVIEW].split())[:_PREVIEW],
        "quoted": message.quoted.reveal(),
        "signature": message.signature.reveal(),
        "html": message.html.reveal(),
        "readings": dump([text.reveal() for text in message.readings]),
        "message_id": message.message_id.reveal(),
        "reply_references": dump([text.reveal() for text in message.references]),
        "portal_thread": message.portal_thread.reveal(),
        "topic": message.topic,
    }


def _leaks(reading: Reading) -> dict[str, int] | None:
    found = reading.leaks
    return None if found is None else {kind.value: n for kind, n in sorted(found.items())}


def _span(span: object) -> list[object]:
    names = ("field", "start", "end", "type", "found_by", "score")
    return [getattr(span, name) for name in names]


def _attachments(work: Work, reading: Reading, at: Place) -> None:
    for position, file in enumerate(reading.message.attachments):
        row_id = new_id()
        work.add(
            tables.attachments,
            id=row_id,
            clinic=at.clinic,
            message_id=at.message_id,
            position=position,
            media_type=_word(file.media_type),
            size=len(file.content),
            **work.seal(
                tables.attachments, row_id, under=at.owner, name=file.name, content=file.content
            ),
        )


def _redactions(work: Work, reading: Reading, at: Place) -> None:
    for position, redaction in enumerate(reading.redacted.redactions):
        row_id = new_id()
        work.add(
            tables.redactions,
            id=row_id,
            clinic=at.clinic,
            message_id=at.message_id,
            position=position,
            placeholder=redaction.placeholder,
            type=redaction.type.value,
            **work.seal(tables.redactions, row_id, under=at.owner, original=redaction.original),
        )


def _classification(work: Work, reading: Reading, at: Place) -> None:
    found, row_id = reading.classification, new_id()
    work.add(
        tables.classifications,
        id=row_id,
        clinic=at.clinic,
        message_id=at.message_id,
        route=found.route.value,
        also=records.listed(found.also),
        urgency=int(found.urgency),
        confidence=share(found.confidence),
        abstained=found.abstained,
        model=found.model,
        scores={route.value: share(score) for route, score in found.scores.items()},
        **work.seal(tables.classifications, row_id, under=at.owner, because=dump(found.because)),
    )


def _priority(work: Work, reading: Reading, at: Place) -> None:
    rank, row_id = reading.priority, new_id()
    work.add(
        tables.priorities,
        id=row_id,
        clinic=at.clinic,
        message_id=at.message_id,
        route=rank.route.value,
        also=records.listed(rank.also),
        urgency=int(rank.urgency),
        score=rank.score,
        lane=rank.lane.value,
        **work.seal(tables.priorities, row_id, under=at.owner, because=dump(rank.because)),
    )


def _flags(work: Work, reading: Reading, at: Place) -> None:
    for position, flag in enumerate(reading.priority.flags):
        row_id = new_id()
        work.add(
            tables.flags,
            id=row_id,
            clinic=at.clinic,
            message_id=at.message_id,
            position=position,
            rule=flag.rule,
            urgency=int(flag.urgency),
            **work.seal(
                tables.flags, row_id, under=at.owner, quote=flag.quote, because=flag.because
            ),
        )


def _suggestion(work: Work, reading: Reading, at: Place) -> None:
    words, row_id = reading.suggestion, new_id()
    if words is None:
        return
    work.add(
        tables.suggestions,
        id=row_id,
        clinic=at.clinic,
        message_id=at.message_id,
        template=words.template,
        language=words.language,
        **work.seal(
            tables.suggestions, row_id, under=at.owner, subject=words.subject, body=words.body
        ),
    )


def share(number: float) -> float:
    """Return a finite number; PostgreSQL's JSON and SQLite's NOT NULL both refuse NaN."""
    return float(number) if math.isfinite(number) else 0.0


def _word(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())[:_WORD]
