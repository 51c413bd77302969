"""`triage export`: the redacted rows that people labelled, as a file for whoever retrains."""

import os
import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli.trained import HERE, Home, Username, sign_in
from triage.errors import FileRefused

if TYPE_CHECKING:
    from rich.progress import Progress

    from triage.domain import TrainingRow


def add_to(app: typer.Typer) -> None:
    """Add `triage export`."""
    app.command("export", epilog="Example: triage export --out rows.jsonl --as devi --surrogates")(
        export
    )


def export(
    *,
    out: Annotated[Path, typer.Option(help="JSON Lines file to write, readable by you alone.")],
    person: Username,
    surrogates: Annotated[
        bool,
        typer.Option("--surrogates", help="Invented names, dates, ... for [NAME_1], [DATE_1]."),
    ] = False,
    without_leaking: Annotated[
        bool,
        typer.Option("--without-leaking", help="Leave out rows in which something is readable."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Draw the same surrogates again; for tests.")
    ] = None,
    home: Home = HERE,
) -> None:
    """Write the redacted messages that people labelled; a row that leaks stops the export.

    A line is {"id", "channel", "subject", "body", "route", "also", "urgency", "phi", "files",
    "thread", "source", "model"}. With --surrogates `phi` says where the invented values stand, so
    that the rows train a redactor, too. Needs the data-scientist role; the audit keeps a note.
    """
    from rich.console import Console
    from rich.progress import Progress

    from triage.desk.exporting import as_json

    if out.is_dir() or (out.exists() and not force):
        raise FileRefused(f"{out} is there already")
    desk, actor = sign_in(home, person)
    chance = random.Random(secrets.randbits(256) if seed is None else seed)  # noqa: S311  # From 256 bits of real chance.
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = desk.models.training_export(
            actor,
            without_leaking=without_leaking,
            surrogates=chance if surrogates else None,
            watch=_shown(progress),
        )
        lines = (as_json(row) for row in _shown(progress)(found.rows, "writing"))
        write_private(out, lines, force=force)
    print(f"{len(found.rows)} rows in {out}")
    if found.left_out:
        print(f"{found.left_out} rows left out because something in them is readable")


def write_private(path: Path, lines: Iterable[str], *, force: bool) -> None:
    """Write lines to a file of mode 0600 that is there whole or not at all; raise FileRefused.

    Without `force` a file that appeared meanwhile stays as it is.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(f"{line}\n".encode() for line in lines)
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(path)
        else:
            # Unlike renaming, a link never takes the place of a file that is there.
            path.hardlink_to(draft)
    except OSError as trouble:
        raise FileRefused(f"{path}: {trouble.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def _shown(
    progress: "Progress",
) -> "Callable[[Sequence[TrainingRow], str], Iterable[TrainingRow]]":
    """Return what goes through rows and moves a bar along."""
    return lambda rows, what: progress.track(rows, description=what)
