"""Trains a tagger: a LoRA adapter and a head that mark identifiers token by token."""

from collections.abc import Sequence
from pathlib import Path

from triage.encoder.texts import Metrics, TaggedText


def train_tagger(
    train: Sequence[TaggedText],
    dev: Sequence[TaggedText],
    labels: Sequence[str],
    out: Path,
    *,
    epochs: int = 6,
    seed: int = 7,
    batch: int = 16,
    rate: float = 1e-3,
    freeze: int = 0,
    progress: bool = True,
) -> Metrics:
    """Train on `train`, keep the best epoch on `dev`, write the model folder `out`.

    `labels` are the types (NAME, ...), without B-/I-. `freeze` leaves the lowest layers without
    an adapter (quicker). Writes adapter.safetensors, heads.safetensors, labels.json,
    metrics.json and config.json (the card is the caller's). Returns the dev numbers:
    `precision`, `recall`, `f1` of whole spans, `recall_<TYPE>` of characters, `epoch`.
    """
    raise NotImplementedError
