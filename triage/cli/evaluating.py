"""Evaluation of models and of the redactor on labelled messages."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.domain import Redacted
from triage.errors import BadRow

if TYPE_CHECKING:
    from triage.redaction import Redactor
    from triage.redaction.measure import Labelled, Score

Model = Annotated[Path | None, typer.Option(help="Model folder; else the serving one.")]


class Yardstick(StrEnum):
    """What our redactor can be measured against."""

    STOCK = "stock"


class Part(StrEnum):
    """What labelled messages can be split by."""

    TAG = "tag"
    WRITER = "writer"
    LANG = "lang"


def add_to(app: typer.Typer) -> None:
    """Add `triage evaluate`."""
    evaluate = typer.Typer(help="Measure on labelled messages.", no_args_is_help=True)
    evaluate.command("routes", epilog="Example: triage evaluate routes data/messages/dev.jsonl")(
        routes
    )
    evaluate.command(
        "redaction",
        epilog="Example: triage evaluate redaction data/messages/dev.jsonl --against stock --leaks",
    )(redaction)
    evaluate.command("settle", epilog="Example: triage evaluate settle models/router-3")(settle)
    evaluate.command("card", epilog="Example: triage evaluate card models/router-1")(card)
    app.add_typer(evaluate, name="evaluate")


def routes(
    file: Annotated[Path, typer.Argument(help="Labelled messages as JSON Lines.")],
    model: Model = None,
) -> None:
    """Print rules with model, each alone, and baselines side by side; targets; cost of redaction.

    For invented messages with labels, in the format of data/routes.
    """
    from triage.classifiers.dataset import read_rows
    from triage.encoder.registry import Registry
    from triage.evaluation.router import measure

    folder = model or Registry(Path.home() / ".triage").folder("router")
    print(measure(folder, read_rows(file)))


def redaction(
    file: Annotated[Path, typer.Argument(help="Messages with phi spans as JSON Lines.")],
    *,
    model: Model = None,
    against: Annotated[
        Yardstick | None, typer.Option(help="Print stock Presidio's figures beside ours.")
    ] = None,
    by: Annotated[Part | None, typer.Option(help="Print the parts of the messages, too.")] = None,
    leaks: Annotated[
        bool, typer.Option("--leaks", help="List what stayed readable, in plain words.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--json", help="Write the numbers here; no text of a message.")
    ] = None,
) -> None:
    """Print what share of the identifiers is wholly hidden, by type, and what else is hidden.

    For invented messages: `--leaks` prints the words that stayed readable. In: {"id", "body",
    "phi": [{"field", "start", "end", "type"}]} and, if you like, "subject", "writer", "lang",
    "tags".
    """
    from triage.evaluation.redaction import figures, parts, split
    from triage.redaction.measure import compare, read_messages

    messages = read_messages(file)
    if not messages:
        raise BadRow(f"{file.name}: no message")
    found = _found(_redactors(model, against), messages)
    scores = {name: compare(messages, done) for name, done in found.items()}
    ours, *_ = scores
    print(f"{len(messages)} messages of {file.name}; shares with exact 95 % intervals.\n")
    print(figures(scores))
    shown = split(messages, found[ours], by=by.value) if by else {}
    if by:
        print(f"\n{ours}:\n\n{parts(shown, by=by.value)}")
    if leaks:
        print("\n" + "\n".join(_leaks(messages, scores[ours])))
    if out:
        numbers = _numbers(file, scores) | {"by": {key: it.flat() for key, it in shown.items()}}
        out.write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")


def settle(
    model: Annotated[Path, typer.Argument(help="Folder of a trained router.")],
) -> None:
    """Choose a router's thresholds anew and walk it through the release gate.

    On data/routes/calibration.jsonl, rules beside the model. Do this after the rules changed.
    """
    from triage.evaluation.card import promise_table
    from triage.evaluation.settling import settle as settle_anew

    settled = settle_anew(model)
    print(f"{promise_table(settled.promise)}\n\n{settled.gate}")


def card(
    model: Annotated[Path, typer.Argument(help="Folder of a trained router or redactor.")],
) -> None:
    """Measure a model on the reporting messages of data/ and write its card and metrics."""
    from triage.encoder.registry import Registry
    from triage.evaluation.redactor import report_redactor
    from triage.evaluation.router import report_router

    task = Registry(model.parent.parent, shipped=model.parent).get(model.name).task
    print(report_redactor(model) if task == "redactor" else report_router(model))


def _redactors(model: Path | None, against: Yardstick | None) -> "list[Redactor]":
    """Return ours, the one in `model` or the serving one, and what it is measured against."""
    from triage.encoder.registry import Registry
    from triage.loading import load_parts
    from triage.redaction.presidio import PresidioRedactor
    from triage.settings import PartsSettings

    if model is not None:
        redactors: list[Redactor] = [PresidioRedactor({"model_dir": model})]
    else:
        parts = load_parts(PartsSettings(), Registry(Path.home() / ".triage"), {})
        for trouble in parts.troubles:
            sys.stderr.write(f"triage: {trouble}\n")
        redactors = [parts.rooms.redactor]
    if against is Yardstick.STOCK:
        from triage.redaction.stock import StockPresidio

        redactors.append(StockPresidio())
    return redactors


def _found(
    redactors: "Sequence[Redactor]", messages: "Sequence[Labelled]"
) -> dict[str, list[Redacted]]:
    """Return what each redactor makes of the messages; a bar on standard error moves along."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from triage.redaction.measure import redacted

    found = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for redactor in redactors:
            task = progress.add_task(redactor.name, total=len(messages))

            def advance(more: int, task: TaskID = task) -> None:
                progress.advance(task, more)

            found[redactor.name] = redacted(redactor, messages, advance=advance)
    return found


def _leaks(messages: "Sequence[Labelled]", score: "Score") -> Iterator[str]:
    """Yield a line for each leak, its words included: the messages are invented."""
    texts = {message.id: message for message in messages}
    yield f"{len(score.leaks)} leaks"
    for leak in score.leaks:
        words = texts[leak.id].text_of(leak.field)[leak.start : leak.end]
        place = f"{leak.field} {leak.start}-{leak.end}"
        yield f"{leak.id}  {leak.type}  {place}  {words!r}  {leak.readable} of {leak.letters} open"


def _numbers(file: Path, scores: "Mapping[str, Score]") -> dict[str, object]:
    """Return everything the table says, and where ours leaks, as JSON keeps it."""
    from triage.evaluation.redaction import rows

    ours, *_ = scores.values()
    return {
        "messages": file.name,
        "figures": {name: score.flat() for name, score in scores.items()},
        "targets": {
            row.name.strip("*"): {"target": row.target, "verdict": row.verdict}
            for row in rows([ours])
            if row.target
        },
        "leaks": [
            {
                "id": leak.id,
                "type": leak.type,
                "field": leak.field,
                "start": leak.start,
                "end": leak.end,
            }
            for leak in ours.leaks
        ],
    }
