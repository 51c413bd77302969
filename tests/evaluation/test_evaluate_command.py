"""`triage evaluate redaction`: tables on standard output, words of leaks only when asked for."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from triage.cli import app, evaluating
from triage.domain import IdentifierType, Message, Redacted, Span
from triage.errors import BadRow

ROWS = [
    {
        "id": "a-1",
        "channel": "fax",
        "subject": "for Bea",
        "body": "Call Zebediah today",
        "phi": [
            {"field": "subject", "start": 4, "end": 7, "type": "NAME"},
            {"field": "body", "start": 5, "end": 13, "type": "NAME"},
        ],
        "writer": "w1",
    },
    {"id": "a-2", "channel": "feed", "subject": "", "body": "No one here", "phi": []},
]


class Subjects:
    """Hides the last three letters of every subject and nothing else."""

    name = "subjects"

    def redact(
        self, messages: Sequence[Message], backgrounds: Sequence[object] = ()
    ) -> list[Redacted]:
        spans = (Span("subject", 4, 7, IdentifierType.NAME, "x", 1.0),)
        return [Redacted("", "", spans if message.subject else ()) for message in messages]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(evaluating, "_redactors", lambda model, against: [Subjects()])
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), "utf-8")
    return path


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", "redaction", *words])
    assert done.exit_code == 0, done.stderr
    assert "Zebediah" not in done.stderr
    return done.stdout


def test_the_table_is_printed_without_words_of_the_messages(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        text = run(str(file))
    assert "2 messages of set.jsonl" in text
    assert "1/2 = 50.0% (1.3% to 98.7%)" in text
    assert "too few to say" in text
    assert "Zebediah" not in text + caplog.text


def test_leaks_are_listed_with_place_and_words_when_asked_for(file: Path) -> None:
    text = run(str(file), "--leaks")
    assert "1 leaks" in text
    assert "a-1  NAME  body 5-13  'Zebediah'  8 of 8 open" in text
    assert "'Bea'" not in text


def test_parts_and_numbers(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    text = run(str(file), "--by", "writer", "--json", str(out))
    assert "| w1 " in text
    written = out.read_text("utf-8")
    assert "Zebediah" not in written
    numbers = json.loads(written)
    assert numbers["figures"]["subjects"]["direct_recall"] == 0.5
    assert numbers["targets"]["NAME"] == {"target": ">= 97.0%", "verdict": "too few to say"}
    assert numbers["by"]["w1"]["recall"] == 0.5
    assert numbers["leaks"] == [
        {"id": "a-1", "type": "NAME", "field": "body", "start": 5, "end": 13}
    ]


def test_an_empty_file_is_no_measurement(file: Path) -> None:
    file.write_text("\n")
    done = CliRunner().invoke(app, ["evaluate", "redaction", str(file)])
    assert isinstance(done.exception, BadRow)


@pytest.mark.timeout(600)
def test_ours_stands_beside_stock(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    row = {
        "body": "I am Ann Lee",
        "phi": [{"field": "body", "start": 5, "end": 12, "type": "NAME"}],
    }
    path.write_text(json.dumps({"id": "1"} | row), "utf-8")
    text = run(str(path), "--against", "stock")
    head = text.splitlines()[2]
    assert "presidio/" in head
    assert "stock Presidio 2." in head
