"""Training the router on a CPU, beside Hugging Face `Trainer` as it comes.

Ours is what ships: an adapter and heads, texts varied anew, batches of like length. The stock
side trains every weight of the same encoder in fp32, each text padded to 512. Time is per text
and epoch; ours holds the measuring on dev texts and its share of the steps that train the heads
alone, the stock side neither. `training --f1` trains both to the end on all texts instead.
"""

import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.messages import SEED, mixed
from benchmarks.rounds import BRIEF, column, few, keep, per_message, ratio, rounds, seconds
from triage.classifiers.dataset import SETTING, Material, read_material, read_part
from triage.classifiers.training import AVERAGE, EPOCHS, WARM, labelled
from triage.classifiers.wording import vary_all
from triage.domain import Route
from triage.encoder import LabelledText
from triage.encoder.base import folder as base_folder
from triage.encoder.serving import RouterSession
from triage.encoder.training import macro_f1, train_router

TEXTS, DEV = 128, 24
ROUNDS = 1 if BRIEF else 3
PADDED = 512
WANTED = {"stock_over_ours": ">= 3"}
LONG_WANTED = {"stock_over_ours": ">= 3", "macro_f1_ours_less_stock": ">= -0.01"}
ROUTES = list(Route)


def ours(
    texts: Sequence[LabelledText],
    dev: Sequence[LabelledText],
    out: Path,
    *,
    epochs: int,
    warm: int,
) -> None:
    train_router(
        texts,
        dev,
        ROUTES,
        out,
        epochs=epochs,
        seed=SEED,
        warm=warm,
        augment=vary_all,
        average=AVERAGE,
        progress=False,
    )


class Stock:
    """A classification head on the whole encoder, trained by `Trainer`'s defaults."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        torch.manual_seed(SEED)
        base = str(base_folder())
        self._tokenizer: Any = AutoTokenizer.from_pretrained(base)
        self._network: Any = AutoModelForSequenceClassification.from_pretrained(
            base, num_labels=len(ROUTES)
        )

    def train(self, texts: Sequence[LabelledText], out: Path, **settings: Any) -> None:
        from transformers import Trainer, TrainingArguments

        quiet: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True}
        arguments = TrainingArguments(
            output_dir=str(out), use_cpu=True, seed=SEED, **quiet, **settings
        )
        rows = self._rows([each.text for each in texts])
        for row, each in zip(rows, texts, strict=True):
            row["labels"] = ROUTES.index(Route(each.route))
        Trainer(model=self._network, args=arguments, train_dataset=rows).train()

    def guess(self, texts: Sequence[str]) -> list[int]:
        import torch

        self._network.eval()
        guesses = []
        with torch.inference_mode():
            for row in self._rows(texts, padding=False):
                inputs = {name: torch.tensor([value]) for name, value in row.items()}
                guesses.append(int(self._network(**inputs).logits.argmax()))
        return guesses

    def _rows(self, texts: Sequence[str], *, padding: str | bool = "max_length") -> Any:
        read = [
            self._tokenizer(text, padding=padding, truncation=True, max_length=PADDED)
            for text in texts
        ]
        return [dict(each) for each in read]


def measure(*, long: bool = False) -> None:
    # Both are to train on the CPU, whatever else the machine has.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory() as name:
        (_to_the_end if long else _one_epoch)(Path(name))


def _one_epoch(out: Path) -> None:
    rows = [labelled(row) for row in mixed(few(TEXTS) + DEV)]
    texts, dev = rows[DEV:], rows[:DEV]
    # The first epoch reads texts as they are; all later ones read varied, longer ones.
    varied = vary_all(texts, random.Random(SEED))
    sides = {
        "ours": lambda: ours(varied, dev, out / "ours", epochs=1, warm=WARM // EPOCHS),
        "stock": lambda: Stock().train(texts, out / "stock", num_train_epochs=1),
    }
    taken = rounds(sides, what="training", count=ROUNDS)
    result = {
        "what": "one epoch of training the router on a CPU, against Trainer's defaults",
        "texts": len(texts),
        "ours_ms_per_text_and_epoch": per_message(column(taken, "ours"), len(texts)),
        "stock_ms_per_text_and_epoch": per_message(column(taken, "stock"), len(texts)),
        "stock_over_ours": ratio(taken, "stock", "ours"),
        "macro_f1": "not compared here: `benchmarks/run.py training --f1` trains both to the end",
        "rounds": ROUNDS,
    }
    keep("training", result, wanted=WANTED)


def _to_the_end(out: Path) -> None:
    """Train both once on all texts; compare them on messages that neither has seen."""
    material: Material = read_material()
    texts = [labelled(row) for row in material.train]
    dev = [labelled(row) for row in material.dev]
    asked = [labelled(row) for row in read_part(SETTING)]
    texts, dev, asked = texts[: few(len(texts))], dev[: few(len(dev))], asked[: few(len(asked))]
    stock = Stock()
    taken = {
        "ours": seconds(lambda: ours(texts, dev, out / "ours", epochs=EPOCHS, warm=WARM)),
        "stock": seconds(lambda: stock.train(texts, out / "stock")),
    }
    goal = [ROUTES.index(Route(each.route)) for each in asked]
    words = [each.text for each in asked]
    scored = RouterSession(out / "ours").predict(words)
    guesses = [
        max(range(len(ROUTES)), key=lambda place: each.logits[ROUTES[place]]) for each in scored
    ]
    good, stocks = score(goal, guesses), score(goal, stock.guess(words))
    result = {
        "what": "training the router to the end on a CPU, against Trainer's defaults, once",
        "texts": len(texts),
        "ours_minutes": round(taken["ours"] / 60, 1),
        "stock_minutes": round(taken["stock"] / 60, 1),
        "stock_over_ours": round(taken["stock"] / taken["ours"], 2),
        "ours_macro_f1": good,
        "stock_macro_f1": stocks,
        "macro_f1_ours_less_stock": round(good - stocks, 3),
        "macro_f1_on": f"{len(asked)} messages that set thresholds; best guesses, no policy",
    }
    keep("training-long", result, wanted=LONG_WANTED)


def score(goal: Sequence[int], guesses: Sequence[int]) -> float:
    """Return the macro-F1 over the routes that occur."""
    import numpy as np

    return round(macro_f1(np.array(goal), np.array(guesses)), 3)
