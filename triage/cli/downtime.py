"""The list for a time without a machine: set it up, write it, read it."""

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.trained import HERE, Home
from triage.errors import BadSettings


def add_to(app: typer.Typer) -> None:
    """Add `triage downtime`."""
    downtime = typer.Typer(
        help="The list of open items for the hour in which nothing works.", no_args_is_help=True
    )
    downtime.command("setup", epilog="Example: triage downtime setup --home /srv/triage")(setup)
    downtime.command("write", epilog="Example: triage downtime write --home /srv/triage")(write)
    reading = "Example: triage downtime read /mnt/desk/open-items.html"
    downtime.command("read", epilog=reading)(read)
    app.add_typer(downtime, name="downtime")


def setup(
    *,
    again: Annotated[
        bool, typer.Option(help="Make another code; the old one opens no new list.")
    ] = False,
    home: Home = HERE,
) -> None:
    """Make the code that opens the list, and print it once: it belongs on paper, in an envelope.

    Nobody can print it again; the machine itself cannot open the list.
    """
    from triage.store.paper_seal import make_key
    from triage.upkeep import PAPER_KEY
    from triage.wiring import House

    house, path = House.at(home), home / PAPER_KEY
    if path.exists() and not again:
        raise BadSettings(f"{path} is there already; make another code with --again")
    code = make_key(path)
    folder = home / house.settings.downtime.folder
    print(f"The code that opens the list: {code}")
    print(
        "Write it on paper now and put it where everybody at the desk finds it; it is kept nowhere."
    )
    print(
        f"Once triage was started again the list is {folder / 'open-items.html'}, never older than"
    )
    print("a quarter of an hour. Open it in any browser, on a copy on another machine best.")


def write(home: Home = HERE) -> None:
    """Write the list now, as the worker does every few minutes."""
    from triage.engine.paper import FILE
    from triage.upkeep import paper_file
    from triage.wiring import House

    house = House.at(home)
    paper = paper_file(home, house.settings, house.store)
    if not paper.once():
        raise BadSettings("no list could be written; run `triage downtime setup`, read the log")
    print(f"The open items are in {home / house.settings.downtime.folder / FILE}")


def read(
    file: Annotated[Path, typer.Argument(help="The list, or a copy of it.")],
) -> None:
    """Print a list after asking for its code; for when no browser is at hand either."""
    from triage.engine.paper import sealed_in
    from triage.store.paper_seal import unseal

    try:
        sealed = sealed_in(file)
    except (ValueError, OSError):
        raise BadSettings(f"{file.name} is not a list of open items") from None
    content = unseal(sealed, typer.prompt("Code", hide_input=True))
    print(f"{content['clinic']}, {content['made_at']}")
    items = content["items"]
    assert isinstance(items, list)
    for one in items:
        who = one.get("patient") or "who is this?"
        print(f"\n{one['code']} {one['urgency']} · {who} {one.get('born', '')} · {one['received']}")
        print(f"  {one['sender']} {one['address']} {' · '.join(one.get('reached', []))}")
        print(f"  {one['subject']}\n  {one['text']}")
        if newest := one.get("newest"):
            print(f"  The newest message:\n  {newest['subject']}\n  {newest['text']}")
