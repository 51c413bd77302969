"""The retraining notebook, executed on a small setting against a running desk."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.small_practice import SCIENTIST, SECRETARY, WRITER, mail_from, move_in, receive
from triage.desk import Desk
from triage.domain import NOTHING, Route, Urgency
from triage.encoder.registry import Registry
from triage.errors import LeakFound, NotAllowed, NotSignedIn
from triage.store import Keys, Store, migrate, open_store
from triage.web.app import create_app
from triage.web.client import training_rows

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01-retrain.py"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def clinic_store(tmp_path: Path) -> Iterator[Store]:
    keys = Keys.make(tmp_path / "keys")
    url = f"sqlite:///{tmp_path / 'triage.db'}"
    migrate(url, keys)
    store = open_store(url, keys)
    move_in(store)
    yield store
    store.close()


@pytest.fixture
def running(clinic_store: Store, tmp_path: Path) -> Iterator[str]:
    """A desk on loopback in a thread of this process."""
    import uvicorn

    desk = Desk(clinic_store, registry=Registry(tmp_path))
    for case_id in receive(clinic_store, mail_from(1, "please refill"), mail_from(2, "my bill")):
        desk.queue.reroute(
            SECRETARY, case_id, route=Route.REFERRAL, urgency=Urgency.ROUTINE, why=NOTHING
        )
    port = free_port()
    app = create_app(desk, clinic_name="Test Clinic")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_the_export_is_for_data_scientists_and_holds_labels(running: str) -> None:
    rows = training_rows(running, SCIENTIST.username, PASSWORD)
    assert [row["route"] for row in rows] == ["referral", "referral"]
    assert {str(row["body"]) for row in rows} == {"please refill", "my bill"}
    with pytest.raises(NotAllowed):
        training_rows(running, WRITER.username, PASSWORD)
    # A secretary approves replies, so a password alone opens nothing.
    with pytest.raises(NotSignedIn):
        training_rows(running, SECRETARY.username, PASSWORD)
    with pytest.raises(NotSignedIn):
        training_rows(running, SCIENTIST.username, "wrong")


def test_a_leaking_row_stops_the_export_or_is_left_out(running: str, clinic_store: Store) -> None:
    desk, (case_id,) = Desk(clinic_store), receive(clinic_store, mail_from(1, "at 605-555-0148"))
    desk.queue.reroute(
        SECRETARY, case_id, route=Route.REFERRAL, urgency=Urgency.ROUTINE, why=NOTHING
    )
    with pytest.raises(LeakFound):
        training_rows(running, SCIENTIST.username, PASSWORD)
    rows = training_rows(running, SCIENTIST.username, PASSWORD, without_leaking=True)
    assert len(rows) == 2


# It trains a whole small router: half a minute when nothing else runs.
@pytest.mark.timeout(600)
def test_the_notebook_trains_compares_and_registers(
    running: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jupytext
    from nbclient import NotebookClient

    settings = {
        "TRIAGE_URL": running,
        "TRIAGE_USER": SCIENTIST.username,
        "TRIAGE_PASSWORD": PASSWORD,
        "TRIAGE_MODELS": str(tmp_path),
        "TRIAGE_SMALL": "1",
        "MPLBACKEND": "agg",
        # Threads that wait for each other cost more than they win on so little.
        "OMP_NUM_THREADS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    NotebookClient(jupytext.read(NOTEBOOK), timeout=500, kernel_name="python3").execute()
    model = Registry(tmp_path).get("router-candidate")
    assert (model.task, model.trainer) == ("router", SCIENTIST.username)


def test_the_built_notebook_is_the_script() -> None:
    import jupytext

    built = jupytext.read(NOTEBOOK.with_suffix(".ipynb"))
    script = jupytext.read(NOTEBOOK)
    assert [cell.source for cell in built.cells] == [cell.source for cell in script.cells]
