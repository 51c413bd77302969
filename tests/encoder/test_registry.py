"""The clinic's choice: which model serves and what is promised of it, in one file."""

import json
from pathlib import Path

import pytest

from triage.encoder.registry import Registry
from triage.errors import BadSettings, ChangedModel, MissingModel


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    shipped = tmp_path / "shipped"
    for name in ("router-1", "router-2"):
        (shipped / name).mkdir(parents=True)
        (shipped / name / "config.json").write_text('{"task": "router", "trainer": "devi"}')
    (shipped / "serving.json").write_text('{"router": "router-1"}')
    return Registry(tmp_path, shipped=shipped)


def test_nothing_is_promised_until_somebody_chooses(registry: Registry) -> None:
    assert registry.promise() is None
    registry.set_promise(0.01, 0.031)
    assert registry.promise() == (0.01, 0.031)
    # Choosing a promise chooses no model.
    assert registry.serving("router") == "router-1"


def test_another_model_keeps_the_promise_and_another_promise_the_model(
    registry: Registry, tmp_path: Path
) -> None:
    registry.set_promise(0.02, 0.05)
    registry.promote("router-2")
    assert registry.promise() == (0.02, 0.05)
    registry.set_promise(0.01, 0.05)
    assert registry.serving("router") == "router-2"
    registry.rollback("router")
    assert (registry.serving("router"), registry.promise()) == ("router-1", (0.01, 0.05))
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["serving.json"]


@pytest.mark.parametrize("pair", [(0, 0.1), (0.1, 1), (-0.1, 0.1), (float("nan"), 0.1)])
def test_what_is_no_share_is_not_kept(registry: Registry, pair: tuple[float, float]) -> None:
    with pytest.raises(BadSettings):
        registry.set_promise(*pair)
    assert registry.promise() is None


@pytest.mark.parametrize(
    "kept",
    [
        {"router:missed": 0.01},
        {"router:missed": "few", "router:wrong": 0.05},
        {"router:missed": 0.01, "router:wrong": 5.0},
        {"router:missed": True, "router:wrong": 0.05},
    ],
)
def test_a_spoilt_promise_counts_as_none(
    registry: Registry, tmp_path: Path, kept: dict[str, object]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "serving.json").write_text(json.dumps(kept))
    assert registry.promise() is None


def spoil(folder: Path, how: str) -> None:
    match how:
        case "changed":
            (folder / "config.json").write_text('{"task": "router", "trainer": "devi", "x": 1}')
        case "added":
            (folder / "more").mkdir()
            (folder / "more" / "words.json").write_text("{}")
        case "gone":
            (folder / "metrics.json").unlink()
        case "renamed":
            (folder / "metrics.json").rename(folder / "metrics.txt")


@pytest.mark.bar(42)
@pytest.mark.parametrize("how", ["changed", "added", "gone", "renamed"])
def test_a_folder_that_changed_since_its_promotion_does_not_serve(
    registry: Registry, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "shipped" / "router-2"
    (folder / "metrics.json").write_text("{}")
    registry.promote("router-2")
    assert registry.believed("router") == folder
    spoil(folder, how)
    with pytest.raises(ChangedModel, match="router-2: A file of this model changed"):
        registry.believed("router")
    # Whoever looks at it and says yes again pins what is there now.
    assert registry.promote("router-2") == "router-2"
    assert registry.believed("router") == folder
    assert registry.rollback("router") == "router-1"


@pytest.mark.bar(42)
def test_what_was_replaced_is_pinned_for_the_way_back(registry: Registry, tmp_path: Path) -> None:
    assert registry.pin("router-1") is None
    registry.promote("router-2")
    spoil(tmp_path / "shipped" / "router-1", "changed")
    registry.rollback("router")
    with pytest.raises(ChangedModel):
        registry.believed("router")
    # A pin somebody spoilt is no pin that fits.
    choice = json.loads((tmp_path / "models" / "serving.json").read_text())
    choice["pinned"]["router-1"] = ["x"]
    (tmp_path / "models" / "serving.json").write_text(json.dumps(choice))
    with pytest.raises(MissingModel):
        registry.believed("router")


def test_a_model_that_ships_serves_without_a_pin(registry: Registry, tmp_path: Path) -> None:
    spoil(tmp_path / "shipped" / "router-1", "changed")
    assert registry.believed("router").name == "router-1"
