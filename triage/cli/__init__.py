"""The command line: each command calls one thing and prints.

Rule of the room: results go to standard output, progress and troubles to standard error; a
heavy library is loaded only by the command that needs it.
"""

import sys

import typer

from triage.cli import (
    audit,
    batch,
    clinic,
    demo,
    downtime,
    evaluating,
    export,
    importing,
    inboxes,
    keeping,
    logs,
    newcomers,
    trained,
    training,
    watching,
)
from triage.errors import TriageError

app = typer.Typer(
    name="triage",
    help="Sorts a clinic's e-mail and portal messages; a named person approves every reply.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ROOMS = (
    clinic,
    inboxes,
    importing,
    audit,
    keeping,
    downtime,
    batch,
    export,
    training,
    evaluating,
    trained,
    watching,
    demo,
    newcomers,
)
for room in ROOMS:
    room.add_to(app)


def main() -> None:
    """Run a command; a trouble we know is one line on standard error and exit status 1.

    One we do not know is told by type and place only: its message could quote a patient.
    """
    logs.set_up("plain", "triage")
    try:
        app()
    except TriageError as trouble:
        sys.stderr.write(f"triage: {trouble}\n")
        raise SystemExit(1) from None
