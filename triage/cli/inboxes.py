"""Looking after the doors messages come and leave through: try one, settle what a server owes."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli.trained import HERE, Home
from triage.errors import NotFound, TriageError

if TYPE_CHECKING:
    from triage.settings import InboxSettings
    from triage.wiring import House

Name = Annotated[str, typer.Argument(help="The inbox's name in triage.toml.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands for inboxes."""
    inbox = typer.Typer(help="The doors messages come through.", no_args_is_help=True)
    inbox.command("check", epilog="Example: triage inbox check front-desk --home /srv/triage")(
        check
    )
    inbox.command("ignore", epilog="Example: triage inbox ignore front-desk INBOX 4711 --by ana")(
        ignore
    )
    inbox.command("fetch", epilog="Example: triage inbox fetch front-desk --home /srv/triage")(
        fetch
    )
    app.add_typer(inbox, name="inbox")
    outbox = typer.Typer(help="The doors approved replies leave through.", no_args_is_help=True)
    # Without a second command Typer would take the word `check` for the name.
    outbox.callback()(lambda: None)
    outbox.command(
        "check", epilog="Example: triage outbox check front-desk-out --home /srv/triage"
    )(check_outbox)
    app.add_typer(outbox, name="outbox")


def _door(house: "House", name: str) -> "InboxSettings":
    doors = {door.name: door for door in house.settings.inbox}
    if name not in doors:
        raise NotFound(f"{name} (known: {', '.join(doors) or 'none'})")
    return doors[name]


def check(name: Name, home: Home = HERE) -> None:
    """Try an inbox step by step; say in plain words what works and what to mend.

    Nothing is fetched, marked or moved. With `--home` of a running clinic it also says when each
    mailbox was last compared with what is stored, and what the server owes.
    """
    from triage.wiring import House

    house = House.at(home)
    inbox = house.inbox(_door(house, name))
    for line in inbox.check():
        print(line)
    inbox.close()
    try:
        store = house.store()
    except (TriageError, OSError) as trouble:
        print(f"What is stored cannot be looked at from here: {trouble}")
        return
    clinic = house.settings.clinic.id
    for balance in store.mailboxes.balances(clinic=clinic, inbox=name):
        ago = (datetime.now(UTC) - balance.compared_at).total_seconds()
        what = f"{balance.owed} owed" if balance.owed else "all stored"
        print(f"{balance.mailbox}: {balance.listed} listed, {what}, compared {ago:.0f} s ago.")
        if balance.repaired_at is not None:
            when = f"{balance.repaired_at:%Y-%m-%d %H:%M} UTC"
            print(f"  {balance.repaired} were missing and fetched again, the last on {when}.")
    for debt in store.mailboxes.debts(clinic=clinic, inbox=name):
        since = f"{debt.since:%Y-%m-%d %H:%M} UTC"
        print(
            f"  {debt.mailbox}, message {debt.uid}: {debt.fate} since {since}. {debt.by}".rstrip()
        )
    store.close()


def check_outbox(
    name: Annotated[str, typer.Argument(help="The outbox's name in triage.toml.")],
    home: Home = HERE,
) -> None:
    """Try an outbox as far as its log-in; say in plain words what works and what to mend.

    Nothing is sent or created. Run it as the user whose process sends: it needs the same secret.
    """
    from triage.connectors import Tried
    from triage.wiring import House

    house = House.at(home)
    doors = {door.name: door for door in house.settings.outbox}
    if name not in doors:
        raise NotFound(f"{name} (known: {', '.join(doors) or 'none'})")
    outbox = house.outbox(doors[name])
    lines = outbox.check() if isinstance(outbox, Tried) else (f"{name}: cannot be tried.",)
    for line in lines:
        print(line)
    if doors[name] not in house.ways_out:
        print(f"{name}: nothing leaves here, because of `portal_only` under [clinic].")


def fetch(name: Name, home: Home = HERE) -> None:
    """Fetch everything new from one inbox now, with a progress bar where there is much.

    For the first import of a large mailbox, before or while `triage run` works: what is fetched
    waits to be sorted as soon as that runs, and nothing is fetched twice.
    """
    from triage.cli.bars import Bars
    from triage.engine import InboxKeeper
    from triage.wiring import House

    house = House.at(home)
    door = _door(house, name)
    store, inbox = house.store("worker"), house.inbox(door)
    try:
        keeper = InboxKeeper(inbox, store, clinic=house.settings.clinic.id, tell=Bars())
        print(f"{name}: {keeper.fetch():,} new messages are fetched and stored.")
    finally:
        inbox.close()
        store.close()


def ignore(
    name: Name,
    mailbox: Annotated[str, typer.Argument(help="The mailbox, as `inbox check` names it.")],
    uid: Annotated[str, typer.Argument(help="The message's number, as `inbox check` names it.")],
    by: Annotated[str, typer.Option(help="Your user name; it stands in the audit.")],
    home: Home = HERE,
) -> None:
    """Say that a message the server will not hand over was dealt with, so that the alarm ends."""
    from triage.wiring import House

    house = House.at(home)
    clinic, store = house.settings.clinic.id, house.store()
    try:
        people = {user.username: user.id for user in store.people.users(clinic=clinic)}
        if by not in people:
            raise NotFound(by)
        store.mailboxes.ignore(name, mailbox, uid, clinic=clinic, by=people[by])
    finally:
        store.close()
    print(f"{mailbox}, message {uid}: ignored from now on, as {by} says.")
