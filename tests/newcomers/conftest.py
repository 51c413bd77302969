"""A practice for training, set up once and copied for each test."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.newcomers.trainees import Trainee
from tests.small_practice import Hider, Watch
from triage.cli.newcomers.filing import begin_replies, set_exercises
from triage.cli.newcomers.home import CLINIC, keep_logins, move_in, set_up
from triage.cli.newcomers.reading import EXERCISES, read_exercises
from triage.desk.desk import utcnow
from triage.desk.score import SET
from triage.domain import Exercise
from triage.drafting.templates import TemplateDrafter
from triage.parsing import parse
from triage.pipeline import Rooms
from triage.priority import rank
from triage.wiring import House


@pytest.fixture(scope="package", autouse=True)
def nothing_to_sign() -> Iterator[None]:
    """Leave out what a clinician signs: the table of rules takes a second to read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("triage.wiring.clinical_digests", dict)
        yield


@pytest.fixture(scope="session")
def exercises() -> tuple[Exercise, ...]:
    return read_exercises(EXERCISES)


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory, exercises: Sequence[Exercise]) -> Path:
    """A home with every exercise in its queue, read by a redactor and rules that load nothing."""
    home = tmp_path_factory.mktemp("training") / "home"
    house = set_up(home, port=0, undo=0)
    store = house.store()
    keep_logins(home, move_in(house, store, trainee="Ana Ruiz").values())
    drafter = TemplateDrafter({"facts": dict(house.settings.clinic.facts)})
    rooms = Rooms(parse, Hider(), Hider(), Watch(), rank, drafter)  # type: ignore[arg-type]  # The exercise sorts.
    set_exercises(store, exercises, rooms, clinic=CLINIC)
    nia = next(user for user in store.people.users(clinic=CLINIC) if user.username == "nia")
    begin_replies(house.desk(store), store, exercises, colleague=nia)
    store.close()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture
def trainee(home: Path, exercises: tuple[Exercise, ...]) -> Iterator[Trainee]:
    house = House.at(home)
    store = house.store()
    events = store.audit.events(clinic=CLINIC, by="test", action=SET, limit=1000)
    cases = {event.detail["exercise"]: event.cases[0] for event in events}
    yield Trainee(house, store, exercises, cases, utcnow())
    store.close()
