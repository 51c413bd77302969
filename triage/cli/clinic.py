"""Running a clinic: set up, run, roster, people."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.domain import Clinic, Role, User, approver_key, new_id
from triage.errors import BadSettings, NotFound

if TYPE_CHECKING:
    from triage.store import Store

Home = Annotated[Path, typer.Option(help="Folder with triage.toml, keys and database.")]
HERE = Path("triage-home")

TEMPLATE = """\
# Settings of one clinic. Secrets do not belong here: put each in secrets/<name> or in the
# environment as TRIAGE_SECRET_<NAME>.
[clinic]
id = "{id}"
name = "{name}"
timezone = "{timezone}"
# Never answer by e-mail, only on the portal or by phone.
# portal_only = true

[desk]
mail_domain = "{domain}"

# [openid]
# Signing in through the organisation's own log-in, too; its secret is secrets/openid.
# issuer = "https://login.example.org"
# client_id = "triage"
# desk_url = "https://desk.example.org"

# [audit]
# The head of the audit is written here every few minutes. Put it where whoever can change the
# database cannot: another machine's disk.
# anchor = "/mnt/elsewhere/audit.anchor"

# [[inbox]]
# name = "front-desk"
# kind = "imap"
# host = "imap.example.org"
# user = "frontdesk@example.org"
# The name your mail server writes first in Authentication-Results; without it nobody's sender is
# checked.
# authserv_id = "mx.example.org"
#
# [[outbox]]
# name = "front-desk-out"
# kind = "smtp"
# channel = "email"
# host = "smtp.example.org"
# sender = "frontdesk@example.org"
"""


def add_to(app: typer.Typer) -> None:
    """Add the commands that run a clinic."""
    app.command("init", epilog="Example: triage init --id willow --name 'Willow Creek'")(init)
    app.command("run", epilog="Example: triage run --home /srv/triage --part all")(run)
    store = typer.Typer(help="The database and its shape.", no_args_is_help=True)
    store.callback()(lambda: None)
    store.command("migrate", epilog="Example: triage store migrate --home /srv/triage")(migrate)
    app.add_typer(store, name="store")
    roster = typer.Typer(help="The practice's patients and contacts.", no_args_is_help=True)
    roster.command("import", epilog="Example: triage roster import patients.csv")(roster_import)
    app.add_typer(roster, name="roster")
    user = typer.Typer(help="People who work at the desk.", no_args_is_help=True)
    user.command("add", epilog="Example: triage user add ana --role secretary")(user_add)
    user.command("code", epilog="Example: triage user code ana")(user_code)
    forget = user.command(
        "forget-authenticator", epilog="Example: triage user forget-authenticator ana"
    )
    forget(user_forget_authenticator)
    linking = "Example: triage user link ana 00u1a2b3"
    user.command("link", epilog=linking)(user_link)
    app.add_typer(user, name="user")


def migrate(home: Home = HERE) -> None:
    """Bring the database to this version's shape; stop triage and make a backup first.

    Cases that search does not know yet are indexed; when interrupted, run it again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from triage.store import migrate
    from triage.wiring import House

    house = House.at(home)
    migrate(house.url, house.keys)
    print("The database has this version's shape.")
    store = house.store()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("indexing for search", total=store.search.waiting())
        count = store.search.catch_up(
            by="migrate", watch=lambda done: progress.update(bar, advance=done)
        )
    placed = store.due.again(clinic=house.settings.clinic.id, by="migrate")
    store.close()
    print(f"Search knows every case; {count} patients and cases were looked at.")
    print(f"{placed} open cases stand in the queue by when they are due.")


def init(
    *,
    id: Annotated[str, typer.Option(help="Short id: small letters, digits, dashes.")],
    name: Annotated[str, typer.Option(help="The clinic's name.")],
    timezone: str = "UTC",
    domain: Annotated[str, typer.Option(help="Domain of the Message-IDs.")] = "triage.invalid",
    home: Home = HERE,
    on_call: Annotated[
        str, typer.Option(help="User name of who is told at last when nobody is in.")
    ] = "",
    deputy: Annotated[str, typer.Option(help="User name of who is told before that.")] = "",
    tell: Annotated[str, typer.Option(help="E-mail address that reaches them at night.")] = "",
    mail_server: Annotated[str, typer.Option(help="Mail server that takes alerts.")] = "",
) -> None:
    """Make the home folder: settings, keys, database and a first administrator.

    Asks at a terminal who is told when nobody is in, unless the options say it.
    """
    from triage.cli import out_of_hours
    from triage.store import Keys, migrate, open_store
    from triage.wiring import House

    if (home / "triage.toml").exists():
        raise BadSettings(f"{home / 'triage.toml'} is already there")
    named = out_of_hours.asked(out_of_hours.Named(on_call, deputy, tell, mail_server))
    home.mkdir(parents=True, exist_ok=True)
    text = TEMPLATE.format(id=id, name=name, timezone=timezone, domain=domain)
    text = f"{text}\n{out_of_hours.lines(named)}"
    (home / "triage.toml").write_text(text, encoding="utf-8")
    keys = Keys.make(home / "keys")
    make_master(home)
    house = House.at(home)
    migrate(house.url, keys)
    store = open_store(house.url, keys)
    store.people.add_clinic(Clinic(id, name, timezone))
    password = secrets.token_urlsafe(12)
    admin = User(new_id(), id, "admin", "Administrator", frozenset({Role.ADMINISTRATOR}))
    store.people.add_user(admin, password, given=True)
    store.close()
    print(f"Made {home}. Sign in as admin with the password {password}; you are asked for another.")
    print("The first log-in asks for an authenticator app: have a phone at hand.")
    print(out_of_hours.next_steps(named, str(home)))


def make_master(home: Path) -> None:
    """Write the approval master key, readable by its owner only."""
    path = home / "approval.key"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32), encoding="ascii")


def run(
    home: Home = HERE,
    part: Annotated[str, typer.Option(help="all, web, worker, sender or watch.")] = "all",
    logs: Annotated[
        str, typer.Option(help="plain, or json: one object a line.", envvar="TRIAGE_LOGS")
    ] = "plain",
) -> None:
    """Run the clinic until interrupted; `all` starts each part as a process of its own.

    For the first time only with somebody to tell out of hours (docs/watching.md).
    """
    from triage.cli import processes

    processes.run(home, part, logs=logs)


def roster_import(
    file: Annotated[Path, typer.Argument(help="CSV, or a FHIR Bundle of Patients as JSON.")],
    home: Home = HERE,
) -> None:
    """Add or update patients and contacts; rows that cannot be read change nothing."""
    from triage.connectors.roster import read_csv, read_fhir_bundle
    from triage.wiring import House

    read = read_fhir_bundle if file.suffix == ".json" else read_csv
    house = House.at(home)
    clinic = house.settings.clinic.id
    store = house.store()
    count = store.people.import_roster(list(read(file, clinic=clinic)), clinic=clinic, by="cli")
    store.close()
    print(f"{count} patients are in the roster.")


def user_add(
    username: str,
    role: Annotated[list[Role], typer.Option(help="May be given more than once.")],
    name: Annotated[str, typer.Option(help="Name shown to colleagues.")] = "",
    home: Home = HERE,
) -> None:
    """Add a person; prints the first password once."""
    from triage.wiring import House

    house = House.at(home)
    store = house.store()
    password = secrets.token_urlsafe(12)
    user = User(
        new_id(), house.settings.clinic.id, username, name or username.title(), frozenset(role)
    )
    store.people.add_user(user, password, given=True)
    store.close()
    print(f"{username} can sign in with the password {password}, and is asked for another.")


def user_forget_authenticator(username: str, home: Home = HERE) -> None:
    """Take a lost authenticator app from a person, who enrols a new one at the next log-in.

    Whoever may run this holds the clinic's keys; make sure first who is asking for it.
    """
    from triage.wiring import House

    house = House.at(home)
    clinic, store = house.settings.clinic.id, house.store()
    try:
        store.factors.forget(_named(store, username, clinic), clinic=clinic, by="cli")
    finally:
        store.close()
    print(f"{username} is signed out and enrols a new authenticator app at the next log-in.")


def user_link(
    username: str,
    account: Annotated[
        str, typer.Argument(help="What the provider calls the person (`sub`).")
    ] = "",
    home: Home = HERE,
) -> None:
    """Say which account at the organisation's log-in is a person's; without one, none is.

    The person signs in again. Take the account from the provider or from the page that refused
    them, never from an e-mail.
    """
    from triage.wiring import House

    house = House.at(home)
    clinic, issuer = house.settings.clinic.id, house.settings.openid.issuer
    if not issuer:
        raise BadSettings("openid, issuer")
    store = house.store()
    try:
        user_id = _named(store, username, clinic)
        if account:
            store.accounts.link(user_id, issuer, account, clinic=clinic, by="cli")
        else:
            store.accounts.unlink(user_id, clinic=clinic, by="cli")
    finally:
        store.close()
    print(f"{username} is linked to {account}." if account else f"{username} is linked to none.")


def _named(store: "Store", username: str, clinic: str) -> str:
    """Return the id of a person of this clinic; raise NotFound."""
    people = {user.username: user.id for user in store.people.users(clinic=clinic)}
    if username not in people:
        raise NotFound(username)
    return people[username]


def user_code(username: str, home: Home = HERE) -> None:
    """Print a person's approval code; run it where the sender runs, give it to them in person."""
    from triage.settings import approval_master
    from triage.wiring import House

    house = House.at(home)
    store = house.store()
    people = {user.username: user for user in store.people.users(clinic=house.settings.clinic.id)}
    store.close()
    if username not in people:
        raise NotFound(username)
    print(approver_key(approval_master(home), people[username].id).hex())
