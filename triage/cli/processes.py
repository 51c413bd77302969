"""Web, worker, sender and watch as processes of their own, started together on one machine."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from types import FrameType

from triage.cli.logs import FORMATS, set_up
from triage.cli.starting import PARTS, refuse_unsafe
from triage.domain import START_BEAT
from triage.errors import BadSettings
from triage.settings import Settings, context_secret, read_settings, secret_variable

#: A part that died is started again after this many seconds.
AGAIN = 1.0


log = logging.getLogger(__name__)


def run(home: Path, part: str, *, logs: str = "plain") -> None:
    """Run one part here, or all of them as children that are restarted when they die.

    Raises UnsafeSetting, BadSettings, StoreRefused or WrongKey before anything is started.
    """
    if part not in ("all", *PARTS):
        raise BadSettings(f"part {part!r} (known: all, {', '.join(PARTS)})")
    if logs not in FORMATS:
        raise BadSettings(f"logs {logs!r} (known: {', '.join(FORMATS)})")
    set_up(logs, part)
    refuse_unsafe(home, part)
    stop = _stop_on_signals()
    if part == "all":
        _keep_alive(home, stop, logs)
    elif part == "worker":
        _worker(home, stop)
    elif part == "sender":
        _sender(home, stop)
    elif part == "watch":
        _watch(home, stop)
    else:
        _web(home)


def start(home: Path, part: str, *, logs: str = "plain") -> "subprocess.Popen[bytes]":
    """Start one part as a child process."""
    command = [sys.executable, "-m", "triage", "run", "--home", str(home), "--part", part]
    command += ["--logs", logs]
    known = environment_of(part, read_settings(home))
    return subprocess.Popen(command, env=known)  # noqa: S603  # Our own program and a path.


def environment_of(part: str, settings: Settings) -> dict[str, str]:
    """Return our environment without the secrets that another part uses."""
    uses = {
        "web": [
            *("openid", "metrics"),
            *(door.name for door in settings.hook),
            *(context_secret(door.name) for door in settings.inbox),
        ],
        "worker": [door.name for door in settings.inbox],
        "sender": [door.name for door in settings.outbox],
        "watch": ["canary", "heartbeat", *(door.name for door in settings.alert)],
    }
    own = {secret_variable(name) for name in uses.get(part, ())}
    every = {secret_variable(name) for names in uses.values() for name in names}
    return {name: value for name, value in os.environ.items() if name not in every - own}


def _keep_alive(home: Path, stop: Event, logs: str) -> None:
    from triage.wiring import House

    children = {part: start(home, part, logs=logs) for part in PARTS}
    # The watch tells staff what of the others was started again; this tells them of the watch.
    second = House.at(home).second_eye()
    while not stop.wait(AGAIN):
        dead = [part for part, child in children.items() if child.poll() is not None]
        for part in dead:
            log.error("%(part)s stopped; starting it again", {"part": part})
            children[part] = start(home, part, logs=logs)
        second.once(restarted="watch" in dead)
    for child in children.values():
        child.terminate()
    for child in children.values():
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            # One that is stopped or hangs must not outlive the others unseen.
            child.kill()


def _stop_on_signals() -> Event:
    stop = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _worker(home: Path, stop: Event) -> None:
    from triage.cli.bars import Bars
    from triage.wiring import House

    house = House.at(home)
    store = house.store("worker")
    parts = house.parts(store)
    for trouble in parts.troubles:
        log.error("a part is replaced by people: %(why)s", {"why": trouble})
    store.beats.beat(f"{START_BEAT}worker")
    name = os.environ.get("TRIAGE_WORKER", "worker")
    house.worker(store, parts, name=name, tell=Bars()).run(stop)
    store.close()


def _sender(home: Path, stop: Event) -> None:
    from triage.wiring import House

    house = House.at(home)
    store = house.store("sender")
    store.beats.beat(f"{START_BEAT}sender")
    house.sender(store).run(stop)
    store.close()


def _watch(home: Path, stop: Event) -> None:
    from triage.wiring import House

    house = House.at(home)
    house.watch().run(stop, house.settings.watch.every_seconds)


def _web(home: Path) -> None:
    from triage.loading import load_hooks
    from triage.settings import secret
    from triage.web.app import create_app
    from triage.web.security import LOOPBACK
    from triage.web.serve import serve
    from triage.wiring import House

    house = House.at(home)
    store = house.store("web")
    store.beats.beat(f"{START_BEAT}web")
    settings = house.settings
    desk = settings.desk
    app = create_app(
        house.desk(store, provider=house.provider()),
        clinic_name=settings.clinic.name,
        demonstration=desk.demonstration,
        hosts={*LOOPBACK, *desk.names},
        metrics_token=secret(home, "metrics"),
        behind_proxy=desk.behind_tls,
        hooks=load_hooks(home, settings.hook),
    )
    serve(
        app,
        desk.host,
        desk.port,
        certificate=home / desk.certificate if desk.certificate else None,
        key=home / desk.certificate_key if desk.certificate_key else None,
        behind_tls=desk.behind_tls,
    )
    store.close()
