"""`triage redact` and `triage classify`: one result per line, in order, whatever the lines hold."""

import io
import json
from collections.abc import Callable

import pytest

from tests.small_practice import rooms
from triage.cli import batch
from triage.redaction.withhold import WithholdEverything

Run = Callable[..., list[dict[str, object]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(name: str, *lines: bytes | dict[str, object]) -> list[dict[str, object]]:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        stream = io.TextIOWrapper(io.BytesIO(b"\n".join(raw) + b"\n"))
        monkeypatch.setattr("sys.stdin", stream)
        monkeypatch.setattr(batch, "_rooms", lambda home: rooms())
        getattr(batch, name)()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return command


def test_classify_answers_every_line_in_order(run: Run) -> None:
    lines = [{"id": n, "body": f"please refill {n}"} for n in range(150)]
    results = run("classify", *lines)
    assert [result["id"] for result in results] == list(range(150))
    keys = {"id", "route", "also", "urgency", "confidence", "priority", "because", "abstained"}
    assert set(results[0]) == keys
    assert results[0]["route"] == "refill"


def test_a_rule_that_raises_urgency_moves_the_models_route_to_also(run: Run) -> None:
    (result,) = run("classify", {"id": "a", "body": "please refill; I have chest pain"})
    assert result["route"] == "urgent_clinical"
    assert result["also"] == ["refill"]
    assert result["urgency"] == "emergency"


def test_missing_and_unknown_keys_are_fine(run: Run) -> None:
    results = run(
        "classify",
        {"id": 1, "body": "x"},
        {"id": 2, "channel": "portal", "subject": "", "body": "", "colour": "red"},
        {"id": None, "channel": "", "subject": None, "body": "my bill"},
    )
    assert [result["id"] for result in results] == [1, 2, None]
    assert results[2]["route"] == "billing_dispute"


@pytest.mark.parametrize(
    ("line", "known_id"),
    [
        (b"{not json", None),
        (b"[1, 2]", None),
        (b'"text"', None),
        (b'{"id": 7}', 7),
        (b'{"id": 7, "body": 3}', 7),
        (b'{"id": 7, "body": "x", "channel": "pigeon"}', 7),
        (b'{"id": 7, "body": "x", "subject": []}', 7),
        (b'\xff\xfe{"id": 7}', None),
        (b"[" * 100_000, None),
    ],
)
@pytest.mark.parametrize("command", ["classify", "redact"])
def test_a_bad_line_gives_an_error_and_the_rest_goes_on(
    run: Run, command: str, line: bytes, known_id: object
) -> None:
    results = run(command, {"id": "a", "body": "x"}, line, {"id": "b", "body": "y"})
    assert [result["id"] for result in results] == ["a", known_id, "b"]
    assert set(results[1]) == {"id", "error"}
    assert "error" not in results[2]


def test_redact_keeps_fields_and_lists_spans(run: Run) -> None:
    (result,) = run("redact", {"id": "a", "subject": "hi", "body": "> quoted\nnew \U0001f600 text"})
    assert result == {
        "id": "a",
        "subject": "hi",
        "body": "> quoted\nnew \U0001f600 text",
        "spans": [],
    }


def test_withheld_text_is_an_error_not_a_leak(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = rooms(redactor=WithholdEverything())
    monkeypatch.setattr("tests.test_batch.rooms", lambda: closed)
    (result,) = run("redact", {"id": "a", "body": "secret words"})
    assert set(result) == {"id", "error"}
    assert "secret" not in json.dumps(result)


def test_lone_surrogates_do_not_break_the_output(run: Run) -> None:
    (result,) = run("redact", b'{"id": "a", "body": "\\ud800 x"}')
    assert result["body"] == "? x"
