"""The shipped classifier as the path uses it, and everything that can be wrong with its model."""

import json
import os
import random
from pathlib import Path

import pytest

from tests import tiny
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.variation import NAMES
from triage.classifiers.wording import compose, vary
from triage.domain import Redacted, Route, Urgency
from triage.encoder import folder
from triage.errors import BadSettings, ClassificationFailed, MissingModel
from triage.testing import check_classifier

#: The first test of a machine trains and exports the tiny models.
pytestmark = pytest.mark.timeout(600)

BURIED = "Please refill my pills. I have crushing chest pain and cannot breathe. Thank you."


@pytest.fixture(scope="module")
def classifier() -> MiniLMClassifier:
    with tiny.own_cache():
        return MiniLMClassifier({"model_dir": str(tiny.router()), "threads": 1})


def test_it_keeps_what_every_classifier_promises(classifier: MiniLMClassifier) -> None:
    check_classifier(classifier)


def test_the_reason_is_a_sentence_of_the_redacted_text(classifier: MiniLMClassifier) -> None:
    (said,) = classifier.classify([Redacted("pills", BURIED)])
    assert said.because
    assert all(sentence in BURIED for sentence in said.because)
    assert said.model == "tiny-router"
    if said.urgency > Urgency.ROUTINE:
        assert "chest pain" in said.because[0]


def test_what_was_withheld_or_is_empty_is_left_to_a_person(classifier: MiniLMClassifier) -> None:
    withheld = Redacted("refill", "", withheld=frozenset({"body"}))
    said = classifier.classify([withheld, Redacted("", ""), Redacted("refill", "my pills")])
    assert [each.abstained and each.confidence == 0.0 for each in said] == [True, True, False]
    assert said[0].route is Route.GENERAL
    assert said[0].because == ()


def test_a_threshold_of_one_asks_a_person_every_time() -> None:
    careful = MiniLMClassifier({"model_dir": str(tiny.router()), "threshold": 1.0})
    assert all(each.abstained for each in careful.classify([Redacted("x", BURIED)]))


@pytest.mark.parametrize(
    "settings", [{"threads": 0}, {"threads": "two"}, {"threshold": 2}, {"threshold": "high"}]
)
def test_bad_settings_are_named(settings: dict[str, object]) -> None:
    with pytest.raises(BadSettings, match=r"minilm\."):
        MiniLMClassifier({"model_dir": str(tiny.router()), **settings})


# --- safety-bar 27, the classifier's part: whatever is wrong is said, nothing is guessed --------


@pytest.mark.parametrize(
    "fault",
    ["no_setting", "missing", "hash", "corrupt", "labels", "policy", "cache_unwritable"],
)
def test_a_faulty_model_is_a_missing_model(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.copy(tiny.router(), tmp_path)
    if fault == "missing":
        model = tmp_path / "nowhere"
    elif fault == "hash":
        (model / "heads.safetensors").write_bytes(b"x")
    elif fault == "corrupt":
        (model / "config.json").write_bytes(b"\xff\xfe{")
    elif fault == "labels":
        (model / "labels.json").write_text(json.dumps(["yes", "no"]))
    elif fault == "policy":
        folder.remember(model, policy={"temperature": 1.0})
    elif fault == "cache_unwritable":
        blocked = tmp_path / "a file"
        blocked.write_text("where a folder should be")
        monkeypatch.setitem(os.environ, "TRIAGE_CACHE", str(blocked))
    settings = {} if fault == "no_setting" else {"model_dir": str(model)}
    with pytest.raises(MissingModel):
        MiniLMClassifier(settings)


def test_a_failing_runtime_is_named_without_its_words(
    classifier: MiniLMClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("input was: Maria Lopez")

    monkeypatch.setattr(classifier._session, "predict", fail)
    with pytest.raises(ClassificationFailed) as caught:
        classifier.classify([Redacted("x", "y")])
    assert "Maria" not in str(caught.value)
    assert caught.value.__cause__ is None


# --- the words that go in -----------------------------------------------------------------------


def test_subject_and_body_become_one_text_without_the_quoted_part() -> None:
    text = compose("Re: RE: fwd: my pills", "Yes please.\n> older words\n  > more\nThanks")
    assert text == "my pills\nYes please.\nThanks"
    assert compose("", "only this") == "only this"
    assert compose("  ", " ") == ""


def test_variation_changes_how_it_is_typed_and_keeps_placeholders() -> None:
    text = "Subject\nHello there, I need [NAME_1] to call about the prescription refill.\nAnn B"
    chance = random.Random(3)
    variants = {vary(text, chance) for _ in range(50)}
    assert len(variants) > 5
    known = ("[NAME_1]", *NAMES)
    assert all(any(one.lower() in each.lower() for one in known) for each in variants)
