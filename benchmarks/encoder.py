"""The router in int8, as it serves, beside its bare pass, PyTorch, and what the cores can do.

All sides read the same windows. Classifying is everything from a redacted message to a verdict;
serving is that without policy and reasons; the pass is the encoder with no head, its inputs ready.
"""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.graphs import Beside, bare, multiplications, numbers, products
from benchmarks.messages import hidden, mixed, registry
from benchmarks.rounds import ROUNDS, column, few, keep, ratio, rounds
from triage.classifiers.minilm import MiniLMClassifier
from triage.classifiers.wording import compose
from triage.encoder import batches, export, folder
from triage.encoder.base import LAYERS
from triage.encoder.tokens import WINDOW, Window, sentences, windows

MESSAGES = 512
#: How many messages are classified at a time, and how many windows PyTorch reads at a time.
BATCH, TORCH_BATCH = 64, 32
UNIT = 128
WANTED = {
    "classify_over_pass": "<= 1.3",
    "fp32_over_pass": ">= 3",
    "percent_of_int8_peak": ">= 50",
}


def per_unit(values: Sequence[float], tokens: int) -> float:
    """Return the median as milliseconds per 128 tokens."""
    return round(statistics.median(values) / tokens * UNIT * 1000, 3)


def of_peak(taken: Sequence[dict[str, float]], done: int, possible: int) -> float:
    """Return the share of the peak in percent: multiplications a second over what is possible.

    The pass did `done` of them in its time, the plain products `possible` in theirs.
    """
    shares = [each["products"] / possible * done / each["pass"] for each in taken]
    return round(100 * statistics.median(shares), 1)


def in_batches(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


class Torch:
    """The adapted encoder in fp32, windows of like length together."""

    def __init__(self, encoder: Any, cut: Sequence[Window]) -> None:
        self._encoder = encoder
        order = batches.by_length(cut, TORCH_BATCH)
        ready = [batches.ids_and_mask([cut[place] for place in part]) for part in order]
        self._ready = [[batches.tensor(each, "cpu") for each in pair] for pair in ready]

    def run(self) -> None:
        import torch

        with torch.inference_mode():
            for ids, mask in self._ready:
                self._encoder(input_ids=ids, attention_mask=mask)


class Prepared:
    """The inputs of every window, made beforehand, the longest of a batch first."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.bare: list[list[dict[str, Any]]] = []
        self.served: list[list[dict[str, Any]]] = []
        for part in in_batches(texts):
            cut, spans = windows(part), [sentences(text) for text in part]
            cut.sort(key=lambda window: -len(window.ids))
            pairs = [
                dict(zip(("ids", "mask"), batches.ids_and_mask([each]), strict=True))
                for each in cut
            ]
            members = [batches.membership([each], [spans[each.text]]) for each in cut]
            self.bare.append(pairs)
            self.served.append(
                [{**pair, "sentences": one} for pair, one in zip(pairs, members, strict=True)]
            )


def measure() -> None:
    messages = [hidden(row) for row in mixed(few(MESSAGES))]
    texts = [compose(each.subject, each.body) for each in messages]
    cut = windows(texts)
    tokens = sum(len(window.ids) for window in cut)
    model = folder.read(registry().folder("router"), kind="router")
    layers = int(model.config.get("layers", LAYERS))
    classifier = MiniLMClassifier({"model_dir": str(model.path)})
    served, ready = classifier._session, Prepared(texts)
    network = export.load(model)
    network.merge()
    with tempfile.TemporaryDirectory() as name:
        headless = Beside(bare(network.encoder, Path(name) / "bare.onnx"))
        plain = Beside(products(layers, Path(name) / "products.onnx"))
    graph = Beside(export.cached(model))
    exact = Torch(network.encoder, cut)
    whole = [numbers(WINDOW)] * max(tokens // WINDOW, 1)
    sides = {
        "classify": lambda: [classifier.classify(part) for part in in_batches(messages)],
        "serve": lambda: [served.predict(part) for part in in_batches(texts)],
        "graph": lambda: [graph.run(part) for part in ready.served],
        "pass": lambda: [headless.run(part) for part in ready.bare],
        "products": lambda: plain.run(whole),
        "fp32": exact.run,
    }
    for side in sides.values():
        side()
    taken = rounds(sides, what="encoder")
    possible = multiplications(layers, len(whole) * WINDOW)
    result = {
        "what": "the router in int8, windows read side by side, against PyTorch fp32",
        "messages": len(texts),
        "tokens_per_message": round(tokens / len(texts)),
        "layers": layers,
        "classify_ms_per_128_tokens": per_unit(column(taken, "classify"), tokens),
        "serve_ms_per_128_tokens": per_unit(column(taken, "serve"), tokens),
        # The exported graph with its heads, its inputs ready.
        "graph_ms_per_128_tokens": per_unit(column(taken, "graph"), tokens),
        "pass_ms_per_128_tokens": per_unit(column(taken, "pass"), tokens),
        "fp32_ms_per_128_tokens": per_unit(column(taken, "fp32"), tokens),
        "classify_over_pass": ratio(taken, "classify", "pass"),
        "serve_over_pass": ratio(taken, "serve", "pass"),
        "fp32_over_pass": ratio(taken, "fp32", "pass"),
        "int8_peak_billions_a_second": round(
            possible / statistics.median(column(taken, "products")) / 1e9
        ),
        "percent_of_int8_peak": of_peak(taken, multiplications(layers, tokens), possible),
        "rounds": ROUNDS,
    }
    keep("encoder", result, wanted=WANTED)
