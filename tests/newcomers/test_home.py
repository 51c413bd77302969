"""A practice for training is apart from every real one, and nothing can leave it."""

import socket
from pathlib import Path

import pytest

from tests.newcomers.trainees import WORDS, Trainee
from triage.cli.newcomers.home import (
    LOGINS,
    read_logins,
    require_training,
    set_up,
    throw_away,
)
from triage.cli.newcomers.nowhere import Nowhere
from triage.cli.starting import refuse_unsafe
from triage.connectors import OUTBOXES
from triage.domain import Clinic, Result
from triage.errors import BadSettings, NotForTraining, UnsafeSetting
from triage.settings import read_settings
from triage.wiring import House

REAL = '[clinic]\nid = "willow"\nname = "Willow"\n'
DOOR = '[[outbox]]\nname = "out"\nkind = "smtp"\nchannel = "email"\nhost = "smtp.example.org"\n'


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "files",
    [
        {"triage.toml": REAL},
        {"triage.toml": REAL.replace("willow", "staff-training")},
        {"triage.toml": f"{REAL}[desk]\nstaff_training = true\n"},
        {"triage.toml": "not a line of settings"},
        {"triage.db": "somebody's database"},
        {"letter.txt": "anything"},
    ],
)
def test_a_folder_with_anything_else_is_refused_and_left_as_it_is(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = every_file(tmp_path)
    for attempt in (require_training, throw_away, lambda home: set_up(home, port=0)):
        with pytest.raises(NotForTraining):
            attempt(tmp_path)
    assert every_file(tmp_path) == before


def test_a_store_with_a_real_clinic_in_it_is_refused(home: Path) -> None:
    require_training(home)
    store = House.at(home).store()
    store.people.add_clinic(Clinic("willow", "Willow Creek"))
    store.close()
    with pytest.raises(NotForTraining):
        throw_away(home)
    assert (home / "triage.db").exists()


@pytest.mark.parametrize("part", ["all", "worker", "sender", "web", "watch"])
def test_a_practice_for_training_never_runs_as_a_real_one(home: Path, part: str) -> None:
    with pytest.raises(UnsafeSetting, match="train-staff"):
        refuse_unsafe(home, part)


def test_without_the_line_of_the_settings_it_would_run(home: Path) -> None:
    """Sabotage: that line is what keeps `triage run` out."""
    settings = home / "triage.toml"
    settings.write_text(settings.read_text().replace("staff_training = true\n", ""))
    refuse_unsafe(home, "web")


@pytest.mark.parametrize(
    "line",
    [
        DOOR,
        DOOR.replace("outbox", "alert").replace('channel = "email"\n', ""),
        '[[inbox]]\nname = "in"\nkind = "imap"\nhost = "imap.example.org"\n',
        '[[hook]]\nname = "web"\nkind = "form"\n',
        '[store]\nurl = "postgresql://db.example.org/triage"\n',
        '[store]\nurl = "sqlite:////srv/triage/triage.db"\n',
        '[openid]\nissuer = "https://login.example.org"\n',
        '[watch]\nheartbeat_url = "https://watch.example.org"\n',
        '[canary]\ninbox = "in"\nto = "us@example.org"\n',
    ],
)
def test_its_settings_take_no_door_and_no_other_store(home: Path, line: str) -> None:
    settings = home / "triage.toml"
    read_settings(home)
    settings.write_text(f"{settings.read_text()}{line}")
    with pytest.raises(BadSettings, match="no doors"):
        read_settings(home)


def test_its_settings_stay_on_this_computer(home: Path) -> None:
    settings = home / "triage.toml"
    settings.write_text(settings.read_text().replace("[desk]\n", '[desk]\nhost = "0.0.0.0"\n'))
    with pytest.raises(BadSettings, match=r"127\.0\.0\.1"):
        read_settings(home)


def test_nothing_that_is_approved_leaves(trainee: Trainee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert trainee.house.outboxes() == {}
    assert not (trainee.house.home / "secrets").exists()
    one = trainee.one("refill-es")
    trainee.read(one)
    trainee.answer(one, WORDS)
    assert trainee.settle() == 1
    (reply,) = trainee.store.cases.get(
        trainee.cases[one.id], clinic=trainee.me.clinic, by="test"
    ).replies
    assert reply.state == "sent"
    assert reply.receipt.reveal() == "practised; nothing left this computer"


def test_a_way_out_that_leads_somewhere_would_be_seen(
    trainee: Trainee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: the way out of training opens a connection."""
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    def send(*_: object, **__: object) -> str:
        socket.create_connection(("smtp.example.org", 25))
        return "sent"

    monkeypatch.setattr(Nowhere, "send", send)
    one = trainee.one("refill-es")
    trainee.answer(one, WORDS)
    trainee.settle()
    (reply,) = trainee.store.cases.get(
        trainee.cases[one.id], clinic=trainee.me.clinic, by="test"
    ).replies
    assert reply.state == "uncertain"


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("something tried to leave")


def test_no_clinic_can_choose_the_way_out_that_leads_nowhere() -> None:
    assert not [name for name, place in OUTBOXES.items() if "nowhere" in f"{name} {place}".lower()]


def test_the_next_start_knows_everybody_and_starting_over_forgets(trainee: Trainee) -> None:
    home = trainee.house.home
    logins = read_logins(home, trainee.store)
    assert {name: one.user.display_name for name, one in logins.items()} == {
        "trainee": "Ana Ruiz",
        "nia": "Nia Okafor",
        "trainer": "Trainer",
    }
    assert (home / LOGINS).stat().st_mode & 0o077 == 0
    trainee.store.people.check_password("trainee", logins["trainee"].password)
    sheet = trainee.sheet()
    assert sheet.number(Result.MISSED) == 0
    assert sheet.number(Result.RIGHT) == 0, "nothing was done yet, and nothing counts"
    (home / LOGINS).write_text("[")
    with pytest.raises(NotForTraining, match="start-over"):
        read_logins(home, trainee.store)
    trainee.store.close()
    throw_away(home)
    assert not home.exists()
    throw_away(home)
