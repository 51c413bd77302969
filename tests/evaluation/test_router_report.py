"""From labelled messages to a model folder with thresholds, numbers and a card."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny
from triage.classifiers.dataset import read_part
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.promises import read_points
from triage.classifiers.training import train
from triage.domain import Redacted, Route, Share, Urgency
from triage.errors import BadSettings
from triage.evaluation import gate, settling
from triage.evaluation.card import promise_table
from triage.evaluation.gate import walk
from triage.evaluation.readings import Shown, show
from triage.evaluation.router import report_router
from triage.evaluation.settling import settle

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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute in one thread: on so little, threads that wait for each other cost more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small router, and the messages it was made from and is measured on."""
    data = tmp_path_factory.mktemp("data")
    for name, numbers in PARTS.items():
        (data / name).parent.mkdir(exist_ok=True)
        write(data / name, numbers)
    out = data / "router-x"
    with tiny.own_cache():
        numbers = train(
            out, data=data, epochs=1, layers=1, warm=100, trainer="robin", progress=False
        )
    assert numbers["dev_messages"] == 24
    assert numbers["dev_macro_f1"] > 0.9
    return out, data


PARTS = {
    "messages/train-x.jsonl": range(2, 8),
    "messages/dev.jsonl": range(8, 14),
    "routes/calibration.jsonl": range(14, 34),
    "routes/report.jsonl": range(34, 37),
    "routes/fresh.jsonl": range(37, 39),
}


def test_a_model_is_trained_settled_measured_and_described(made: tuple[Path, Path]) -> None:
    out, data = made
    config = json.loads((out / "config.json").read_text())
    assert (config["task"], config["trainer"], config["texts"]) == ("router", "robin", 24)

    settled = settle(out, root=data)
    assert settled.promise is not None
    config = json.loads((out / "config.json").read_text())
    assert config["policy"]["urgent_at"] == round(settled.promise.urgent_at, 4)
    assert config["gate"]["passed"] is settled.gate.passed
    assert config["held"] == list(settled.gate.held)
    points = read_points(json.loads((out / "calibration.json").read_text()))
    assert len(points) == 80
    assert sum(point.urgent for point in points) == 20
    # Twenty urgent messages cannot carry one in a hundred: the strictest they can is taken.
    assert settled.promise.missed == pytest.approx(1 / 21)
    assert "4.8%" in promise_table(settled.promise)

    tables = report_router(out, root=data)
    for words in ("rules + model", "frozen MiniLM + LR", "TF-IDF + LR", "keywords", "language"):
        assert words in tables
    card = (out / "card.md").read_text()
    assert "No public corpus was used" in card
    assert "4.8%" in card
    assert (out / "reliability.svg").read_text().startswith("<svg")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["report_messages"] == 12
    assert metrics["fresh_messages"] == 8
    assert metrics["dev_messages"] == 24

    (said,) = MiniLMClassifier({"model_dir": str(out)}).classify(
        [Redacted("", WORDS["refill"].format(30))]
    )
    assert said.route == "refill"


def test_a_candidate_upset_by_capitals_stays_outside(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, data = made
    rows = read_part(["routes/calibration.jsonl"], data)
    shown = show(out, rows)
    assert walk(out, shown).all_copies.fallen.hits == 0

    # Sabotage: copies that say something else altogether.
    lost = {"lost": lambda text, chance: text and WORDS["refill"].format(3)}
    monkeypatch.setattr(gate, "PERTURBATIONS", lost)
    spoilt = walk(out, shown)
    assert not spoilt.passed
    assert spoilt.copies["lost"].fallen == Share(20, 20)
    assert "NOT passed" in str(spoilt)


def test_a_group_that_falls_behind_is_held(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Groups are held by what was said of the messages themselves; no copy has a say in it.
    monkeypatch.setattr(gate, "PERTURBATIONS", {})
    out, data = made
    shown = show(out, read_part(["routes/calibration.jsonl"], data))
    wrong = {row.id for row in shown.rows[:30]}
    groups = [
        frozenset({"language: Spanish" if row.id in wrong else "language: English"})
        for row in shown.rows
    ]
    rows = [
        replace(row, route=Route.GENERAL, urgency=Urgency.ROUTINE) if row.id in wrong else row
        for row in shown.rows
    ]
    assert walk(out, Shown(rows, shown.flags, shown.said, groups)).held == ("language: Spanish",)


def test_a_model_that_can_promise_nothing_routes_nothing_and_stays_outside(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, data = made
    copy = tiny.copy(out, data / "copies")

    def refuse(points: object) -> None:
        raise BadSettings("too few")

    monkeypatch.setattr(settling, "at_best", refuse)
    # No copy can shut the gate here: if it is shut, then for want of a promise.
    monkeypatch.setattr(gate, "PERTURBATIONS", {})
    assert settle(copy, root=data).promise is None
    config = json.loads((copy / "config.json").read_text())
    assert config["policy"]["abstain_below"] == 1.0
    assert config["gate"]["passed"] is False
    assert "allow no promise" in promise_table(None)
