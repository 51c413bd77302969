"""What is done to labelled rows before they leave: measured, made consistent, given surrogates.

Rule of the room: words are redacted when they come in here, and nothing here says one of them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from triage.desk.supervision import NO_REQUESTS
from triage.domain import Background, IdentifierType, Route, Span, TrainingRow, Urgency
from triage.redaction.leaks import LeakMeter, Leaks
from triage.redaction.plausible import Surrogates

#: An error names so many rows; the audit names the case of every one.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Leaking:
    """A row in which the leak meter still found identifiers, and how many by type."""

    row: TrainingRow
    found: Leaks


def leaking(
    rows: Iterable[TrainingRow], backgrounds: Mapping[str, Background], meter: LeakMeter
) -> Iterator[Leaking]:
    """Yield the rows in which something is readable; `backgrounds` is by id of the row."""
    for row in rows:
        found: Counter[IdentifierType] = Counter()
        for text in (row.subject, row.body, row.files):
            found.update(meter.text(text, backgrounds[row.id]))
        if found:
            yield Leaking(row, found)


def named(leaks: Sequence[Leaking]) -> str:
    """Return which messages leak and what types, without a word of them."""
    told = [
        f"message {leak.row.id} of case {leak.row.case_id} ({', '.join(sorted(leak.found))})"
        for leak in leaks[:_NAMED]
    ]
    rest = len(leaks) - len(told)
    return "; ".join([*told, *([f"and {rest} more"] if rest else [])])


def by_the_rules(row: TrainingRow) -> TrainingRow:
    """Return a row whose route and urgency agree as the labelling rules have it.

    Whatever cannot wait is urgent_clinical and keeps what it asks for in `also`; a message that
    was called urgent_clinical cannot be routine, and of two urgencies the higher is the safe one.
    """
    urgent = Route.URGENT_CLINICAL.value
    if row.route == urgent and row.urgency == Urgency.ROUTINE.word:
        row = replace(row, urgency=Urgency.TODAY.word)
    if row.route != urgent and row.urgency != Urgency.ROUTINE.word:
        asked = {*row.also, row.route} - NO_REQUESTS
        row = replace(row, route=urgent, also=tuple(one for one in Route if one in asked))
    return replace(row, also=tuple(route for route in row.also if route != row.route))


def invented(row: TrainingRow, surrogates: Surrogates) -> TrainingRow:
    """Return a row with an invented value for every placeholder; `spans` says where they stand."""
    texts = {
        name: surrogates.put(getattr(row, name), row.thread_id)
        for name in ("subject", "body", "files")
    }
    spans = tuple(
        Span(name, start, end, IdentifierType(kind), "surrogate", 1.0)
        for name, text in texts.items()
        for start, end, kind in text.spans
    )
    words = {name: text.text for name, text in texts.items()}
    return replace(
        row, subject=words["subject"], body=words["body"], files=words["files"], spans=spans
    )


def as_json(row: TrainingRow) -> str:
    """Return a row as one line of the labelled messages that training reads."""
    content = {
        "id": row.id,
        "channel": str(row.channel),
        "subject": row.subject,
        "body": row.body,
        "route": str(row.route),
        "also": [str(route) for route in row.also],
        "urgency": row.urgency,
        "phi": [
            {"field": span.field, "start": span.start, "end": span.end, "type": span.type.value}
            for span in row.spans
            if span.field in ("subject", "body")
        ],
        "files": row.files,
        "thread": row.thread_id,
        "source": row.source,
        "model": row.model,
    }
    # Half a letter cannot be written out; it becomes one question mark, so that offsets stay.
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
