"""The loop both trainings share: batches, optimiser, the best epoch on the dev split.

Rule of the room: seeds are fixed, progress goes to standard error, the epoch that is kept is the
one that did best on text nobody trained on.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from triage.encoder import batches
from triage.encoder.checkpoint import Checkpoint
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
    average: float = 0.0,
    checkpoint: Checkpoint | None = None,
) -> Metrics:
    """Train `network` in place and leave it at its best epoch; return that epoch's metrics.

    `windows(epoch)` gives the epoch's windows, `loss` the loss of a batch of their indices,
    `measure` the dev numbers, of which `better` is to be as high as it can. With `average` above
    0 what is measured and kept is a moving average of the weights (this share of the old is kept
    at each step), which does better on texts of other writers than any single step. With a
    `checkpoint` an interrupted training goes on after its last whole epoch.
    """
    run = _Run(network, average, chance)
    state = checkpoint.load() if checkpoint else None
    with _bar(progress) as advance:
        order = batches.shuffled(windows(0), batch, chance)
        run.start(rate, len(order) * epochs)
        if state is not None:
            run.resume(state)
            advance(run.done / epochs, f"going on after epoch {run.done}")
        for epoch in range(run.done, epochs):
            if run.best and run.done - run.best["epoch"] >= PATIENCE:
                break
            if epoch > 0:
                order = batches.shuffled(windows(epoch), batch, chance)
            share = 1 / (len(order) * epochs)
            run.epoch(order, loss, partial(advance, share, ""))
            metrics = run.judge(measure, better)
            advance(0.0, f"epoch {epoch + 1}, {better} {metrics[better]:.3f}")
            if checkpoint is not None:
                checkpoint.save(run.state())
    return run.finish()


@dataclass
class _Run:
    """One training under way: weights, their average, the optimiser, the best so far."""

    network: Any
    average: float
    chance: random.Random
    done: int = 0
    best: Metrics = field(default_factory=dict)
    kept: tuple[Any, Any] | None = None
    optimiser: Any = None
    schedule: Any = None
    #: Name -> running average of a trained tensor.
    shadow: dict[str, Any] = field(default_factory=dict)

    def start(self, rate: float, steps: int) -> None:
        """Make the optimiser; `steps` are those of the whole training."""
        self.optimiser, self.schedule = _optimiser(self.network, rate, steps)
        if self.average:
            self.shadow = {name: value.detach().clone() for name, value in self._trained()}

    def epoch(
        self, order: Sequence[Sequence[int]], loss: Callable[[Sequence[int]], Any], step: Any
    ) -> None:
        """Walk through the batches once."""
        self.network.train()
        for indices in order:
            _step(self.network, loss(indices), self.optimiser, self.schedule)
            for name, value in self._trained() if self.average else ():
                self.shadow[name].lerp_(value.detach(), 1.0 - self.average)
            step()

    def judge(self, measure: Callable[[], Metrics], better: str) -> Metrics:
        """Measure the average, or the weights as they are; keep them if they are the best."""
        self.done += 1
        with self._averaged():
            metrics = measure()
            if not self.best or metrics[better] > self.best[better]:
                self.best = {**metrics, "epoch": float(self.done)}
                self.kept = _copy(self.network)
        return metrics

    def finish(self) -> Metrics:
        """Leave the network at its best epoch."""
        if self.kept is not None:
            self.network.restore(*self.kept)
        self.network.eval()
        return self.best

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on."""
        import torch

        version, numbers, gauss = self.chance.getstate()
        return {
            "done": self.done,
            "best": self.best,
            "kept": self.kept,
            "trained": {name: value.detach().clone() for name, value in self._trained()},
            "shadow": self.shadow,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "chance": [version, list(numbers), gauss],
            "torch": torch.get_rng_state(),
            "accelerators": torch.cuda.get_rng_state_all(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Put a kept state back."""
        import torch

        trained = dict(self._trained())
        with torch.no_grad():
            for name, value in state["trained"].items():
                trained[name].copy_(value)
            for name, value in state["shadow"].items():
                self.shadow[name].copy_(value)
        self.done, self.best, self.kept = state["done"], state["best"], state["kept"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        version, numbers, gauss = state["chance"]
        self.chance.setstate((version, tuple(numbers), gauss))
        torch.set_rng_state(state["torch"])
        if len(state["accelerators"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["accelerators"])

    def _trained(self) -> Iterator[tuple[str, Any]]:
        return ((name, one) for name, one in self.network.named_parameters() if one.requires_grad)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the average in place of the weights for a while."""
        import torch

        now = {name: value.detach().clone() for name, value in self._trained()}
        with torch.no_grad():
            for name, value in self._trained() if self.average else ():
                value.copy_(self.shadow[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in self._trained():
                    value.copy_(now[name])


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
