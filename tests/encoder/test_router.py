"""A router is trained, exported once and served; whatever is wrong with it is a MissingModel."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import tiny
from triage.domain import Route
from triage.encoder import batches, export, folder
from triage.encoder.serving import RouterSession
from triage.encoder.tokens import sentences, windows
from triage.encoder.training import area, macro_f1
from triage.errors import ClassificationFailed, MissingModel

#: The first test of a machine trains and exports the tiny models.
pytestmark = pytest.mark.timeout(600)

TEXTS = [tiny.URGENT.text, *(each.text for each in tiny.CALM), "", "word " * 700]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return tiny.copy(tiny.router(), tmp_path)


def test_what_is_written_is_small_and_no_pickle() -> None:
    names = {path.name for path in tiny.router().iterdir()}
    assert names == {*folder.TENSORS, "config.json", "labels.json", "metrics.json"}
    assert sum(path.stat().st_size for path in tiny.router().iterdir()) < 4_000_000


def test_scores_are_probabilities_in_the_order_of_the_texts() -> None:
    session = RouterSession(tiny.router(), threads=1)
    together = session.predict(TEXTS)
    for text, scores in zip(TEXTS, together, strict=True):
        assert set(scores.logits) == set(Route)
        assert sum(scores.urgency) == pytest.approx(1.0, abs=1e-5)
        assert all(0 <= value <= 1 for value in scores.asks.values())
        assert [(each.start, each.end) for each in scores.sentences] == sentences(text)
    assert session.predict([]) == []


def test_a_text_scores_alike_in_any_company() -> None:
    session = RouterSession(tiny.router(), threads=2)
    alone = [session.predict([text])[0] for text in TEXTS]
    assert session.predict(TEXTS) == alone
    assert session.predict(TEXTS[::-1]) == alone[::-1]
    assert RouterSession(tiny.router(), threads=1).predict(TEXTS) == alone


def test_one_dangerous_sentence_is_not_diluted() -> None:
    calm = "Please refill my blood pressure pills. " * 12
    buried = calm + "I have crushing chest pain and cannot breathe. " + calm
    session = RouterSession(tiny.router(), threads=1)
    (scores,) = session.predict([buried])
    loudest = max(scores.sentences, key=lambda each: each.today)
    assert "chest pain" in buried[loudest.start : loudest.end]


def test_int8_agrees_with_torch() -> None:
    import torch

    from triage.encoder.training import inputs

    network = export.load(folder.read(tiny.router(), kind="router"))
    texts = [each.text for each in (tiny.URGENT, *tiny.CALM)]
    cut = windows(texts)
    with torch.inference_mode():
        route, *_ = network(*inputs(cut, [sentences(text) for text in texts], "cpu"))
    exact = [list(Route)[place] for place in route.argmax(1).tolist()]
    served = RouterSession(tiny.router(), threads=1).predict(texts)
    assert [max(each.logits, key=each.logits.__getitem__) for each in served] == exact
    gaps = [
        abs(served[row].logits[label] - float(route[row, column]))
        for row in range(len(texts))
        for column, label in enumerate(Route)
    ]
    assert max(gaps) < 0.15 * float(route.max() - route.min())


def test_a_warm_cache_needs_no_torch() -> None:
    RouterSession(tiny.router())
    script = (
        "import sys; from pathlib import Path\n"
        "from triage.encoder.serving import RouterSession\n"
        f"RouterSession(Path({str(tiny.router())!r})).predict(['hello'])\n"
        "print([name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


def test_a_corrupt_cache_is_noticed(tmp_path: Path) -> None:
    graph = export.cached(folder.read(tiny.router(), kind="router"))
    place = tiny.copy(graph.parent, tmp_path)
    assert export._intact(place) == place / graph.name
    (place / graph.name).write_bytes(graph.read_bytes()[:-100])
    assert export._intact(place) is None


def test_two_builders_do_not_disturb_each_other(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for content in (b"first", b"second"):
        beside = tmp_path / content.decode()
        beside.mkdir()
        (beside / "model.onnx").write_bytes(content)
        (beside / "model.sha256").write_text(base_hash(content))
        export._move(beside, place)
    assert (place / "model.onnx").read_bytes() == b"first"
    (place / "model.onnx").write_bytes(b"damaged")
    beside = tmp_path / "third"
    beside.mkdir()
    (beside / "model.onnx").write_bytes(b"third")
    (beside / "model.sha256").write_text(base_hash(b"third"))
    export._move(beside, place)
    assert (place / "model.onnx").read_bytes() == b"third"


def base_hash(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def edit(path: Path, **changes: object) -> None:
    content = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**content, **changes}))


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="nowhere"):
        RouterSession(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "labels.json", *folder.TENSORS])
def test_a_missing_file(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(MissingModel):
        RouterSession(broken)


@pytest.mark.parametrize("name", folder.TENSORS)
def test_a_wrong_hash(broken: Path, name: str) -> None:
    content = bytearray((broken / name).read_bytes())
    content[-1] ^= 1
    (broken / name).write_bytes(bytes(content))
    with pytest.raises(MissingModel, match="hash"):
        RouterSession(broken)


@pytest.mark.parametrize("content", ["[]", "{}", "no json", '["refill"]', '["a", 1]'])
def test_wrong_labels(broken: Path, content: str) -> None:
    (broken / "labels.json").write_text(content)
    with pytest.raises(MissingModel):
        RouterSession(broken)


def test_labels_in_another_order_are_wrong_labels(broken: Path) -> None:
    (broken / "labels.json").write_text(json.dumps(list(reversed(list(Route)))))
    with pytest.raises(MissingModel, match="eleven routes"):
        RouterSession(broken)


def test_another_kind_or_base(broken: Path) -> None:
    edit(broken, kind="tagger")
    with pytest.raises(MissingModel):
        RouterSession(broken)
    edit(broken, kind="router", base_sha256="0" * 64)
    with pytest.raises(MissingModel):
        RouterSession(broken)


def resign(path: Path) -> None:
    """Make the hashes fit again, as somebody would who edits a model on purpose."""
    from triage.encoder import base

    edit(path, sha256={name: base.sha256(path / name) for name in folder.TENSORS})


def test_rubbish_that_carries_its_own_hash(broken: Path) -> None:
    (broken / "heads.safetensors").write_bytes(b"\x00" * 64)
    resign(broken)
    with pytest.raises(MissingModel, match="SafetensorError"):
        RouterSession(broken)


def test_weights_that_are_not_numbers(broken: Path) -> None:
    from safetensors.torch import load_file, save_file

    heads = load_file(str(broken / "heads.safetensors"))
    heads["route.bias"][0] = float("nan")
    save_file(heads, str(broken / "heads.safetensors"))
    resign(broken)
    with pytest.raises(MissingModel, match="not a number"):
        RouterSession(broken)


def test_tensors_that_do_not_fit(broken: Path) -> None:
    from safetensors.torch import load_file, save_file

    heads = load_file(str(broken / "heads.safetensors"))
    heads["route.bias"] = heads["route.bias"][:5].clone()
    save_file(heads, str(broken / "heads.safetensors"))
    resign(broken)
    with pytest.raises(MissingModel, match="tensors"):
        RouterSession(broken)


def test_an_answer_that_is_not_a_number_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    session = RouterSession(tiny.router(), threads=1)
    run = session._graph.run
    monkeypatch.setattr(
        session._graph, "run", lambda *inputs: [each * np.float32("nan") for each in run(*inputs)]
    )
    with pytest.raises(ClassificationFailed):
        session.predict(["hello"])


def test_batches_hold_texts_of_like_length() -> None:
    cut = windows(["a " * count for count in (50, 1, 49, 2)])
    assert batches.by_length(cut, 2) == [[1, 3], [2, 0]]


def test_the_dev_numbers() -> None:
    goal, guess = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert macro_f1(goal, guess) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert area(np.array([True, False]), np.array([0.9, 0.1])) == 1.0
    assert area(np.array([True, True]), np.array([0.9, 0.1])) == 0.5
