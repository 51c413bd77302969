"""Trains a tagger: a LoRA adapter and a head that mark identifiers token by token."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triage.encoder import base, batches, folder, loop
from triage.encoder.spans import decode, hidden, label_count, targets
from triage.encoder.texts import Metrics, TaggedSpan, TaggedText
from triage.encoder.tokens import Window, windows


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
    layers: int = base.LAYERS,
    freeze: int = 0,
    trainer: str = "shipped",
    progress: bool = True,
) -> Metrics:
    """Train on `train`, keep the best epoch on `dev`, write the model folder `out`.

    `labels` are the types (NAME, ...), without B-/I-. `layers` is how many of the encoder's
    layers are used, `freeze` how many of these get no adapter (both for speed). Writes
    adapter.safetensors, heads.safetensors, labels.json, metrics.json and config.json (the card is
    the caller's). Returns the dev numbers, counted in letters and digits at threshold 0.5:
    `precision`, `recall`, `f1` (hidden or not, whatever the type), `typed` (share of the hidden
    ones with the right type), `recall_<TYPE>`, `epoch`.
    """
    from triage.encoder.networks import Tagger, adapted

    chance = loop.seed_everything(seed)
    device = loop.device()
    network = Tagger(adapted(layers=layers, freeze=freeze), label_count(labels)).to(device)
    material = _Material(train, labels, device)
    metrics = loop.fit(
        network,
        lambda _: material.windows,
        lambda indices: material.loss(network, indices),
        lambda: measure(_tags(network, dev, labels, device), dev, labels),
        better="f1",
        epochs=epochs,
        batch=batch,
        rate=rate,
        chance=chance,
        progress=progress,
    )
    folder.write(
        out,
        kind="tagger",
        labels=labels,
        adapter=network.cpu().adapter(),
        heads=network.heads(),
        config={
            "trainer": trainer,
            "layers": layers,
            "freeze": freeze,
            "seed": seed,
            "texts": len(train),
        },
        metrics=metrics,
    )
    return metrics


class _Material:
    """The training texts as windows, with the labels that each token may have."""

    def __init__(self, texts: Sequence[TaggedText], types: Sequence[str], device: Any) -> None:
        self.windows = windows([each.text for each in texts])
        self._texts, self._device = texts, device
        self._count = label_count(types)
        self._labels = [targets(window, texts[window.text].spans, types) for window in self.windows]
        self._outside = [_outside(each, types) for each in texts]

    def loss(self, network: Any, indices: Sequence[int]) -> Any:
        """Return the loss of the windows `indices`: minus log of the allowed labels' share."""
        import torch

        chosen = [self.windows[index] for index in indices]
        logits = network(*inputs(chosen, self._device))
        allowed = np.zeros(tuple(logits.shape), dtype=bool)
        weight = np.zeros(tuple(logits.shape[:2]), dtype=np.float32)
        for row, index in enumerate(indices):
            text = chosen[row].text
            weight[row, 1 : len(chosen[row].ids) - 1] = self._texts[text].weight
            for place, label in enumerate(self._labels[index]):
                allowed[row, place, self._outside[text] if label == 0 else label] = True
        # A padded place allows everything: a logarithm of nothing would poison the gradients.
        allowed[weight == 0] = True
        mask = batches.tensor(allowed, self._device)
        weights = batches.tensor(weight, self._device)
        shares = logits.log_softmax(-1).masked_fill(~mask, -torch.inf)
        losses = -shares.logsumexp(-1).masked_fill(weights == 0, 0.0)
        return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def _outside(text: TaggedText, types: Sequence[str]) -> list[int]:
    """Return the labels that a token outside every span may have in this text."""
    if text.known is None:
        return [0]
    unknown = [place for place, kind in enumerate(types) if kind not in text.known]
    return [0, *(label for place in unknown for label in (1 + 2 * place, 2 + 2 * place))]


def inputs(chosen: Sequence[Window], device: Any) -> tuple[Any, Any, Any]:
    """Return ids, mask and shapes of windows as tensors [windows, tokens]."""
    ids, mask = batches.ids_and_mask(chosen)
    shapes = batches.pad([window.shapes for window in chosen])
    return (
        batches.tensor(ids, device),
        batches.tensor(mask, device),
        batches.tensor(shapes, device),
    )


def _tags(
    network: Any, texts: Sequence[TaggedText], types: Sequence[str], device: Any
) -> list[list[TaggedSpan]]:
    """Tag with the network as it is."""
    import torch

    network.eval()
    cut = windows([each.text for each in texts])
    probabilities: list[Any] = [None] * len(cut)
    with torch.inference_mode():
        for indices in batches.by_length(cut, 32):
            logits = network(*inputs([cut[index] for index in indices], device))
            for row, index in enumerate(indices):
                probabilities[index] = logits[row].softmax(-1).cpu().numpy()
    return [
        decode(texts[text].text, tokens, types, threshold=0.5)
        for text, tokens in batches.by_text(cut, probabilities)
    ]


def measure(
    found: Sequence[Sequence[TaggedSpan]], texts: Sequence[TaggedText], types: Sequence[str]
) -> Metrics:
    """Return precision, recall, f1, typed and recall per type, counted in letters and digits.

    In a text where only some types are known, found spans of other types are not judged.
    """
    counts = dict.fromkeys(["right", "found", "wanted", "typed"], 0)
    per_type = {kind: [0, 0] for kind in types}
    for spans, text in zip(found, texts, strict=True):
        judged = [span for span in spans if text.known is None or span.type in text.known]
        real = np.array([character.isalnum() for character in text.text], dtype=bool)
        cover = hidden(text.text, [(span.start, span.end) for span in judged]) & real
        gold = hidden(text.text, [(start, end) for start, end, _ in text.spans]) & real
        counts["found"] += int(cover.sum())
        counts["wanted"] += int(gold.sum())
        counts["right"] += int((cover & gold).sum())
        for kind in types:
            mine = _only(text.text, ((s, e) for s, e, k in text.spans if k == kind)) & real
            called = _only(text.text, ((x.start, x.end) for x in judged if x.type == kind))
            per_type[kind][0] += int((mine & cover).sum())
            per_type[kind][1] += int(mine.sum())
            counts["typed"] += int((mine & called).sum())
    return _shares(counts, per_type)


def _only(text: str, spans: Iterable[tuple[int, int]]) -> Any:
    return hidden(text, list(spans))


def _shares(counts: dict[str, int], per_type: dict[str, list[int]]) -> Metrics:
    precision = counts["right"] / max(counts["found"], 1)
    recall = counts["right"] / max(counts["wanted"], 1)
    numbers = {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "typed": counts["typed"] / max(counts["right"], 1),
    }
    recalls = {f"recall_{kind}": hit / of for kind, (hit, of) in per_type.items() if of}
    return {**numbers, **recalls}
