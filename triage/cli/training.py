"""Training and evaluation of the models that ship."""

from pathlib import Path
from typing import Annotated

import typer

PublicData = Annotated[
    Path | None, typer.Option(help="Folder with the public corpora; none by default.")
]


#: Messages the redactor reads together when it is measured.
TOGETHER = 16


def add_to(app: typer.Typer) -> None:
    """Add `triage train` and `triage evaluate`."""
    train = typer.Typer(help="Train a model; CPU is enough.", no_args_is_help=True)
    train.command("router", epilog="Example: triage train router --out models/router-2")(router)
    train.command("redactor", epilog="Example: triage train redactor --out models/redactor-2")(
        redactor
    )
    app.add_typer(train, name="train")
    evaluate = typer.Typer(help="Measure on labelled messages.", no_args_is_help=True)
    evaluate.command("routes", epilog="Example: triage evaluate routes data/messages/dev.jsonl")(
        evaluate_routes
    )
    evaluate.command(
        "redaction", epilog="Example: triage evaluate redaction data/messages/dev.jsonl"
    )(evaluate_redaction)
    evaluate.command("card", epilog="Example: triage evaluate card models/router-1")(card)
    app.add_typer(evaluate, name="evaluate")


def router(
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    public_data: PublicData = None,
) -> None:
    """Train routes, further routes and urgency on the labelled messages in data/messages."""
    from triage.classifiers.training import train

    train(out, public_data=public_data)


def redactor(
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    public_data: PublicData = None,
) -> None:
    """Train the recogniser of names, places and organisations."""
    from triage.redaction.training import train

    train(out, public_data=public_data)


def evaluate_routes(
    file: Annotated[Path, typer.Argument(help="Labelled messages as JSON Lines.")],
    model: Annotated[Path | None, typer.Option(help="Model folder; else the serving one.")] = None,
) -> None:
    """Print model, rules with model, rules alone and a baseline side by side."""
    from triage.classifiers.dataset import read_rows, read_training
    from triage.encoder.registry import Registry
    from triage.evaluation.router import measure
    from triage.evaluation.routes import compare

    folder = model or Registry(Path.home() / ".triage").folder("router")
    train, _ = read_training()
    print(compare(measure(folder, train, read_rows(file))))


def evaluate_redaction(
    file: Annotated[Path, typer.Argument(help="Messages with phi spans as JSON Lines.")],
) -> None:
    """Print recall by type, direct identifiers together and other words hidden."""
    from triage.classifiers.dataset import read_rows
    from triage.encoder.registry import Registry
    from triage.evaluation import evaluate_redaction as measure
    from triage.parsing import plain
    from triage.wiring import PartsSettings, load_parts

    rows = read_rows(file)
    redactor = load_parts(PartsSettings(), Registry(Path.home() / ".triage"), {}).rooms.redactor
    messages = [
        plain(id=row.id, channel=row.channel, subject=row.subject, body=row.body, whole=True)
        for row in rows
    ]
    # The graph's int8 scales depend a little on what is read together; the card reads 16 a time.
    found = [
        hidden
        for start in range(0, len(messages), TOGETHER)
        for hidden in redactor.redact(messages[start : start + TOGETHER])
    ]
    print(measure(rows, [one.spans for one in found]).text())


def card(
    model: Annotated[Path, typer.Argument(help="Folder of a trained router or redactor.")],
) -> None:
    """Measure a model on data/messages/report.jsonl and write its card and metrics."""
    from triage.encoder.registry import Registry
    from triage.evaluation.router import report_router
    from triage.redaction.card import report

    task = Registry(model.parent.parent, shipped=model.parent).get(model.name).task
    print(report(model) if task == "redactor" else report_router(model))
