"""The home folder of a practice for training: made, opened again, thrown away; never a real one.

Rule of the room: what is not certainly a practice for training is not touched.
"""

import json
import shutil
import tomllib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from triage.cli.clinic import make_master
from triage.cli.demo.practice import SAMPLES, Login, flat_facts, furnish, quoted
from triage.domain import Role, User
from triage.errors import NotForTraining, TriageError
from triage.store import Keys, Store, migrate
from triage.store.paper_seal import make_key as make_paper_key
from triage.upkeep import PAPER_KEY
from triage.wiring import House

#: No real clinic has this id: `triage init` and the file of settings would let it, so that a home
#: counts as one for training only when its settings say so, too.
CLINIC = "staff-training"
TRAINEE, COLLEAGUE, TRAINER = "trainee", "nia", "trainer"
#: Who may do what in there, in the order they are printed.
PEOPLE = (
    (TRAINEE, "New colleague", frozenset({Role.SECRETARY})),
    (COLLEAGUE, "Nia Okafor", frozenset({Role.NURSE})),
    (TRAINER, "Trainer", frozenset({Role.SUPERVISOR})),
)
#: Names, passwords and keys of these invented people, for the terminal that runs the practice.
LOGINS = "logins.json"


def require_training(home: Path) -> None:
    """Raise NotForTraining unless nothing is there, or a practice for training and nothing else."""
    if not home.exists() or (home.is_dir() and not any(home.iterdir())):
        return
    try:
        house = House.at(home)
    except (TriageError, OSError):
        raise NotForTraining(str(home)) from None
    if not house.settings.desk.staff_training or house.settings.clinic.id != CLINIC:
        raise NotForTraining(str(home))
    if (home / "triage.db").exists():
        with closing(house.store()) as store:
            if {clinic.id for clinic in store.people.clinics()} - {CLINIC}:
                raise NotForTraining(str(home))


def throw_away(home: Path) -> None:
    """Forget a practice for training, so that the next person starts over."""
    require_training(home)
    if home.exists():
        shutil.rmtree(home)


def set_up(home: Path, *, port: int, undo: float = 30.0) -> House:
    """Make a fresh home: settings without any door, keys of its own, an empty store."""
    require_training(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / "triage.toml").write_text(_settings(port, undo), encoding="utf-8")
    make_master(home)
    keys = Keys.make(home / "keys")
    make_paper_key(home / PAPER_KEY)
    house = House.at(home)
    migrate(house.url, keys)
    return house


def move_in(house: House, store: Store, *, trainee: str) -> dict[str, Login]:
    """Add the people and the invented roster; return how to sign in as each."""
    clinic = house.settings.clinic.id
    shown = {TRAINEE: trainee} if trainee else {}
    users = [
        User(f"training-{username}", clinic, username, shown.get(username, name), roles)
        for username, name, roles in PEOPLE
    ]
    return furnish(house, store, users, by="training")


def keep_logins(home: Path, logins: Iterable[Login]) -> None:
    """Write down how to sign in, for the next start; readable by its owner only."""
    path = home / LOGINS
    path.touch(mode=0o600)
    kept = [{**asdict(one), "user": one.user.username} for one in logins]
    path.write_text(json.dumps(kept), encoding="utf-8")


def read_logins(home: Path, store: Store) -> dict[str, Login]:
    """Return what `keep_logins` wrote; raise NotForTraining where setting up did not end."""
    people = {user.username: user for user in store.people.users(clinic=CLINIC)}
    try:
        kept = json.loads((home / LOGINS).read_text(encoding="utf-8"))
        return {one["user"]: Login(**{**one, "user": people[one["user"]]}) for one in kept}
    except (OSError, ValueError, KeyError):
        raise NotForTraining(f"{home}, not set up to its end; use --start-over") from None


def _settings(port: int, undo: float) -> str:
    facts = tomllib.loads((SAMPLES / "practice.toml").read_text(encoding="utf-8"))
    lines = [
        "# A practice for training new staff. Nobody in it is real and nothing leaves it.",
        "[clinic]",
        f'id = "{CLINIC}"',
        f"name = {quoted(str(facts['name']) + ' (practice mode)')}",
        f"timezone = {quoted(str(facts['time_zone']))}",
        "[clinic.facts]",
        *(f"{key} = {quoted(value)}" for key, value in flat_facts(facts).items()),
        "[parts]",
        # How a message is sorted stands in its exercise.
        'classifier = "abstain"',
        "[backup]",
        'folder = ""',
        "[desk]",
        f"port = {port}",
        "staff_training = true",
        f"undo_seconds = {undo}",
        f"mail_domain = {quoted(str(facts['mail_domain']))}",
    ]
    return "\n".join(lines) + "\n"
