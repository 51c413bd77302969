"""Watching over a clinic from a process of its own, and trying whether staff can be told."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from triage.cli.trained import HERE, Home
from triage.domain import Alarm, Fault, Notice
from triage.errors import AlertFailed, TriageError


def add_to(app: typer.Typer) -> None:
    """Add the command of the watch."""
    app.command("watch", epilog="Example: triage watch --home /srv/triage --trial")(watch)


def watch(
    home: Home = HERE,
    trial: Annotated[
        bool, typer.Option("--trial", help="Send a trial through every alert door, then end.")
    ] = False,
    logs: Annotated[
        str, typer.Option(help="plain, or json: one object a line.", envvar="TRIAGE_LOGS")
    ] = "plain",
) -> None:
    """Watch until interrupted whether everything else lives, and tell staff when it does not.

    `triage run` starts it with the other parts; run it alone on another machine if you can.
    """
    if trial:
        _try(home)
        return
    from triage.cli import processes

    processes.run(home, "watch", logs=logs)


def _try(home: Home) -> None:
    from triage.wiring import House

    house = House.at(home)
    doors = house.alerts()
    failed = 0
    for door in doors:
        alarm = Alarm(Fault.TEST, door.name)
        notice = Notice(house.settings.clinic.id, datetime.now(UTC), ((alarm, True),))
        try:
            door.tell(notice)
            print(f"{door.name}: a trial was handed over; look whether it arrived.")
        except TriageError as trouble:
            print(trouble)
            failed += 1
    if not doors:
        print("There is no [[alert]] in triage.toml: the watch could tell nobody.")
    if failed or not doors:
        raise AlertFailed("the trial")
