"""Turns a model folder into one int8 ONNX file in the cache, once, and finds it again.

Rule of the room: what lies in the cache is used only when its own hash holds; a file is built
beside the cache and moved into it in one step, so two processes cannot disturb each other.
"""

import contextlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triage.encoder import base, folder
from triage.encoder.folder import ModelFolder
from triage.encoder.spans import label_count
from triage.errors import MissingModel

log = logging.getLogger(__name__)

#: Part of the cache key: raise it whenever the exported graph changes.
EDITION = 1
_GRAPH, _HASH = "model.onnx", "model.sha256"

#: Names of the graph's inputs and outputs.
INPUTS = {"router": ("ids", "mask", "sentences"), "tagger": ("ids", "mask", "shapes")}
OUTPUTS = {
    "router": ("route", "asks", "urgency", "sentence_asks", "sentence_urgency"),
    "tagger": ("labels",),
}


def cached(model: ModelFolder) -> Path:
    """Return the int8 graph of a model, building it when it is not in the cache yet.

    Raise MissingModel when the tensors do not fit the network or the cache cannot be written.
    """
    place = (
        base.cache() / "onnx" / f"{EDITION}-{model.config['kind']}-{_layers(model)}-{model.digest}"
    )
    graph = _intact(place)
    if graph is not None:
        return graph
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".building-") as beside:
            _build(model, Path(beside))
            _move(Path(beside), place)
    except (OSError, RuntimeError, KeyError, ValueError) as trouble:
        raise MissingModel(f"{model.name} (export: {type(trouble).__name__})") from trouble
    graph = _intact(place)
    if graph is None:
        raise MissingModel(f"{model.name} (the exported file does not hold its hash)")
    return graph


def _intact(place: Path) -> Path | None:
    """Return the graph in `place` if its hash holds."""
    try:
        expected = (place / _HASH).read_text("ascii").strip()
        return place / _GRAPH if base.sha256(place / _GRAPH) == expected else None
    except (OSError, UnicodeDecodeError):
        return None


def _move(beside: Path, place: Path) -> None:
    """Move a finished build into the cache; an intact one that is there already stays."""
    # TemporaryDirectory wants its folder back to delete it: the contents move, not the folder.
    ready = beside.with_name(beside.name + ".ready")
    ready.mkdir()
    for name in (_GRAPH, _HASH):
        (beside / name).replace(ready / name)
    for _ in range(2):
        try:
            ready.rename(place)
        except OSError:
            if _intact(place) is not None:
                break
            shutil.rmtree(place, ignore_errors=True)
        else:
            return
    shutil.rmtree(ready, ignore_errors=True)


def _build(model: ModelFolder, into: Path) -> None:
    log.info("exporting %(model)s for serving; this happens once", {"model": model.name})
    network = load(model)
    network.merge()
    exact = into / "exact.onnx"
    with _quiet():
        _export(network, model.config["kind"], exact)
        _quantise(exact, into / _GRAPH)
    exact.unlink()
    (into / _HASH).write_text(base.sha256(into / _GRAPH), "ascii")


def load(model: ModelFolder) -> Any:
    """Return the trained torch network of a model folder in evaluation mode; raise MissingModel."""
    from triage.encoder.networks import Router, Tagger, adapted

    adapter, heads = folder.tensors(model)
    encoder = adapted(layers=_layers(model), freeze=int(model.config.get("freeze", 0)))
    if model.config["kind"] == "router":
        network: Any = Router(encoder, len(model.labels))
    else:
        network = Tagger(encoder, label_count(model.labels))
    try:
        network.restore(adapter, heads)
    except (RuntimeError, KeyError, ValueError) as trouble:
        raise MissingModel(f"{model.name} (tensors: {type(trouble).__name__})") from None
    return network.eval()


def _layers(model: ModelFolder) -> int:
    layers = model.config.get("layers", base.LAYERS)
    if not isinstance(layers, int) or not 1 <= layers <= base.LAYERS:
        raise MissingModel(f"{model.name} (layers)")
    return layers


def _export(network: Any, kind: str, path: Path) -> None:
    import torch
    from torch.export import Dim

    rows, tokens, parts = Dim("rows"), Dim("tokens"), Dim("parts")
    ids = torch.ones((2, 9), dtype=torch.int64)
    last = torch.ones((2, 3, 9)) if kind == "router" else torch.ones_like(ids)
    last_shape = {0: rows, 1: parts, 2: tokens} if kind == "router" else {0: rows, 1: tokens}
    flat = {0: rows, 1: tokens}
    torch.onnx.export(
        network,
        (ids, torch.ones_like(ids), last),
        str(path),
        dynamo=True,
        dynamic_shapes=(flat, flat, last_shape),
        input_names=list(INPUTS[kind]),
        output_names=list(OUTPUTS[kind]),
        external_data=False,
        verbose=False,
    )


def _quantise(exact: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' chatter away from the log; it says nothing a person could act on."""
    loud = [logging.getLogger(name) for name in ("root", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loud]
    try:
        for logger in loud:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)
