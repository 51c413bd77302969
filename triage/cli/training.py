"""Training of the models that ship."""

from pathlib import Path
from typing import Annotated

import typer

PublicData = Annotated[
    Path | None, typer.Option(help="Folder with the public corpora; none by default.")
]


def add_to(app: typer.Typer) -> None:
    """Add `triage train`."""
    train = typer.Typer(help="Train a model; CPU is enough.", no_args_is_help=True)
    train.command("classifier", epilog="Example: triage train classifier --out models/router-3")(
        classifier
    )
    train.command("redactor", epilog="Example: triage train redactor --out models/redactor-2")(
        redactor
    )
    app.add_typer(train, name="train")


def classifier(
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    public_data: PublicData = None,
) -> None:
    """Train routes, further routes and urgency, choose thresholds, walk through the release gate.

    Reads the labelled messages under data/. Half an hour on two cores; interrupted and called
    again it goes on after its last whole round.
    """
    from triage.classifiers.training import train
    from triage.cli.evaluating import settle

    train(out, public_data=public_data)
    settle(out)


def redactor(
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    public_data: PublicData = None,
) -> None:
    """Train the recogniser of names, places and organisations."""
    from triage.redaction.training import train

    train(out, public_data=public_data)
