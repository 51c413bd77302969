"""`triage audit`: whether the record of who saw and did what still holds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.errors import AuditBroken, BadSettings

if TYPE_CHECKING:
    from triage.audit import AnchorFile
    from triage.domain import Head
    from triage.store import Keys

#: A chain that does not hold; 1 says that it could not be checked at all.
BROKEN = 3
HERE = Path("triage-home")


def add_to(app: typer.Typer) -> None:
    """Add the commands of the audit."""
    audit = typer.Typer(help="The audit and its chains.", no_args_is_help=True)
    audit.command("verify", epilog="Example: triage audit verify --home /srv/triage")(verify)
    app.add_typer(audit, name="audit")


def verify(
    *,
    home: Annotated[Path, typer.Option(help="Folder with triage.toml.")] = HERE,
    database: Annotated[str, typer.Option(help="URL of the database; no triage.toml then.")] = "",
    keys: Annotated[Path | None, typer.Option(help="Folder with the keys, else home/keys.")] = None,
    anchor: Annotated[Path | None, typer.Option(help="File with the heads kept outside.")] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="A head kept on paper: chain=number:digest.")
    ] = None,
) -> None:
    """Check every event against its chain, and the chains against the heads kept outside.

    Ends with 0 when the record is whole, 3 when it is broken (and says where), 1 when it cannot
    be checked. Needs the database and the keys; nothing else of triage has to run or be there.
    """
    from triage.audit import written_head
    from triage.store import verify_database

    url, opened, file = _places(home, database, keys, anchor)
    kept = [_head(text) for text in head or ()]
    with _bar() as progress:
        lines = file.read if file else None
        verdict = verify_database(url, opened, anchors=lines, heads=kept, progress=progress)
    if not verdict.holds:
        broken = AuditBroken(f"{verdict.where}: {verdict.why}")
        sys.stderr.write(f"triage: {broken}\n")
        raise typer.Exit(BROKEN)
    print(f"{verdict.events} events in {len(verdict.heads)} chains hold; their heads:")
    for end in verdict.heads:
        print(f"  {written_head(end)}")
    if verdict.anchored:
        after = verdict.events - verdict.anchored
        print(f"{verdict.anchored} of them are anchored outside; {after} came after that")
    else:
        print("nothing outside to compare with: events cut off at the end would not be noticed")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows on standard error how far it is, to a person only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("events", total=None)

        def advance(done: int, whole: int) -> None:
            bar.update(task, completed=done, total=whole)

        yield advance


def _places(
    home: Path, database: str, keys: Path | None, anchor: Path | None
) -> "tuple[str, Keys, AnchorFile | None]":
    """Return database, keys and anchor, from the options or else from the settings."""
    from triage.audit import AnchorFile
    from triage.store import Keys

    if database:
        file = AnchorFile(anchor) if anchor else None
        return database, Keys.load(keys or home / "keys"), file
    from triage.wiring import House

    house = House.at(home)
    file = AnchorFile(anchor) if anchor else house.anchor_file
    return house.url, Keys.load(keys) if keys else house.keys, file


def _head(text: str) -> "Head":
    from triage.audit import read_head

    try:
        return read_head(text)
    except ValueError:
        wanted = "--head wants chain=number:digest, as `triage audit verify` prints it"
        raise BadSettings(wanted) from None
