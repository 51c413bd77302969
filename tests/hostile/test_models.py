"""Safety-bar 42: a model is numbers under a known hash; a pickle is never loaded.

Both forms run 10 pickles, each in the place of every file of a model folder and of a checkpoint.
"""

import json
import pickle
import re
import shutil
from pathlib import Path

import pytest

from triage.classifiers.verdict import Policy
from triage.encoder import base, folder
from triage.encoder.checkpoint import Checkpoint
from triage.encoder.registry import Registry
from triage.errors import MissingModel
from triage.loading import load_parts
from triage.settings import PartsSettings

pytestmark = pytest.mark.bar(42)

pytestmark = pytest.mark.bar(42)

HOUSE = Path(__file__).resolve().parents[2] / "triage"
MODELS = HOUSE.parent / "models"


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, how: str, mark: Path) -> None:
        self.how, self.mark = how, mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        code = f"open({str(self.mark)!r}, 'w').close()"
        match self.how:
            case "exec":
                return exec, (code,)
            case "eval":
                return eval, (code,)
            case "open":
                return open, (str(self.mark), "w")
            case _:
                return Path.touch, (self.mark,)


def pickles(mark: Path) -> list[bytes]:
    """Return ten files that run code in whoever loads them as a pickle."""
    import io

    import torch

    plain = [
        pickle.dumps(Evil(how, mark), protocol=protocol)
        for how in ("exec", "eval", "open", "touch")
        for protocol in (0, 4)
    ]
    saved = []
    for zipped in (True, False):
        whole = io.BytesIO()
        torch.save({"w": Evil("exec", mark)}, whole, _use_new_zipfile_serialization=zipped)
        saved.append(whole.getvalue())
    return plain + saved


def shipped() -> Path:
    """Return a model folder that ships and is believed."""
    serving = json.loads((MODELS / "serving.json").read_text())["router"]
    return MODELS / str(serving)


def test_no_evil_pickle_ever_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = pickles(mark)
    assert len(evil) == 10
    for number, content in enumerate(evil):
        for name in (*folder.TENSORS, "labels.json", "config.json", "metrics.json"):
            place = tmp_path / f"model-{number}-{name}"
            place.mkdir()
            for file in ("config.json", "labels.json", "metrics.json", *folder.TENSORS):
                (place / file).write_bytes((shipped() / file).read_bytes())
            (place / name).write_bytes(content)
            if name in folder.TENSORS:
                # An attacker who can write the folder makes the hashes fit.
                config = json.loads((place / "config.json").read_text())
                config["sha256"][name] = base.sha256(place / name)
                (place / "config.json").write_text(json.dumps(config))
            if name != "metrics.json":
                with pytest.raises(MissingModel):
                    folder.tensors(folder.read(place, kind="router"))
        training = Checkpoint.beside(tmp_path / f"training-{number}", ["x"])
        (tmp_path / f".training-{number}.unfinished").write_bytes(content)
        assert training.load() is None
    assert not mark.exists()


def test_the_pickles_are_seen_to_run_in_a_loader_that_trusts(tmp_path: Path) -> None:
    import io

    import torch

    mark, ran = tmp_path / "ran", 0
    for content in pickles(mark):
        for load in (pickle.loads, lambda held: torch.load(io.BytesIO(held), weights_only=False)):
            try:
                load(content)
            except Exception:
                continue
        ran += mark.exists()
        mark.unlink(missing_ok=True)
    assert ran == 10


def test_a_changed_tensor_is_refused(tmp_path: Path) -> None:
    for file in ("config.json", "labels.json", *folder.TENSORS):
        (tmp_path / file).write_bytes((shipped() / file).read_bytes())
    folder.read(tmp_path, kind="router")
    weights = bytearray((tmp_path / folder.TENSORS[0]).read_bytes())
    weights[-1] ^= 1
    (tmp_path / folder.TENSORS[0]).write_bytes(bytes(weights))
    with pytest.raises(MissingModel):
        folder.read(tmp_path, kind="router")


def test_a_promoted_model_is_loaded_only_as_it_was_promoted(tmp_path: Path) -> None:
    """Whoever can write the folder makes its own hashes fit; the pin lies elsewhere."""
    home = tmp_path / "home"
    shutil.copytree(shipped(), home / "models" / "router-next")
    registry = Registry(home)
    registry.promote("router-next")
    assert registry.believed("router")
    config = home / "models" / "router-next" / "config.json"
    changed = json.loads(config.read_text())
    # One number: every message counts as calm. No hash of a tensor is touched.
    changed["policy"] |= {"urgent_at": 1.0, "emergency_at": 1.0}
    config.write_text(json.dumps(changed))
    refused = load_parts(PartsSettings(redactor="withhold"), registry, {})
    assert refused.notes == ("no_classifier",)
    assert refused.troubles[0].startswith("router-next: A file of this model changed")
    # The sabotage: without the pin the changed policy serves.
    assert Policy.read(folder.read(config.parent, kind="router").config["policy"]).urgent_at == 1.0
    choice = home / "models" / "serving.json"
    choice.write_text(json.dumps({**json.loads(choice.read_text()), "pinned": {}}))
    assert registry.believed("router") == config.parent


def test_nothing_in_the_house_can_load_a_pickle_or_a_stranger_s_code() -> None:
    forbidden = re.compile(
        r"^\s*(?:import|from) (?:pickle|cPickle|dill|joblib|shelve|marshal|cloudpickle)\b"
        r"|trust_remote_code|allow_pickle\s*=\s*True|weights_only\s*=\s*False"
        r"|torch\.load\((?!.*weights_only=True)|yaml\.(?:unsafe_load|full_load)|hub\.load",
        re.M,
    )
    assert forbidden.search("import pickle")
    assert forbidden.search("torch.load(path)")
    found = [str(path) for path in HOUSE.rglob("*.py") if forbidden.search(path.read_text())]
    assert found == []
    kinds = {path.suffix for path in MODELS.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".md", ".safetensors", ".svg", ".csv", ".txt"}
