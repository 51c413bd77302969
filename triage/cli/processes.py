"""Web, worker and sender as processes of their own, started together on one machine."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from types import FrameType

from triage.errors import BadSettings

PARTS = ("worker", "sender", "web")
#: A part that died is started again after this many seconds.
AGAIN = 1.0


def run(home: Path, part: str) -> None:
    """Run one part here, or all of them as children that are restarted when they die."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    # Their lines say nothing about this clinic, or too much: whole addresses of requests.
    for chatty in ("alembic", "httpx", "presidio-analyzer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = _stop_on_signals()
    if part == "all":
        _keep_alive(home, stop)
    elif part == "worker":
        _worker(home, stop)
    elif part == "sender":
        _sender(home, stop)
    elif part == "web":
        _web(home)
    else:
        raise BadSettings(f"part {part!r} (known: all, {', '.join(PARTS)})")


def start(home: Path, part: str) -> "subprocess.Popen[bytes]":
    """Start one part as a child process."""
    command = [sys.executable, "-m", "triage", "run", "--home", str(home), "--part", part]
    return subprocess.Popen(command)  # noqa: S603  # Our own program and a path.


def _keep_alive(home: Path, stop: Event) -> None:
    children = {part: start(home, part) for part in PARTS}
    while not stop.wait(AGAIN):
        for part, child in children.items():
            if child.poll() is not None:
                logging.getLogger(__name__).error("%s stopped; starting it again", part)
                children[part] = start(home, part)
    for child in children.values():
        child.terminate()
    for child in children.values():
        child.wait(10)


def _stop_on_signals() -> Event:
    stop = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _worker(home: Path, stop: Event) -> None:
    from triage.wiring import House

    house = House.at(home)
    store = house.store("worker")
    parts = house.parts(store)
    for trouble in parts.troubles:
        sys.stderr.write(f"triage: {trouble}\n")
    house.worker(store, parts, name=os.environ.get("TRIAGE_WORKER", "worker")).run(stop)
    store.close()


def _sender(home: Path, stop: Event) -> None:
    from triage.wiring import House

    house = House.at(home)
    store = house.store("sender")
    house.sender(store).run(stop)
    store.close()


def _web(home: Path) -> None:
    from triage.web.app import create_app
    from triage.web.serve import serve
    from triage.wiring import House

    house = House.at(home)
    store = house.store("web")
    settings = house.settings
    app = create_app(
        house.desk(store),
        clinic_name=settings.clinic.name,
        demonstration=settings.desk.demonstration,
    )
    serve(app, settings.desk.host, settings.desk.port)
    store.close()
