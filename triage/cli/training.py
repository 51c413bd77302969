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
    train.command("router", epilog="Example: triage train router --out models/router-2")(router)
    train.command("redactor", epilog="Example: triage train redactor --out models/redactor-2")(
        redactor
    )
    app.add_typer(train, name="train")


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
