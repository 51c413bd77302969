"""The command itself: with a browser, or once through for machines."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

HOME = Path(".demo")
Once = Annotated[bool, typer.Option(help="Without browser or person; exit 0 if it works.")]


def add_to(app: typer.Typer) -> None:
    """Add `triage demo`."""
    app.command("demo", epilog="Example: triage demo --once")(demo)


def demo(
    once: Annotated[
        bool, typer.Option(help="Without browser or person; exit 0 if it works.")
    ] = False,
    home: Annotated[Path, typer.Option(help="Folder for the demo; an old one is replaced.")] = HOME,
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 8137,
) -> None:
    """Run the main job on the fictional practice: from a mailbox to an approved reply."""
    from triage.cli.demo.practice import MAIL_PASSWORD, MAIL_USER, SAMPLES, move_in, set_up
    from triage.cli.demo.servers import Mailbox, Portal, Sink

    mailbox = Mailbox(MAIL_USER, MAIL_PASSWORD)
    sink, staff = Sink(), Sink()
    portal = Portal(sorted((SAMPLES / "portal").glob("*.json")))
    try:
        house = set_up(home, (mailbox, sink, portal, staff), 2.0 if once else 30.0, port)
        store, logins = move_in(house)
        _prepare(house)
        mails = sorted((SAMPLES / "mail").glob("*.eml"))
        if once:
            from triage.cli.demo.once import run_once

            _fill(mailbox, mails)
            run_once(house, store, logins, sink)
        else:
            store.close()
            with _processes(house.home) as children:
                # The mailbox fills while they start.
                _fill(mailbox, mails)
                _serve(house, logins, (sink, staff), children)
    finally:
        for server in (mailbox, sink, staff, portal):
            server.close()


def _prepare(house: Any) -> None:
    """Build what serves the models, once; a model that cannot be built is said later."""
    from rich.console import Console
    from rich.progress import Progress

    from triage.encoder import export, folder
    from triage.errors import MissingModel

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("preparing the models (once)", total=2)
        for name, kind in (("router", "router"), ("redactor", "tagger")):
            with suppress(MissingModel):
                export.cached(folder.read(house.registry().folder(name), kind=kind))
            progress.advance(task)


def _fill(mailbox: Any, mails: list[Path]) -> None:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("putting mails into the mailbox", total=len(mails))
        mailbox.fill(mails, lambda: progress.advance(task))


@contextmanager
def _processes(home: Path) -> Iterator[list[Any]]:
    """Start worker, sender and web; end them at last."""
    from triage.cli.processes import start
    from triage.cli.starting import PARTS

    children = [start(home, part) for part in PARTS]
    try:
        yield children
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(30)


def _serve(house: Any, logins: dict[str, Any], sinks: Any, children: list[Any]) -> None:
    """Say where the parts are and wait for Ctrl-C."""

    desk = house.settings.desk
    print(f"\nThe queue is at http://{desk.host}:{desk.port}/   (Ctrl-C ends the demo)\n")
    for username, login in logins.items():
        roles = ", ".join(sorted(role.value for role in login.user.roles))
        print(f"  {username:8} password {login.password:10} {roles}")
        print(f"           approval code {login.code}")
        if login.secret:
            print(f"           authenticator key {login.secret}")
    print("\nAfter the password the page asks for a code; each works once, the next comes within")
    print("30 seconds. Approved replies arrive at an SMTP sink on this machine; what staff are")
    print("told when nobody acts on an urgent message arrives at another, and is shown here.")
    sys.stdout.flush()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    shown = (0, 0)
    codes = ""
    while not stop.wait(0.5) and all(child.poll() is None for child in children):
        codes = tell_codes(logins, codes)
        shown = tell_arrived(sinks, shown)
    if not stop.is_set():
        sys.stderr.write("triage: a part of the demo stopped by itself\n")
        raise SystemExit(1)


def tell_arrived(sinks: Any, shown: tuple[int, int]) -> tuple[int, int]:
    """Print the replies and the alerts for staff that arrived since; return how many there are."""
    from triage.cli.demo.servers import addressee, message_id

    replies, alerts = ([*sink.mails] for sink in sinks)
    now = time.strftime("%H:%M:%S")
    for mail in replies[shown[0] :]:
        print(f"\r  arrived: {message_id(mail)} ({now})", flush=True)
    for mail in alerts[shown[1] :]:
        print(f"\r  staff told: {addressee(mail)} ({now})", flush=True)
    return len(replies), len(alerts)


def tell_codes(logins: dict[str, Any], before: str) -> str:
    """Print what everybody's authenticator app shows now, when it changed; return it.

    On a terminal the line replaces the one before; elsewhere each is a line of its own.
    """
    now = datetime.now(UTC)
    shown = {name: login.one_time_code(now) for name, login in logins.items()}
    codes = "   ".join(f"{name} {code}" for name, code in shown.items() if code)
    if codes != before:
        start, end = ("\r", "") if sys.stdout.isatty() else ("", "\n")
        print(f"{start}  codes now: {codes} ", end=end, flush=True)
    return codes
