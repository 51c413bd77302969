"""Small arrays beside a model's tensors, pinned by their SHA-256 and read without running code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triage.encoder import base
from triage.errors import MissingModel

Numbers = NDArray[np.floating]


def save(path: Path, arrays: Mapping[str, Numbers]) -> str:
    """Write the arrays and return the file's SHA-256."""
    from safetensors.numpy import save_file

    save_file(dict(arrays), str(path))
    # Weights are no secret, and another user of the machine may serve them.
    path.chmod(0o644)
    return base.sha256(path)


def load(
    path: Path, pinned: object, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Return arrays of these names and shapes as float32; raise MissingModel for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    name = f"{path.parent.name} ({path.name}"
    try:
        if base.sha256(path) != pinned:
            raise MissingModel(f"{name}: its hash differs)")
        found = {key: value.astype(np.float32) for key, value in load_file(path).items()}
    except (OSError, SafetensorError) as trouble:
        raise MissingModel(f"{name}: {type(trouble).__name__})") from None
    if {key: value.shape for key, value in found.items()} != dict(shapes):
        raise MissingModel(f"{name}: it does not hold the weights)")
    if not all(np.isfinite(value).all() for value in found.values()):
        raise MissingModel(f"{name}: a weight is not a number)")
    return found
