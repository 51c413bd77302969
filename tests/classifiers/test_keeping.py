"""What the clinic wants promised becomes the thresholds that serve, and mail never stops for it."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.promises import CAUTION, POINTS, Point, cautious, promise, write_points
from triage.classifiers.verdict import Policy
from triage.domain import Channel, Redacted, Route, Urgency
from triage.encoder import RouterScores, SentenceScore
from triage.errors import BadSettings, MissingModel

OWN = Policy(urgent_at=0.6, abstain_below=0.7)
#: 99 urgent messages of 0.30 and more, 120 calm ones of which the unsure are wrong.
TESTED = [Point(True, False, 0.3 + at / 200, 0.2, False) for at in range(99)]
TESTED += [Point(False, False, 0.01, 0.4 + at / 200, at >= 40) for at in range(120)]


class Session:
    """A router that scores every text alike, with whatever config its folder holds."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self.name = model.name
        self.config: Mapping[str, Any] = json.loads((model / "config.json").read_text())

    def predict(self, texts: Sequence[str]) -> list[RouterScores]:
        return [
            RouterScores(
                logits={route: 9.0 if route is Route.URGENT_CLINICAL else 0.0 for route in Route},
                asks=dict.fromkeys(Route, 0.1),
                urgency=(0.0, 1.0, 0.0),
                sentences=(SentenceScore(0, len(text), 0.9, 0.1, (0.1,) * 11),),
            )
            for text in texts
        ]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("triage.encoder.serving.RouterSession", Session)
    folder = tmp_path / "router-7"
    folder.mkdir()
    configure(folder)
    (folder / POINTS).write_text(json.dumps(write_points(TESTED)))
    return folder


def configure(folder: Path, **more: object) -> None:
    content = {"policy": OWN.as_dict(), **more}
    (folder / "config.json").write_text(json.dumps(content))


def serving(model: Path, **settings: object) -> Policy:
    return MiniLMClassifier({"model_dir": str(model), **settings})._policy


def test_without_a_promise_the_models_own_thresholds_serve(model: Path) -> None:
    assert serving(model) == OWN
    (model / POINTS).write_text("not read then")
    assert serving(model) == OWN


def test_a_promise_moves_the_two_thresholds_and_nothing_else(model: Path) -> None:
    kept = serving(model, promise_missed=0.02, promise_wrong=0.05)
    asked = promise(TESTED, missed=0.02, wrong=0.05)
    # 99 urgent: (1 + 1) / 100 allows one, so the lowest score but one would do; as no calm message
    # comes near, a lower threshold costs nothing and is taken.
    assert asked.urgent_at == 0.305
    assert kept == cautious(TESTED, asked).policy(OWN)
    assert kept.urgent_at == 0.0101
    assert kept.abstain_below != OWN.abstain_below
    assert serving(model, promise_missed=0.02).urgent_at == 0.0101


def test_a_threshold_of_the_settings_may_only_be_stricter(model: Path) -> None:
    asked = {"promise_missed": 0.02, "promise_wrong": 0.05}
    assert serving(model, **asked, threshold=0.9).abstain_below == 0.9
    assert serving(model, **asked, threshold=0.0) == serving(model, **asked)


def test_what_cannot_be_kept_serves_at_the_strictest_and_says_so(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = serving(model, promise_missed=0.001, promise_wrong=0.05)
    assert kept.urgent_at <= 0.3
    assert "router-7 cannot keep what is promised; it serves at 1.00 % missed" in caplog.text


def test_caution_raises_no_more_calm_messages_than_it_may() -> None:
    loud = [Point(False, False, 0.2 + at / 1000, 0.5, True) for at in range(100)]
    points = [*TESTED[:99], *loud]
    asked = promise(points, missed=0.02, wrong=0.5)
    kept = cautious(points, asked)
    assert kept.urgent_at < asked.urgent_at
    assert 0 < kept.false_alarms.hits <= CAUTION * len(loud)
    # Sabotage: a threshold a step lower would raise one too many.
    assert sum(point.p_urgent >= kept.urgent_at - 0.001 for point in loud) > CAUTION * len(loud)


@pytest.mark.parametrize("points", [None, TESTED[:5], TESTED[99:]])
def test_a_model_that_can_promise_nothing_still_reads_mail(
    model: Path, points: list[Point] | None, caplog: pytest.LogCaptureFixture
) -> None:
    (model / POINTS).unlink()
    if points is not None:
        (model / POINTS).write_text(json.dumps(write_points(points)))
    with caplog.at_level(logging.WARNING):
        assert serving(model, promise_missed=0.01, promise_wrong=0.031) == OWN
    assert "router-7 serves by its own thresholds" in caplog.text


def test_a_spoilt_file_is_a_missing_model_once_it_is_needed(model: Path) -> None:
    (model / POINTS).write_text('[{"urgent": 1}]')
    with pytest.raises(MissingModel):
        serving(model, promise_missed=0.01)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, "few", True, float("nan")])
@pytest.mark.parametrize("name", ["promise_missed", "promise_wrong"])
def test_what_is_no_share_is_a_bad_setting(model: Path, name: str, value: object) -> None:
    with pytest.raises(BadSettings, match=rf"minilm\.{name}"):
        serving(model, **{name: value})


def test_a_held_group_is_left_to_people_with_its_route_and_urgency(model: Path) -> None:
    texts = [
        Redacted("receta", "Hola, necesito una cita para mi hija porque tiene fiebre desde ayer"),
        Redacted("refill", "Please could you refill the pills that I have been taking for a year"),
        Redacted("refill", "Please could you refill my pills", channel=Channel.PORTAL),
    ]
    configure(model, held=["language: Spanish", "channel: portal"])
    said = MiniLMClassifier({"model_dir": str(model)}).classify(texts)
    assert [each.abstained for each in said] == [True, False, True]
    assert {each.route for each in said} == {Route.URGENT_CLINICAL}
    assert {each.urgency for each in said} == {Urgency.TODAY}
    configure(model, held=[])
    said = MiniLMClassifier({"model_dir": str(model)}).classify(texts)
    assert not any(each.abstained for each in said)


@pytest.mark.parametrize("held", ["language: Spanish", [1], {"language": "Spanish"}])
def test_held_groups_that_are_no_words_are_a_missing_model(model: Path, held: object) -> None:
    configure(model, held=held)
    with pytest.raises(MissingModel, match="router-7"):
        MiniLMClassifier({"model_dir": str(model)})
