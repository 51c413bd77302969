"""`triage inbox fetch`: everything new from a real Dovecot, each mail once."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import copy_database
from tests.servers import PASSWORD, DovecotServer
from tests.store.test_landing import written
from triage.cli import app
from triage.domain import Clinic
from triage.store import Keys
from triage.testing import mail
from triage.wiring import House

SETTINGS = """
[clinic]
id = "c1"
name = "Test Clinic"
[store]
url = "sqlite:///triage.db"
[[inbox]]
name = "front-desk"
kind = "imap"
host = "127.0.0.1"
port = {port}
user = "clinic"
security = "plain"
"""


@pytest.fixture
def house(tmp_path: Path, sqlite_template: Path, keys: Keys) -> House:
    """A home folder whose keys and database are made and whose clinic is there."""
    copy_database(sqlite_template, tmp_path / "triage.db")
    for name in ("keys", "secrets"):
        (tmp_path / name).mkdir()
    written(keys, tmp_path / "keys")
    (tmp_path / "secrets" / "front-desk").touch(mode=0o600)
    (tmp_path / "secrets" / "front-desk").write_text(PASSWORD)
    (tmp_path / "triage.toml").write_text(SETTINGS.format(port=1))
    house = House.at(tmp_path)
    store = house.store()
    store.people.add_clinic(Clinic("c1", "Test Clinic"))
    store.close()
    return house


def run(*words: str, house: House) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["inbox", *words, "--home", str(house.home)])
    return done.exit_code, f"{done.output}{done.exception or ''}"


def stored(house: House) -> list[bytes]:
    store = house.store()
    waiting = store.landing.waiting(limit=99, clinic="c1")
    found = [store.landing.raw(raw_id, clinic="c1", by="test").content for _, raw_id in waiting]
    store.close()
    return found


def test_all_that_is_new_is_fetched_once_and_waits_to_be_sorted(house: House) -> None:
    mails = [mail(f"message number {n}", message_id=f"<{n}@example.org>") for n in range(7)]
    with DovecotServer() as server:
        (house.home / "triage.toml").write_text(SETTINGS.format(port=server.port))
        server.append(mails[:5])
        assert run("fetch", "front-desk", house=house) == (
            0,
            "front-desk: 5 new messages are fetched and stored.\n",
        )
        assert stored(house) == mails[:5]
        server.append(mails[5:])
        assert "front-desk: 2 new" in run("fetch", "front-desk", house=house)[1]
        assert "front-desk: 0 new" in run("fetch", "front-desk", house=house)[1]
        assert stored(house) == mails
        # What the command fetched is compared with the server, as when the worker fetches.
        assert "7 listed, all stored" in run("check", "front-desk", house=house)[1]
        assert " STORE " not in server.commands()
    code, words = run("fetch", "front-desk", house=house)
    assert code, "a server that is away is said, not passed over"
    assert PASSWORD not in words
    assert stored(house) == mails


def test_an_inbox_that_nobody_set_up_is_said_with_those_that_are(house: House) -> None:
    code, words = run("fetch", "back-door", house=house)
    assert code
    assert "known: front-desk" in words
