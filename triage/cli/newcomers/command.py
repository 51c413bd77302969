"""The command itself: one process with the pages, and a way out that leads nowhere."""

import sys
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triage.cli.demo.practice import Login
    from triage.domain import Exercise, Lesson
    from triage.store import Store
    from triage.wiring import House

HOME = Path("training-home")
#: Every so many seconds the practice says that it lives, and shows the codes of the moment.
EVERY = 2.0


def add_to(app: typer.Typer) -> None:
    """Add `triage train-staff`."""
    example = "Example: triage train-staff --trainee 'Ana Ruiz'"
    app.command("train-staff", epilog=example)(train_staff)


def train_staff(
    trainee: Annotated[str, typer.Option(help="Name of who practises, for the score sheet.")] = "",
    start_over: Annotated[
        bool, typer.Option(help="Throw the last one's practice and score sheet away first.")
    ] = False,
    exercises: Annotated[
        Path | None, typer.Option(help="Exercises of your own (see data/exercises).")
    ] = None,
    home: Annotated[Path, typer.Option(help="Folder of its own, never the clinic's.")] = HOME,
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 8138,
) -> None:
    """Let new staff practise on invented messages; nothing they send leaves this computer."""
    from triage.cli.newcomers.home import (
        keep_logins,
        move_in,
        read_logins,
        require_training,
        set_up,
        throw_away,
    )
    from triage.cli.newcomers.reading import EXERCISES, read_exercises
    from triage.domain import Lesson
    from triage.wiring import House

    found = read_exercises(exercises or EXERCISES)
    require_training(home)
    if start_over:
        throw_away(home)
    if (home / "triage.toml").exists():
        house = House.at(home)
        store = house.store()
        logins = read_logins(home, store)
    else:
        house = set_up(home, port=port)
        store = house.store()
        logins = move_in(house, store, trainee=trainee)
        _set(house, store, found)
        keep_logins(home, logins.values())
    store.close()
    _serve(house, logins, Lesson(found, logins["trainee"].user.id))


def _set(house: "House", store: "Store", exercises: "tuple[Exercise, ...]") -> None:
    """File the exercises and what a colleague began."""
    from rich.console import Console
    from rich.progress import Progress

    from triage.cli.newcomers.filing import begin_replies, set_exercises
    from triage.cli.newcomers.home import CLINIC, COLLEAGUE

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("loading what reads messages", total=len(exercises))
        parts = house.parts(store)
        for trouble in parts.troubles:
            sys.stderr.write(f"triage: {trouble}\n")
        progress.update(task, description="putting exercises into the queue")
        set_exercises(
            store, exercises, parts.rooms, clinic=CLINIC, watch=lambda: progress.advance(task)
        )
    users = store.people.users(clinic=CLINIC)
    colleague = next(user for user in users if user.username == COLLEAGUE)
    begin_replies(house.desk(store), store, exercises, colleague=colleague)


def _serve(house: "House", logins: "dict[str, Login]", lesson: "Lesson") -> None:
    """Show the pages until Ctrl-C; approved replies end at a way out that leads nowhere."""
    from triage.cli.newcomers.practising import practice_desk, practice_sender
    from triage.web.app import create_app
    from triage.web.serve import serve

    web, out = house.store("web"), house.store("sender")
    settings = house.settings
    stop = Event()
    app = create_app(practice_desk(house, web, lesson), clinic_name=settings.clinic.name)
    _tell(house, logins)
    others = (
        Thread(target=practice_sender(house, out).run, args=(stop,), daemon=True),
        Thread(target=_live, args=(web, logins, stop), daemon=True),
    )
    for each in others:
        each.start()
    try:
        serve(app, settings.desk.host, settings.desk.port)
    finally:
        stop.set()
        for each in others:
            each.join(30)
        web.close()
        out.close()


def _tell(house: "House", logins: "dict[str, Login]") -> None:
    desk = house.settings.desk
    print(f"\nThe practice is at http://{desk.host}:{desk.port}/   (Ctrl-C ends it for today)\n")
    for username, login in logins.items():
        print(f"  {username:8} password {login.password:10} {login.user.display_name}")
        print(f"           approval code {login.code}")
        print(f"           authenticator key {login.secret}")
    print("\nThe trainee practises as `trainee`; the score sheet is at /score for `trainer`.")
    print("Nobody here is real. Whatever is sent ends on this computer.", flush=True)


def _live(store: "Store", logins: "dict[str, Login]", stop: Event) -> None:
    """Say for the parts a practice does not need that they live, and show everybody's codes."""
    from triage.cli.demo.command import tell_codes

    codes = ""
    while not stop.is_set():
        for part in ("worker", "watch"):
            store.beats.beat(part)
        codes = tell_codes(logins, codes)
        stop.wait(EVERY)
