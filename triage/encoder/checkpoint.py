"""Keeps an unfinished training on disk, so that an interruption costs at most one epoch.

Rule of the room: a checkpoint is tensors, numbers and words only, read back without running any
code it holds, and it is used only for exactly the training that wrote it.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triage.errors import blame

log = logging.getLogger(__name__)


class Checkpoint:
    """The state of one training in one file beside the model folder it will become."""

    def __init__(self, path: Path, key: str) -> None:
        """`key` names the training: its texts, its settings, its seed."""
        self._path = path
        self._key = key

    @classmethod
    def beside(cls, out: Path, parts: Iterable[object]) -> "Checkpoint":
        """Return the checkpoint of the model folder `out`; `parts` are all it is made from."""
        whole = hashlib.sha256()
        for part in parts:
            whole.update(repr(part).encode("utf-8", "surrogatepass") + b"\0")
        return cls(out.with_name(f".{out.name}.unfinished"), whole.hexdigest())

    def load(self) -> dict[str, Any] | None:
        """Return the state kept, or None when there is none of this very training."""
        import torch

        try:
            state = torch.load(self._path, weights_only=True, map_location="cpu")
        except FileNotFoundError:
            return None
        except Exception as trouble:
            log.warning("training anew, the checkpoint cannot be read: %(error)s", blame(trouble))
            return None
        return state if isinstance(state, dict) and state.get("key") == self._key else None

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep the state in place of the one before."""
        import torch

        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        torch.save({**state, "key": self._key}, fresh)
        fresh.replace(self._path)

    def remove(self) -> None:
        """Forget the state; the training is finished."""
        self._path.unlink(missing_ok=True)
