"""The loop both trainings share: batches, optimiser, the best epoch on the dev split.

Rule of the room: seeds are fixed, progress goes to standard error, the epoch that is kept is the
one that did best on text nobody trained on.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from triage.encoder import batches
from triage.encoder.texts import Metrics
from triage.encoder.tokens import Window

#: Epochs without an improvement on dev before training stops.
PATIENCE = 5
#: Share of the steps that warm the learning rate up.
WARM_UP = 0.1


def device() -> Any:
    """Return the accelerator if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed: int) -> random.Random:
    """Seed torch and return a seeded source of chance for the order of batches."""
    import torch

    torch.manual_seed(seed)
    return random.Random(seed)  # noqa: S311 -- chance in training is no secret.


def fit(
    network: Any,
    windows: Callable[[int], Sequence[Window]],
    loss: Callable[[Sequence[int]], Any],
    measure: Callable[[], Metrics],
    *,
    better: str,
    epochs: int,
    batch: int,
    rate: float,
    chance: random.Random,
    progress: bool,
) -> Metrics:
    """Train `network` in place and leave it at its best epoch; return that epoch's metrics.

    `windows(epoch)` gives the epoch's windows, `loss` the loss of a batch of their indices,
    `measure` the dev numbers, of which `better` is to be as high as it can.
    """
    best: Metrics = {}
    kept: tuple[Any, Any] | None = None
    optimiser, schedule = None, None
    with _bar(progress) as advance:
        for epoch in range(epochs):
            order = batches.shuffled(windows(epoch), batch, chance)
            network.train()
            if optimiser is None:
                optimiser, schedule = _optimiser(network, rate, len(order) * epochs)
            share = 1 / (len(order) * epochs)
            for indices in order:
                _step(network, loss(indices), optimiser, schedule)
                advance(share, "")
            metrics = measure()
            advance(0.0, f"epoch {epoch + 1}, {better} {metrics[better]:.3f}")
            if not best or metrics[better] > best[better]:
                best = {**metrics, "epoch": float(epoch + 1)}
                kept = _copy(network)
            elif epoch + 1 - best["epoch"] >= PATIENCE:
                break
    if kept is not None:
        network.restore(*kept)
    network.eval()
    return best


def _copy(network: Any) -> tuple[Any, Any]:
    parts = (network.adapter(), network.heads())
    adapter, heads = (
        {key: value.detach().clone() for key, value in part.items()} for part in parts
    )
    return adapter, heads


def _optimiser(network: Any, rate: float, steps: int) -> tuple[Any, Any]:
    import torch

    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=steps, pct_start=WARM_UP, anneal_strategy="linear"
    )
    return optimiser, schedule


def _step(network: Any, loss: Any, optimiser: Any, schedule: Any) -> None:
    import torch

    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    # Texts are cut anew each epoch, so an epoch may have a batch more than the first had.
    if schedule.last_epoch < schedule.total_steps - 1:
        schedule.step()


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[float, str], None]]:
    """Give a function that moves a progress bar on standard error by a share of the whole."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task("training", total=1.0)

        def advance(share: float, words: str) -> None:
            bar.update(task, advance=share, description=words or None)

        yield advance
