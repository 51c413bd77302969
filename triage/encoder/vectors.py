"""The mean vector of a text from the base encoder as it came, for baselines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from triage.encoder import base, batches
from triage.encoder.tokens import Window, windows


def mean_vectors(texts: Sequence[str], *, batch: int = 32) -> batches.Floats:
    """Return [texts, 384]: the mean over the tokens of each text's first window."""
    import torch

    network = base.load()
    firsts: dict[int, Window] = {}
    for window in windows(texts):
        firsts.setdefault(window.text, window)
    chosen = [firsts[place] for place in range(len(texts))]
    vectors = np.zeros((len(texts), base.WIDTH), dtype=np.float32)
    with torch.inference_mode():
        for indices in batches.by_length(chosen, batch):
            vectors[indices] = _read(network, [chosen[index] for index in indices])
    return vectors


def _read(network: Any, chosen: Sequence[Window]) -> Any:
    ids, mask = (batches.tensor(each, None) for each in batches.ids_and_mask(chosen))
    hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return ((hidden * weight).sum(1) / weight.sum(1)).numpy()
