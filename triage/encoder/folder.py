"""Reads and writes a model folder: two small safetensors, their hashes, the labels, the numbers.

Rule of the room: a folder is believed only when every hash in its config.json holds; whatever is
wrong with it is one MissingModel that names the folder.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.encoder import base
from triage.encoder.texts import Metrics
from triage.errors import MissingModel

#: The tensors of a model: the adapter inside the base encoder, and what stands on top of it.
TENSORS = ("adapter.safetensors", "heads.safetensors")

#: What a network of each kind serves as; the registry of models speaks of tasks.
TASKS = {"router": "router", "tagger": "redactor"}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose hashes held when it was read."""

    path: Path
    labels: tuple[str, ...]
    #: Size and place of the adapter, and whatever the trainer wanted remembered.
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name that labels and cards use."""
        return self.path.name

    @property
    def digest(self) -> str:
        """One word for exactly these tensors on exactly this base encoder."""
        return "-".join(self.config["sha256"][name][:16] for name in TENSORS) + base.WEIGHTS[:16]


def read(path: Path, *, kind: str) -> ModelFolder:
    """Return the checked folder of a `kind` ("router", "tagger"); raise MissingModel."""
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        labels = json.loads((path / "labels.json").read_text("utf-8"))
        found = {name: base.sha256(path / name) for name in TENSORS}
        claimed = {name: str(config["sha256"][name]) for name in TENSORS}
        right = config["kind"] == kind and config["base_sha256"] == base.WEIGHTS
    except (OSError, ValueError, KeyError, TypeError) as trouble:
        raise MissingModel(f"{path.name} ({type(trouble).__name__})") from None
    if found != claimed or not right:
        raise MissingModel(f"{path.name} (a hash, the kind or the base encoder differs)")
    if not _are_labels(labels):
        raise MissingModel(f"{path.name} (labels.json is not a list of words)")
    return ModelFolder(path, tuple(labels), config)


def _are_labels(labels: object) -> bool:
    if not isinstance(labels, list) or not labels:
        return False
    return all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels)


def tensors(model: ModelFolder) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the adapter's and the heads' tensors (torch); raise MissingModel on NaN or rubbish."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        adapter, heads = (load_file(str(model.path / name)) for name in TENSORS)
    except (OSError, SafetensorError) as trouble:
        raise MissingModel(f"{model.name} ({type(trouble).__name__})") from None
    if not all(bool(value.isfinite().all()) for value in (*adapter.values(), *heads.values())):
        raise MissingModel(f"{model.name} (a weight is not a number)")
    return adapter, heads


def write(
    path: Path,
    *,
    kind: str,
    labels: Sequence[str],
    adapter: Mapping[str, Any],
    heads: Mapping[str, Any],
    config: Mapping[str, Any],
    metrics: Metrics,
) -> ModelFolder:
    """Write a model folder; config.json goes last, so a half-written folder is never believed.

    `config` may name the `trainer` and whatever training wants remembered.
    """
    from safetensors.torch import save_file

    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").unlink(missing_ok=True)
    for name, state in zip(TENSORS, (adapter, heads), strict=True):
        save_file({key: value.contiguous() for key, value in state.items()}, str(path / name))
        # Weights are no secret, and another user of the machine may serve them.
        (path / name).chmod(0o644)
    write_json(path / "labels.json", list(labels))
    write_json(path / "metrics.json", metrics)
    hashes = {name: base.sha256(path / name) for name in TENSORS}
    about = {"task": TASKS[kind], "kind": kind, "trainer": "shipped", "base": "all-MiniLM-L6-v2"}
    sums = {"base_sha256": base.WEIGHTS, "sha256": hashes}
    write_json(path / "config.json", {**about, **sums, **config})
    return read(path, kind=kind)


def write_json(path: Path, content: object) -> None:
    """Write one JSON file in one step, readable by people and by git."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    beside.replace(path)


def remember(path: Path, **settings: object) -> None:
    """Add settings (thresholds, temperature) to a folder's config.json; hashes stay as they are."""
    config = json.loads((path / "config.json").read_text("utf-8"))
    write_json(path / "config.json", {**config, **settings})
