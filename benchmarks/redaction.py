"""Redaction alone, in batches, beside stock Presidio with a transformers NER engine.

Both sides read the same words: ours subject and body, stock the two as one text.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks.rounds import ROUNDS, few, keep, per_message, ratio, rounds
from benchmarks.stock import StockRedactor
from triage.classifiers.dataset import SHIPPED, read_rows
from triage.domain import NO_BACKGROUND, Channel, Message, Protected
from triage.encoder.base import LAYERS
from triage.encoder.folder import read
from triage.encoder.tokens import windows
from triage.redaction.fields import Fields, join
from triage.redaction.presidio import PART, PresidioRedactor, checked

MESSAGES = 192
BATCH = 64


def messages() -> list[Message]:
    rows = [row for name in ("train-a", "train-b") for row in read_rows(SHIPPED / f"{name}.jsonl")]
    nobody = Protected("")
    return [
        Message(row.id, Channel.EMAIL, nobody, nobody, Protected(row.subject), Protected(row.body))
        for row in rows[::2][: few(MESSAGES)]
    ]


class Replay:
    """Answers what a tagger answered before: what is left is everything but the encoder."""

    def __init__(self, tagger: Any, texts: Sequence[str]) -> None:
        self._known = dict(zip(texts, tagger.tag(texts), strict=True))

    def tag(self, texts: Sequence[str]) -> Any:
        return [self._known[text] for text in texts]


class Ours:
    def __init__(self) -> None:
        self._redactor = PresidioRedactor()
        self._redactor.load()
        self.engines = self._redactor._ready()

    def run(self, letters: Sequence[Message]) -> None:
        for start in range(0, len(letters), BATCH):
            done = self._redactor.redact(letters[start : start + BATCH])
            assert not any(each.withheld for each in done)


def measure() -> None:
    letters = messages()
    texts = [join(each.subject.reveal(), each.body.reveal()) for each in letters]
    layers = int(read(checked(""), kind="tagger").config.get("layers", LAYERS))
    stock, small = StockRedactor(texts[0]), StockRedactor(texts[0], layers=layers)
    ours, rest = Ours(), Ours()
    tagger = ours.engines.tagger
    rest.engines.tagger = Replay(tagger, [Fields(each, NO_BACKGROUND).joined for each in letters])
    stock_encoder: list[float] = []

    def run_tagger() -> None:
        for start in range(0, len(texts), PART):
            tagger.tag(texts[start : start + PART])

    def run_stock() -> None:
        before = stock.encoder_seconds
        for text in texts:
            stock.find(text)
        stock_encoder.append(stock.encoder_seconds - before)

    def run_small() -> None:
        for text in texts:
            small.find(text)

    ours.run(letters[:BATCH])
    rest.run(letters[:BATCH])
    for text in texts[:20]:
        stock.find(text)
        small.find(text)
    sides = {
        "ours": lambda: ours.run(letters),
        "tagger": run_tagger,
        "rest": lambda: rest.run(letters),
        "stock": run_stock,
        "stock, our layers": run_small,
    }
    taken = rounds(sides, what="redaction")
    count = len(letters)
    sums = {name: [each[name] for each in taken] for name in sides}
    stock_rest = [whole - part for whole, part in zip(sums["stock"], stock_encoder, strict=True)]
    keep(
        "redaction",
        {
            "what": "redaction alone, batches of 64, against stock Presidio with a fp32 NER engine",
            "messages": count,
            "tokens_per_message": round(sum(len(each.ids) for each in windows(texts)) / count),
            "ours_ms_per_message": per_message(sums["ours"], count),
            # Each alone; together they take less than their sum: both work at once.
            "ours_encoder_alone_ms": per_message(sums["tagger"], count),
            "ours_all_else_alone_ms": per_message(sums["rest"], count),
            "stock_ms_per_message": per_message(sums["stock"], count),
            "stock_encoder_ms": per_message(stock_encoder, count),
            "stock_recognisers_ms": per_message(stock_rest, count),
            "stock_over_ours": ratio(taken, "stock", "ours"),
            "ours_layers": layers,
            "stock_layers": LAYERS,
            "stock_of_our_layers_over_ours": ratio(taken, "stock, our layers", "ours"),
            "rounds": ROUNDS,
        },
    )
