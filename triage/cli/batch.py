"""`triage redact` and `triage classify`: JSON Lines in, JSON Lines out, order kept."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.domain import Channel, Message
from triage.errors import BadRow

#: Lines walked together: the encoder is fastest in batches, and a pipe still moves along.
CHUNK = 64

Home = Annotated[
    Path | None, typer.Option(help="Folder with the clinic's triage.toml; shipped parts without.")
]


@dataclass(frozen=True, slots=True)
class Line:
    """One input line: a message, or what is wrong with it."""

    id: object
    message: Message | None
    error: str = ""


def add_to(app: typer.Typer) -> None:
    """Add the batch commands."""
    app.command("redact", epilog="Example: triage redact < in.jsonl > out.jsonl")(redact)
    app.command("classify", epilog="Example: triage classify < in.jsonl > out.jsonl")(classify)


def redact(home: Home = None) -> None:
    """Hide identifiers in messages read from standard input, one JSON object a line.

    In: {"id", "channel": "email"|"portal", "subject", "body"}. Out: {"id", "subject", "body",
    "spans": [{"field", "start", "end", "type", "found_by", "score"}]} or {"id", "error"}.
    """
    rooms = _rooms(home)

    def walk(messages: Sequence[Message]) -> list[dict[str, object]]:
        return [_redacted(found) for found in rooms.redactor.redact(messages)]

    _run(walk, whole=True)


def classify(home: Home = None) -> None:
    """Route and rank messages read from standard input, red flags included.

    In: {"id", "channel", "subject", "body"}. Out: {"id", "route", "also", "urgency",
    "confidence", "priority", "because", "abstained"} or {"id", "error"}.
    """
    from triage.pipeline import judge

    rooms = _rooms(home)

    def walk(messages: Sequence[Message]) -> list[dict[str, object]]:
        return [_judged(judgement) for judgement in judge(messages, rooms)]

    _run(walk, whole=False)


def _rooms(home: Path | None) -> Any:
    """Load the parts; a missing one is said on standard error and stands in safely."""
    from triage.encoder.registry import Registry
    from triage.loading import load_parts
    from triage.settings import PartsSettings
    from triage.wiring import House

    if home is not None:
        parts = House.at(home).parts()
    else:
        parts = load_parts(PartsSettings(), Registry(Path.home() / ".triage"), {})
    for trouble in parts.troubles:
        sys.stderr.write(f"triage: {trouble}\n")
    return parts.rooms


def _redacted(found: Any) -> dict[str, object]:
    if found.withheld:
        return {"error": "RedactionFailed: a recogniser failed and the text is withheld"}
    spans = [
        {
            "field": span.field,
            "start": span.start,
            "end": span.end,
            "type": span.type.value,
            "found_by": span.found_by,
            "score": round(span.score, 4),
        }
        for span in found.spans
    ]
    return {"subject": found.subject, "body": found.body, "spans": spans}


def _judged(judgement: Any) -> dict[str, object]:
    priority, classification = judgement.priority, judgement.classification
    return {
        "route": priority.route.value,
        "also": sorted(route.value for route in priority.also),
        "urgency": priority.urgency.word,
        "confidence": round(classification.confidence, 4),
        "priority": priority.score,
        "because": list(priority.because),
        "abstained": classification.abstained,
    }


def _run(walk: Callable[[Sequence[Message]], list[dict[str, object]]], *, whole: bool) -> None:
    """Read, walk and write chunk by chunk, with a progress bar when a person watches."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("messages", total=None)
        for chunk in _chunks(_lines(sys.stdin.buffer, whole=whole)):
            good = [line.message for line in chunk if line.message is not None]
            results = iter(walk(good) if good else [])
            for line in chunk:
                result = {"error": line.error} if line.message is None else next(results)
                _write({"id": line.id, **result})
            progress.advance(task, len(chunk))


def _write(result: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _lines(stream: Iterable[bytes], *, whole: bool) -> Iterator[Line]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield _line(number, line, whole=whole)


def _line(number: int, line: bytes, *, whole: bool) -> Line:
    from triage.parsing import plain

    row_id: object = None
    try:
        row = json.loads(line.decode("utf-8"))
        if not isinstance(row, dict):
            raise BadRow(f"line {number} is no JSON object")
        row_id = row.get("id")
        message = plain(
            id=str(row_id),
            channel=_channel(row.get("channel"), number),
            subject=_text(row, "subject", number),
            body=_text(row, "body", number),
            whole=whole,
        )
    except (ValueError, RecursionError):
        return Line(row_id, None, str(BadRow(f"line {number} is no JSON")))
    except BadRow as trouble:
        return Line(row_id, None, str(trouble))
    return Line(row_id, message)


def _channel(value: object, number: int) -> Channel:
    if value in (None, ""):
        return Channel.EMAIL
    if value not in ("email", "portal"):
        raise BadRow(f"line {number}: channel is neither email nor portal")
    return Channel(value)


def _text(row: dict[str, object], field: str, number: int) -> str:
    """Return a text field; only the subject may be missing."""
    value = row.get(field)
    if value is None and field == "subject":
        return ""
    if not isinstance(value, str):
        raise BadRow(f"line {number}: {field} is missing or no text")
    # A lone surrogate cannot be written out again, so it is replaced as a decoder would.
    return value.encode("utf-8", "replace").decode("utf-8")
