"""Asks whoever sets a clinic up who is told when nobody is in, and writes it into triage.toml.

Rule of the room: only staff are named here, and nothing is written that nobody said.
"""

import json
import sys
from dataclasses import dataclass

import typer

from triage.errors import BadSettings

#: What init leaves in triage.toml; commented out until somebody says who.
_PLAN = """\
[[alert]]
name = "on-call"
kind = "smtp"
host = {server}
# user = "triage@example.org"
sender = {sender}
to = [{tell}]

[escalation.in_hours]
again = {{ doors = ["on-call"] }}
deputy = {{ who = {deputy}, doors = ["on-call"] }}
on_call = {{ who = {on_call}, doors = ["on-call"] }}
[escalation.out_of_hours]
again = {{ doors = ["on-call"] }}
deputy = {{ who = {deputy}, doors = ["on-call"] }}
on_call = {{ who = {on_call}, doors = ["on-call"] }}
"""
_ABOUT = """\
# Whom the watch tells when something stops, and who is told when nobody acts on an urgent message:
# staff only. `triage run` starts for the first time only once this is said. A clinic that tells
# nobody out of hours says why instead, under [escalation] and without the two tables of it:
# out_of_hours = "none, because the nurse line answers our telephone at night"
# docs/watching.md says more.
"""


@dataclass(frozen=True, slots=True)
class Named:
    """Who is told, and where; all of it or nothing."""

    on_call: str = ""
    deputy: str = ""
    #: The staff's own address, and the mail server that takes what goes there.
    tell: str = ""
    server: str = ""

    def __bool__(self) -> bool:
        """Whether anybody is named."""
        return any((self.on_call, self.deputy, self.tell, self.server))


def asked(given: Named) -> Named:
    """Return what the options say, or what somebody answers at a terminal; raise BadSettings."""
    if not given and sys.stdin.isatty():
        given = _ask()
    if given and not all((given.on_call, given.deputy, given.tell, given.server)):
        raise BadSettings("--on-call, --deputy, --tell and --mail-server belong together; give all")
    if given and "@" not in given.tell:
        raise BadSettings("--tell is an e-mail address of your staff")
    return given


def _ask() -> Named:
    """Ask at the terminal; an empty first answer leaves it for later."""
    print("Who is told when nobody acts on an urgent message at night? triage runs only with that.")
    on_call = typer.prompt("User name of who is on call (empty: later)", default="")
    if not on_call:
        return Named()
    return Named(
        on_call,
        typer.prompt("User name of the deputy, who is told before", default=on_call),
        typer.prompt("E-mail address that reaches them at night"),
        typer.prompt("Mail server that takes alerts, best not the clinic's own"),
    )


def lines(named: Named) -> str:
    """Return the end of triage.toml: the plan, or an example of it behind comment signs."""
    shown = named or Named("drlee", "nia", "oncall@example.org", "smtp.example.org")
    texts = {
        "on_call": shown.on_call,
        "deputy": shown.deputy,
        "tell": shown.tell,
        "server": shown.server,
        "sender": f"triage@{shown.tell.rpartition('@')[2]}",
    }
    plan = _PLAN.format(**{name: json.dumps(text) for name, text in texts.items()})
    if named:
        return _ABOUT + plan
    return _ABOUT + "".join(f"# {line}".rstrip() + "\n" for line in plan.splitlines())


def next_steps(named: Named, home: str) -> str:
    """Say what is left to do before `triage run`."""
    if not named:
        return (
            f"Before `triage run`: say at the end of {home}/triage.toml who is told when nobody"
            " acts on an urgent message, at night too; it starts for the first time only then."
        )
    people = " and ".join(dict.fromkeys((named.deputy, named.on_call)))
    return (
        f"Add {people} with `triage user add`; until then everybody behind the alert door is told."
        f" Its password, where the server wants one, lies in {home}/secrets/on-call."
        f" Try it with `triage watch --home {home} --trial`, then `triage run --home {home}`."
    )
