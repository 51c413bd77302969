"""An interrupted training goes on where it was and ends where an uninterrupted one would."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests import tiny
from triage.domain import Route
from triage.encoder import LabelledText, loop
from triage.encoder.checkpoint import Checkpoint
from triage.encoder.training import train_router

pytestmark = pytest.mark.timeout(600)

TEXTS = [tiny.URGENT, *tiny.CALM]


class Stop(Exception):
    """The power went."""


def train(out: Path, epochs: int = 3, texts: Sequence[LabelledText] = TEXTS) -> dict[str, float]:
    return train_router(
        texts, texts, list(Route), out, epochs=epochs, layers=1, warm=2, average=0.9, progress=False
    )


def test_a_training_cut_off_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole")
    save, saved = Checkpoint.save, []

    def cut(self: Checkpoint, state: dict[str, object]) -> None:
        save(self, state)
        saved.append(state["done"])
        if len(saved) == 2:
            raise Stop

    monkeypatch.setattr(Checkpoint, "save", cut)
    with pytest.raises(Stop):
        train(tmp_path / "cut")
    assert saved == [1, 2]
    assert (tmp_path / ".cut.unfinished").exists()

    walked: list[int] = []
    epoch = loop._Run.epoch
    monkeypatch.setattr(
        loop._Run, "epoch", lambda self, *args: (walked.append(self.done), epoch(self, *args))[1]
    )
    assert train(tmp_path / "cut") == whole
    # Only what was missing was done again.
    assert walked == [2]
    assert not (tmp_path / ".cut.unfinished").exists()
    for name in ("adapter.safetensors", "heads.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_checkpoint_of_another_training_is_passed_over(tmp_path: Path) -> None:
    mine = Checkpoint.beside(tmp_path / "m", ["these texts"])
    mine.save({"done": 1, "tensor": torch.ones(2)})
    assert mine.load() is not None
    assert Checkpoint.beside(tmp_path / "m", ["other texts"]).load() is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04cos\nsystem\n."])
def test_a_spoilt_checkpoint_is_passed_over(tmp_path: Path, content: bytes) -> None:
    mine = Checkpoint.beside(tmp_path / "m", ["x"])
    (tmp_path / ".m.unfinished").write_bytes(content)
    assert mine.load() is None
    mine.remove()
    assert mine.load() is None


def test_the_average_follows_the_weights_slowly() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 1.0)
    run = loop._Run(layer, 0.5, loop.seed_everything(1))
    run.start(0.1, 4)
    run.epoch([[0]], lambda _: layer(torch.ones(1)).sum(), lambda: None)
    now, average = layer.weight.item(), run.shadow["weight"].item()
    assert now < average < 1.0
    with run._averaged():
        assert layer.weight.item() == pytest.approx(average)
    assert layer.weight.item() == pytest.approx(now)
