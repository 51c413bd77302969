"""`triage export`: a file for one pair of eyes, whole or not at all, and never over another."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.small_practice import SCIENTIST, SECRETARY, WRITER, mail_from, move_in, receive
from triage.classifiers.dataset import read_rows
from triage.cli import app
from triage.cli.export import write_private
from triage.desk import Desk
from triage.domain import NOTHING, Route, Urgency
from triage.errors import EnrolmentWanted, FileRefused, LeakFound, NotAllowed
from triage.wiring import House

PASSWORD = "correct horse battery staple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clinic's home with two labelled messages; in one a telephone number is readable."""
    monkeypatch.setenv("TRIAGE_PASSWORD", PASSWORD)
    folder = tmp_path / "home"
    done = CliRunner().invoke(app, ["init", "--id", "c9", "--name", "C", "--home", str(folder)])
    assert done.exit_code == 0, done.output
    store = House.at(folder).store()
    move_in(store)
    desk = Desk(store)
    letters = (mail_from(1, "a referral for [NAME_1]"), mail_from(2, "call 605-555-0148"))
    for case_id in receive(store, *letters):
        desk.queue.reroute(
            SECRETARY, case_id, route=Route.REFERRAL, urgency=Urgency.ROUTINE, why=NOTHING
        )
    store.close()
    return folder


def export(home: Path, out: Path, *words: str, who: str = SCIENTIST.username) -> Result:
    command = ["export", "--out", str(out), "--as", who, "--home", str(home), *words]
    return CliRunner().invoke(app, command)


def test_a_leaking_row_stops_the_file_and_can_be_left_out(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    refused = export(home, out)
    assert isinstance(refused.exception, LeakFound)
    assert "605-555" not in f"{refused.exception}{refused.output}"
    assert not out.exists()
    done = export(home, out, "--without-leaking")
    assert done.exit_code == 0, done.output
    assert f"1 rows in {out}" in done.output.replace("\n", "")
    assert "1 rows left out" in done.output
    (row,) = read_rows(out)
    assert (row.body.strip(), row.route) == ("a referral for [NAME_1]", Route.REFERRAL)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_seed_draws_the_same_surrogates_and_no_seed_does_not(home: Path, tmp_path: Path) -> None:
    words = ("--surrogates", "--without-leaking")
    texts = []
    for name, more in {"a": ("--seed", "5"), "b": ("--seed", "5"), "c": (), "d": ()}.items():
        done = export(home, tmp_path / name, *words, *more)
        assert done.exit_code == 0, done.output
        (row,) = read_rows(tmp_path / name)
        (span,) = row.phi
        assert row.body[: span.start] == "a referral for "
        texts.append(row.body)
    assert texts[0] == texts[1]
    assert len(set(texts[1:])) == 3


def test_a_file_that_is_there_stays_unless_forced(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("mine")
    refused = export(home, out, "--without-leaking")
    assert isinstance(refused.exception, FileRefused)
    assert out.read_text() == "mine"
    assert export(home, out, "--without-leaking", "--force").exit_code == 0
    assert len(read_rows(out)) == 1
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_only_a_data_scientist_may_export(home: Path, tmp_path: Path) -> None:
    refused = export(home, tmp_path / "rows.jsonl", who=WRITER.username)
    assert isinstance(refused.exception, NotAllowed)
    # A secretary approves replies, so a password alone opens nothing.
    refused = export(home, tmp_path / "rows.jsonl", who=SECRETARY.username)
    assert isinstance(refused.exception, EnrolmentWanted)
    assert list(tmp_path.glob("*rows*")) == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def lines():  # type: ignore[no-untyped-def]  # A generator that breaks.
        yield "one"
        raise RuntimeError

    out = tmp_path / "rows.jsonl"
    with pytest.raises(RuntimeError):
        write_private(out, lines(), force=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileRefused):
        write_private(tmp_path / "nowhere" / "rows.jsonl", ["one"], force=False)
    out.write_text("mine")
    with pytest.raises(FileRefused):
        write_private(out, ["one"], force=False)
    assert (out.read_text(), list(tmp_path.iterdir())) == ("mine", [out])
