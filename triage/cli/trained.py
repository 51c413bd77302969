"""Trained models: list, promote, roll back."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.domain import User
from triage.errors import CodeWanted

if TYPE_CHECKING:
    from triage.desk import Desk

Home = Annotated[Path, typer.Option(help="Folder with triage.toml, keys and database.")]
Username = Annotated[str, typer.Option("--as", help="Who you are; the password is asked for.")]
HERE = Path("triage-home")


def add_to(app: typer.Typer) -> None:
    """Add `triage models`."""
    models = typer.Typer(help="Trained models and which one serves.", no_args_is_help=True)
    models.command("list", epilog="Example: triage models list")(list_models)
    models.command("promote", epilog="Example: triage models promote router-3 --as sam")(promote)
    models.command("rollback", epilog="Example: triage models rollback router --as sam")(rollback)
    app.add_typer(models, name="models")


def list_models(home: Home = HERE) -> None:
    """List every model that ships or was registered, and which one serves."""
    from triage.desk.trained import headline
    from triage.encoder.registry import Registry

    registry = Registry(home)
    for model in registry.models():
        serving = "serving" if registry.serving(model.task) == model.name else "candidate"
        print(f"{model.name} ({model.task}, {serving}, by {model.trainer})")
        for name, value in headline(model.metrics).items():
            print(f"    {name:40} {value}")


def promote(name: str, person: Username, home: Home = HERE) -> None:
    """Let a candidate serve; somebody else than its trainer must do this."""
    desk, actor = sign_in(home, person)
    for model in desk.models.list(actor):
        if model.name == name:
            print("\n".join(f"{key}: {value}" for key, value in model.metrics.items()))
    before = desk.models.promote(actor, name)
    print(f"{name} serves within seconds; before it was {before}.")


def rollback(task: str, person: Username, home: Home = HERE) -> None:
    """Go back to the model that served before."""
    desk, actor = sign_in(home, person)
    print(f"{desk.models.rollback(actor, task)} serves again.")


def sign_in(home: Path, username: str) -> "tuple[Desk, User]":
    """Ask for password and, where one is needed, code; return the desk and who is before it."""
    from triage.wiring import House

    house = House.at(home)
    desk = house.desk(house.store())
    password = os.environ.get("TRIAGE_PASSWORD") or typer.prompt("Password", hide_input=True)
    token = desk.signing.sign_in(username, password).token
    try:
        return desk, desk.who(token)
    except CodeWanted:
        code = os.environ.get("TRIAGE_CODE") or typer.prompt("Code of your authenticator app")
        return desk, desk.who(desk.signing.give_code(token, code).token)
