"""Words are counted without being kept, added to the encoder's scores, and pinned like tensors."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests import tiny
from triage.classifiers import words
from triage.classifiers.scorer import Scorer
from triage.classifiers.words import BUCKETS, FILE, PIN, WEIGHT, WordCounts, train
from triage.domain import Route
from triage.encoder import LabelledText, base, folder
from triage.encoder.serving import RouterSession
from triage.errors import MissingModel

#: The first test of a machine trains and exports the tiny models.
pytestmark = pytest.mark.timeout(600)

TEXTS = [
    *(LabelledText(f"please refill my pills {n}", "refill") for n in range(8)),
    *(LabelledText(f"I was charged twice on the bill {n}", "billing_dispute") for n in range(8)),
]


@pytest.fixture
def counted(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path, train(TEXTS, tmp_path)


def test_the_words_of_a_route_speak_for_it(counted: tuple[Path, str]) -> None:
    scores = WordCounts.load(*counted).scores("Pills: REFILL please")
    assert max(scores, key=lambda route: scores[route]) is Route.REFILL
    assert sum(map(math.exp, scores.values())) == pytest.approx(1.0, abs=1e-3)
    # Nobody asked for a referral in training.
    assert scores[Route.REFERRAL] < min(scores[Route.REFILL], scores[Route.BILLING_DISPUTE])


@pytest.mark.parametrize("text", ["", "!?", "x", "unheardof", "pills " * 5000])
def test_any_text_has_scores(counted: tuple[Path, str], text: str) -> None:
    assert all(map(math.isfinite, WordCounts.load(*counted).scores(text).values()))


def test_no_word_is_kept_and_the_file_is_small(counted: tuple[Path, str]) -> None:
    content = (counted[0] / FILE).read_bytes()
    assert b"pills" not in content
    assert len(content) < 2_000_000


def test_the_same_texts_give_the_same_file(tmp_path: Path, counted: tuple[Path, str]) -> None:
    again = tmp_path / "again"
    again.mkdir()
    assert train(TEXTS, again) == counted[1]


def _spoil(path: Path, name: str) -> None:
    tensors = load_file(path)
    if name == "not a number":
        tensors["bias"][0] = np.nan
    elif name == "short":
        tensors["idf"] = tensors["idf"][: BUCKETS // 2]
    elif name == "part":
        del tensors["weights"]
    save_file(tensors, path)


@pytest.mark.parametrize("name", ["not a number", "short", "part"])
def test_a_file_that_holds_something_else_is_refused(counted: tuple[Path, str], name: str) -> None:
    path, _ = counted
    _spoil(path / FILE, name)
    with pytest.raises(MissingModel):
        WordCounts.load(path, base.sha256(path / FILE))


def test_a_changed_or_missing_file_is_refused(counted: tuple[Path, str]) -> None:
    path, pinned = counted
    content = bytearray((path / FILE).read_bytes())
    content[-1] ^= 1
    (path / FILE).write_bytes(bytes(content))
    with pytest.raises(MissingModel):
        WordCounts.load(path, pinned)
    (path / FILE).unlink()
    with pytest.raises(MissingModel):
        WordCounts.load(path, pinned)


def test_a_router_adds_them_to_what_it_reads(tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny.router(), tmp_path / "router"))
    text = "please refill my pills"
    alone = RouterSession(model, threads=1).predict([text])[0]
    assert Scorer(model, threads=1).predict([text])[0] == alone
    folder.remember(model, **{PIN: train(TEXTS, model)})
    both = Scorer(model, threads=1).predict([text])[0]
    counts = WordCounts.load(model, base.sha256(model / FILE)).scores(text)
    for route in Route:
        assert both.logits[route] == pytest.approx(alone.logits[route] + WEIGHT * counts[route])
    assert (both.asks, both.urgency, both.sentences) == (alone.asks, alone.urgency, alone.sentences)


def test_a_router_whose_words_are_gone_does_not_serve_by_half(tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny.router(), tmp_path / "router"))
    folder.remember(model, **{PIN: "0" * 64})
    with pytest.raises(MissingModel):
        Scorer(model, threads=1)


def test_words_and_pairs_count_by_the_logarithm_of_how_often() -> None:
    places, counts = words._counted("pills pills refill")
    assert len(places) == 4
    assert sorted(counts) == pytest.approx([1.0, 1.0, 1.0, 1.0 + math.log(2)])
