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
    train.command("redflags", epilog="Example: triage train redflags")(redflags)
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


def redflags() -> None:
    """Weigh the signs of the red-flag table on the training messages; rewrites its last page.

    Minutes on one core. A clinician signs the table anew afterwards, and the router is settled
    again (`triage evaluate settle`).
    """
    from triage.classifiers.dataset import RULES_SEEN, RULES_UNSEEN, SETTING, read_part
    from triage.evaluation.weighing import weigh, write

    card = weigh(read_part(RULES_SEEN), read_part(RULES_UNSEEN), read_part(SETTING))
    write(card)
    print(f"{len(card.signs)} lists of signs count; {card.any_rule} points for any rule")
    print(f"{card.raises_at} points raise a message, {card.alone_at} where no model reads it")
