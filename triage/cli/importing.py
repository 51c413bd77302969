"""Bringing in old mail: a Maildir, an mbox or a folder of .eml files, once."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli.trained import HERE, Home
from triage.errors import BadSettings

if TYPE_CHECKING:
    from triage.connectors.archive import ImportedInbox
    from triage.store import Store

_NAME = re.compile(r"[a-z0-9-]{1,40}")


def add_to(app: typer.Typer) -> None:
    """Add `triage import`."""
    app.command("import", epilog="Example: triage import old/front-desk.mbox --inbox old-mail")(
        bring_in
    )


def bring_in(
    *,
    path: Annotated[Path, typer.Argument(help="A Maildir, an mbox, or a folder of .eml files.")],
    inbox: Annotated[
        str, typer.Option(help="The name it is kept under: small letters, digits, hyphens.")
    ],
    subfolders: Annotated[
        bool, typer.Option("--subfolders", help="A Maildir's sub-folders, too, sent mail and all.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Leave older mail in the archive."),
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Only say how much is there; nothing is stored.")
    ] = False,
    home: Home = HERE,
) -> None:
    """Store old mail, every message of it, and put it in the queue with the sign "Imported".

    The source is only read. Run it again after an interruption: it goes on, and nothing is stored
    twice. Every imported message waits for a person like any other; docs/doors.md says how to keep
    the queue usable.
    """
    from triage.connectors.archive import archive_at
    from triage.wiring import House

    if not _NAME.fullmatch(inbox):
        raise BadSettings("--inbox: small letters, digits and hyphens, 40 at most")
    day = since.replace(tzinfo=UTC) if since else None
    archive = archive_at(path, inbox, subfolders=subfolders, since=day)
    if count:
        found = sum(len(one.arrivals) for one in archive.deliveries({}))
        print(f"{found} messages to import, of {archive.weight() / 1e6:.1f} MB.")
        _say_left_out(archive)
        return
    house = House.at(home)
    store = house.store()
    try:
        new, known = landed(archive, store, clinic=house.settings.clinic.id)
    finally:
        store.close()
    print(f"{new} messages are stored now; {known} were stored before.")
    _say_left_out(archive)
    print("The worker of `triage run` puts them in the queue; nothing counts as read or done.")


def _say_left_out(archive: "ImportedInbox") -> None:
    if archive.left_out:
        print(f"{archive.left_out} are older and NOT in triage: they are in the archive only.")


def landed(archive: "ImportedInbox", store: "Store", *, clinic: str) -> tuple[int, int]:
    """Land everything behind a progress bar; return how many were new and how many known."""
    from rich.console import Console
    from rich.progress import Progress

    new = known = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("importing", total=archive.weight())
        # A part of an archive moves no cursor: the rest can still be taken later.
        cursors = store.landing.cursors(archive.name, clinic=clinic) if archive.whole else {}
        for delivery in archive.deliveries(cursors):
            ids = store.landing.land(delivery.arrivals, clinic=clinic, by="import")
            if archive.whole:
                store.landing.move_cursor(archive.name, delivery.cursor, clinic=clinic)
            new, known = new + len(ids), known + len(delivery.arrivals) - len(ids)
            progress.advance(bar, sum(len(one.content) for one in delivery.arrivals))
    return new, known
