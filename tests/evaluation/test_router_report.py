"""From labelled messages to a model folder with thresholds, numbers and a card."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.training import train
from triage.domain import Redacted
from triage.evaluation.router import report_router

#: Trains and exports a small model of its own.
pytestmark = pytest.mark.timeout(600)

WORDS = {
    "refill": "Please refill my pills, {} tablets are left.",
    "billing_dispute": "I was charged {} dollars twice on this bill.",
    "reschedule": "Can we move my visit {} days later?",
    "urgent_clinical": "Crushing chest pain for {} hours and I cannot breathe.",
}


@pytest.fixture(autouse=True)
def own_cache() -> Iterator[None]:
    with tiny.own_cache():
        yield


def write(path: Path, numbers: range) -> None:
    rows = [
        {
            "id": f"{route}-{number}",
            "channel": "email",
            "subject": "",
            "body": words.format(number),
            "route": route,
            "also": [],
            "urgency": "emergency" if route == "urgent_clinical" else "routine",
            "phi": [],
            "tags": ["everyday"],
        }
        for number in numbers
        for route, words in WORDS.items()
    ]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")


def test_a_model_is_trained_measured_and_described(tmp_path: Path) -> None:
    messages = tmp_path / "messages"
    messages.mkdir()
    write(messages / "train-x.jsonl", range(2, 8))
    write(messages / "dev.jsonl", range(8, 14))
    write(messages / "report.jsonl", range(14, 16))
    out = tmp_path / "router-x"
    numbers = train(out, messages=messages, epochs=1, layers=1, trainer="robin", progress=False)
    assert numbers["dev_messages"] == 24
    assert numbers["dev_macro_f1"] > 0.9
    config = json.loads((out / "config.json").read_text())
    assert (config["task"], config["trainer"], config["texts"]) == ("router", "robin", 24)

    tables = report_router(out, messages=messages)
    assert "rules + model" in tables
    card = (out / "card.md").read_text()
    assert "No public corpus was used" in card
    assert tables in card
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["report_messages"] == 8
    assert metrics["dev_messages"] == 24

    (said,) = MiniLMClassifier({"model_dir": str(out)}).classify(
        [Redacted("", WORDS["refill"].format(30))]
    )
    assert said.route == "refill"
