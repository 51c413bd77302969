"""The router that serves was settled with the rules that serve, passed the gate and has a card."""

import json

import pytest

from triage.classifiers.promises import at_best, cautious, points_of
from triage.encoder.registry import SHIPPED, Registry
from triage.priority import RedFlags

FOLDER = Registry(SHIPPED.parent).folder("router")


@pytest.fixture(scope="module")
def config() -> dict[str, object]:
    content: dict[str, object] = json.loads((FOLDER / "config.json").read_text("utf-8"))
    return content


def test_it_passed_the_release_gate(config: dict[str, object]) -> None:
    gate = config["gate"]
    assert isinstance(gate, dict)
    assert gate["passed"] is True


def test_it_was_settled_beside_the_rules_as_they_are(config: dict[str, object]) -> None:
    assert config["rules"] == RedFlags().digest, "run `triage evaluate settle` on it"


def test_its_thresholds_are_those_of_its_own_calibration(config: dict[str, object]) -> None:
    points = points_of(FOLDER)
    promised = cautious(points, at_best(points))
    policy = config["policy"]
    assert isinstance(policy, dict)
    thresholds = (policy["urgent_at"], policy["abstain_below"])
    assert thresholds == pytest.approx((promised.urgent_at, promised.routed_at), abs=1e-4)


def test_it_has_a_card_with_its_figures() -> None:
    card = (FOLDER / "card.md").read_text("utf-8")
    assert "urgent messages found" in card
    assert "not reviewed by a clinician" in card
    assert (FOLDER / "reliability.svg").exists()
