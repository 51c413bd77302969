"""Trains the router: a LoRA adapter and heads that say what a text asks for and how soon."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triage.encoder import base, batches, folder, loop
from triage.encoder.checkpoint import Checkpoint
from triage.encoder.texts import LabelledText, Metrics
from triage.encoder.tokens import Window, sentences, windows

#: Gives the texts of one epoch: the same number, varied as people vary, with labels that hold.
Augment = Callable[[Sequence[LabelledText], random.Random], Sequence[LabelledText]]

#: What each part counts in the loss.
_WEIGHTS = {"route": 1.0, "asks": 1.0, "urgency": 1.0, "sentence": 0.5}


def train_router(
    train: Sequence[LabelledText],
    dev: Sequence[LabelledText],
    labels: Sequence[str],
    out: Path,
    *,
    epochs: int = 20,
    seed: int = 7,
    batch: int = 16,
    rate: float = 1e-3,
    layers: int = base.LAYERS,
    freeze: int = 0,
    warm: int = 200,
    augment: Augment | None = None,
    average: float = 0.0,
    trainer: str = "shipped",
    progress: bool = True,
) -> Metrics:
    """Train on `train`, keep the best epoch on `dev`, write the model folder `out`.

    `labels` are the route ids in the order of the heads. `augment` varies the texts anew in every
    epoch. `average` is the share of the old weights in a moving average (see `loop.fit`). An
    interrupted training goes on from a file beside `out` when called again with the same texts.
    `layers` is how many of the encoder's layers are used, `freeze` how many of these get no
    adapter (both for speed). `warm` steps train the heads alone first, on vectors computed once.
    Returns the dev numbers: `macro_f1`, `accuracy`, `urgent_auc`, `score`, `epoch`; the same are
    written to metrics.json.
    """
    from triage.encoder.networks import Router, adapted

    varied = f"{augment.__module__}.{augment.__qualname__}" if augment else ""
    settings = (epochs, seed, batch, rate, layers, freeze, warm, average, varied, base.WEIGHTS)
    checkpoint = Checkpoint.beside(out, [settings, *labels, *map(_named, (*train, *dev))])
    chance, device = loop.seed_everything(seed), loop.device()
    network = Router(adapted(layers=layers, freeze=freeze), len(labels)).to(device)
    material = _Material(train, labels, device, augment, chance)
    _warm_heads(network, material, steps=warm)
    metrics = loop.fit(
        network,
        material.windows,
        lambda indices: material.loss(network, indices),
        _Measure(network, dev, labels, device),
        better="score",
        epochs=epochs,
        batch=batch,
        rate=rate,
        chance=chance,
        progress=progress,
        average=average,
        checkpoint=checkpoint,
    )
    about = {"trainer": trainer, "layers": layers, "freeze": freeze, "seed": seed}
    _write(out, network, labels, {**about, "texts": len(train)}, metrics)
    checkpoint.remove()
    return metrics


def _write(
    out: Path, network: Any, labels: Sequence[str], config: Mapping[str, Any], metrics: Metrics
) -> None:
    folder.write(
        out,
        kind="router",
        labels=labels,
        adapter=network.cpu().adapter(),
        heads=network.heads(),
        config=dict(config),
        metrics=metrics,
    )


class _Material:
    """The training texts of one epoch as windows and target tensors."""

    def __init__(
        self,
        texts: Sequence[LabelledText],
        labels: Sequence[str],
        device: Any,
        augment: Augment | None,
        chance: random.Random,
    ) -> None:
        import torch

        self._texts, self._device = texts, device
        self._augment, self._chance = augment, chance
        self._windows: Sequence[Window] = ()
        self._sentences: list[list[tuple[int, int]]] = []
        self._places = {label: place for place, label in enumerate(labels)}
        routes = torch.tensor([self._places[each.route] for each in texts], device=device)
        self._balance = _balance(routes, len(labels))
        self._rarity = _rarity([_soon(each) for each in texts], device)

    def windows(self, epoch: int) -> Sequence[Window]:
        """Return the windows of an epoch; the first epoch reads the texts as they are."""
        if self._augment is not None and epoch > 0:
            self._take(self._augment(self._texts, self._chance))
        elif not self._windows:
            self._take(self._texts)
        return self._windows

    def _take(self, texts: Sequence[LabelledText]) -> None:
        import torch

        self._windows = windows([each.text for each in texts])
        self._sentences = [sentences(each.text) for each in texts]
        places, device = self._places, self._device
        self._route = torch.tensor([places[each.route] for each in texts], device=device)
        self._asks = torch.tensor([_asks(each, places) for each in texts], device=device)
        self._urgency = torch.tensor([_soon(each) for each in texts], device=device)
        self._weight = torch.tensor([each.weight for each in texts], device=device)

    def loss(self, network: Any, indices: Sequence[int]) -> Any:
        """Return the loss of the windows `indices`."""
        return self._loss(network(*self._inputs(indices)), indices)

    def vectors(self, network: Any, indices: Sequence[int]) -> Any:
        """Return what the network reads from the windows `indices`, before any head."""
        return network.read(*self._inputs(indices))

    def head_loss(self, network: Any, vectors: Any, indices: Sequence[int]) -> Any:
        """Return the loss of the heads on vectors that were read before."""
        return self._loss(network.judge(*vectors), indices)

    def _inputs(self, indices: Sequence[int]) -> tuple[Any, Any, Any]:
        chosen = [self._windows[index] for index in indices]
        return inputs(chosen, self._sentences, self._device)

    def _loss(self, outputs: Any, indices: Sequence[int]) -> Any:
        import torch
        from torch.nn import functional

        route, asks, urgency, _, each_urgency = outputs
        chosen = [self._windows[index] for index in indices]
        rows = torch.tensor([window.text for window in chosen], device=self._device)
        weight = self._weight[rows]
        goal = self._route[rows]
        parts = {
            "route": functional.cross_entropy(
                route, goal, weight=self._balance, reduction="none", label_smoothing=0.05
            ),
            "asks": functional.binary_cross_entropy_with_logits(
                asks, self._asks[rows], reduction="none"
            ).mean(1)
            * 4,
            "urgency": self._ordinal(urgency, rows),
            "sentence": self._ordinal(each_urgency.amax(1), rows),
        }
        total = sum(_WEIGHTS[name] * part for name, part in parts.items())
        return (total * weight).sum() / weight.sum()

    def _ordinal(self, logits: Any, rows: Any) -> Any:
        """Ordinal loss: is it at least today, is it an emergency."""
        import torch
        from torch.nn import functional

        urgency = self._urgency[rows]
        goal = torch.stack([urgency >= 1, urgency >= 2], dim=1).to(logits.dtype)
        loss = functional.binary_cross_entropy_with_logits(
            logits, goal, reduction="none", pos_weight=self._rarity
        )
        return loss.mean(1) * (urgency >= 0).to(logits.dtype)


def _warm_heads(network: Any, material: _Material, *, steps: int) -> None:
    """Train the heads alone: an untrained head would teach the encoder nonsense first."""
    import torch

    heads = [value for name, value in network.named_parameters() if not name.startswith("encoder.")]
    optimiser = torch.optim.AdamW(heads, lr=5e-3, weight_decay=0.01)
    order = batches.by_length(material.windows(0), 32)
    with torch.no_grad():
        vectors = [material.vectors(network, indices) for indices in order]
    network.train()
    for step in range(steps):
        place = step % len(order)
        optimiser.zero_grad(set_to_none=True)
        material.head_loss(network, vectors[place], order[place]).backward()
        optimiser.step()


def inputs(
    chosen: Sequence[Window], spans: Sequence[Sequence[tuple[int, int]]], device: Any
) -> tuple[Any, Any, Any]:
    """Return ids, mask and sentence membership of windows as tensors; `spans` are per text."""
    ids, mask = batches.ids_and_mask(chosen)
    member = batches.membership(chosen, [spans[window.text] for window in chosen])
    return (
        batches.tensor(ids, device),
        batches.tensor(mask, device),
        batches.tensor(member, device),
    )


def _named(text: LabelledText) -> tuple[object, ...]:
    """Return a text and its labels in an order that no process's hash seed changes."""
    return (text.text, str(text.route), sorted(map(str, text.also)), text.urgency, text.weight)


def _soon(text: LabelledText) -> int:
    """Return 0, 1 or 2; -1 stands for "nobody said", and urgency is not learned from such texts."""
    return -1 if text.urgency is None else text.urgency


def _asks(text: LabelledText, places: Mapping[str, int]) -> list[float]:
    """Return 1 for the route and every further route, 0 elsewhere."""
    asked = {text.route, *text.also}
    return [float(label in asked) for label in places]


def _balance(routes: Any, count: int) -> Any:
    """Return a weight per route: rarer routes count more, by the square root of their rarity."""
    import torch

    often = torch.bincount(routes, minlength=count).clamp(min=1).float()
    weight = (often.mean() / often).sqrt()
    return weight.clamp(0.5, 2.0)


def _rarity(urgency: Sequence[int], device: Any) -> Any:
    """Return how much a positive counts for "today" and "emergency", at most 4."""
    import torch

    often = Counter(urgency)
    routine, today, emergency = often[0], often[1], often[2]
    ratios = [
        (routine + 1) / (today + emergency + 1),
        (routine + today + 1) / (emergency + 1),
    ]
    return torch.tensor([min(max(ratio, 1.0), 4.0) for ratio in ratios], device=device)


class _Measure:
    """The dev numbers after an epoch; long texts are judged by their first window."""

    def __init__(
        self, network: Any, dev: Sequence[LabelledText], labels: Sequence[str], device: Any
    ) -> None:
        self._network, self._device = network, device
        firsts: dict[int, Window] = {}
        for window in windows([each.text for each in dev]):
            firsts.setdefault(window.text, window)
        self._windows = list(firsts.values())
        self._sentences = [sentences(each.text) for each in dev]
        self._goal = np.array([labels.index(each.route) for each in dev])
        self._urgent = np.array([(each.urgency or 0) >= 1 for each in dev])

    def __call__(self) -> Metrics:
        """Return macro_f1, accuracy, urgent_auc and their mean `score`."""
        import torch

        self._network.eval()
        guess = np.zeros(len(self._windows), dtype=np.int64)
        soon = np.zeros(len(self._windows))
        with torch.inference_mode():
            for indices in batches.by_length(self._windows, 32):
                chosen = [self._windows[index] for index in indices]
                route, _, urgency, *_ = self._network(
                    *inputs(chosen, self._sentences, self._device)
                )
                guess[indices] = route.argmax(1).cpu().numpy()
                soon[indices] = urgency[:, 0].cpu().numpy()
        macro = macro_f1(self._goal, guess)
        auc = area(self._urgent, soon)
        accuracy = float((guess == self._goal).mean())
        score = (macro + accuracy + auc) / 3
        return {"macro_f1": macro, "accuracy": accuracy, "urgent_auc": auc, "score": score}


def macro_f1(goal: Any, guess: Any) -> float:
    """Return the mean F1 over the classes that occur in `goal`."""
    scores = []
    for label in np.unique(goal):
        hit = int(((guess == label) & (goal == label)).sum())
        scores.append(2 * hit / int((guess == label).sum() + (goal == label).sum()))
    return float(np.mean(scores)) if scores else 0.0


def area(positive: Any, score: Any) -> float:
    """Return the area under the ROC curve; 0.5 when one side is empty."""
    yes, no = score[positive], score[~positive]
    if not len(yes) or not len(no):
        return 0.5
    wins = (yes[:, None] > no[None, :]).mean() + 0.5 * (yes[:, None] == no[None, :]).mean()
    return float(wins)
