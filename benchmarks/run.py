"""`make bench`: what the path costs beside the assembly a user would write, in one run.

A B A B …, medians of five, printed as a table and kept as JSON. Ratios count; seconds on a
shared machine do not. The stock side uses untrained heads on the same encoder: its answers mean
nothing, its time is that of a trained one.
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from triage.classifiers.dataset import SHIPPED, read_rows
from triage.domain import Clinic
from triage.encoder.base import folder as base_folder
from triage.encoder.registry import Registry
from triage.pipeline import Rooms, file, land
from triage.store import Keys, Store, migrate, open_store
from triage.testing import MemoryInbox, mail
from triage.wiring import PartsSettings, load_parts

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5
MESSAGES = 200


def texts() -> list[str]:
    rows = [row for name in ("train-a", "train-b") for row in read_rows(SHIPPED / f"{name}.jsonl")]
    return [row.body for row in rows][:MESSAGES]


class Ours:
    """Land, parse, redact, classify, prioritise, draft, commit; encrypted, audited."""

    def __init__(self, folder: Path) -> None:
        keys = Keys.make(folder / "keys")
        url = f"sqlite:///{folder / 'triage.db'}"
        migrate(url, keys)
        self.store: Store = open_store(url, keys)
        self.store.people.add_clinic(Clinic("c1", "Bench"))
        self.rooms: Rooms = load_parts(PartsSettings(), Registry(folder), {}).rooms
        self.round = 0

    def run(self, bodies: list[str]) -> None:
        self.round += 1
        mails = [
            mail(body, message_id=f"<{self.round}.{number}@example.org>")
            for number, body in enumerate(bodies)
        ]
        inbox = MemoryInbox(mails, name=f"bench-{self.round}")
        landed = land(inbox, self.store, clinic="c1")
        for start in range(0, len(landed), 32):
            part = landed[start : start + 32]
            file(part, self.rooms, self.store, clinic="c1", by="worker")


class Stock:
    """Presidio with a transformers recogniser, a transformers classifier, one row per message."""

    def __init__(self, folder: Path) -> None:
        from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerResult
        from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
        from transformers import (
            AutoModelForSequenceClassification,
            AutoModelForTokenClassification,
            AutoTokenizer,
            pipeline,
        )

        base = str(base_folder())
        tokenizer = AutoTokenizer.from_pretrained(base)
        tagger = pipeline(
            "token-classification",
            model=AutoModelForTokenClassification.from_pretrained(base, num_labels=9),
            tokenizer=tokenizer,
            aggregation_strategy="simple",
        )
        self.classifier = pipeline(
            "text-classification",
            model=AutoModelForSequenceClassification.from_pretrained(base, num_labels=11),
            tokenizer=tokenizer,
            truncation=True,
        )

        class Reader(EntityRecognizer):  # type: ignore[misc]
            def load(self) -> None:
                pass

            def analyze(self, text: str, entities: Any, nlp_artifacts: Any = None) -> list[Any]:
                del entities, nlp_artifacts
                return [
                    RecognizerResult("PERSON", found["start"], found["end"], float(found["score"]))
                    for found in tagger(text[:1000])
                ]

        class Blank(SpacyNlpEngine):  # type: ignore[misc]
            def __init__(self) -> None:
                import spacy

                super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
                self.nlp = {"en": spacy.blank("en")}

            def load(self) -> None:
                pass

            def process_text(self, text: str, language: str) -> NlpArtifacts:
                return super().process_text(text, language)

        self.analyzer = AnalyzerEngine(nlp_engine=Blank())
        self.analyzer.registry.add_recognizer(Reader(supported_entities=["PERSON"]))
        self.database = sqlite3.connect(folder / "stock.db")
        self.database.execute("CREATE TABLE messages (body TEXT, route TEXT, found INTEGER)")

    def run(self, bodies: list[str]) -> None:
        for body in bodies:
            found = self.analyzer.analyze(text=body, language="en")
            (route,) = self.classifier(body)
            row = (body, route["label"], len(found))
            self.database.execute("INSERT INTO messages VALUES (?, ?, ?)", row)
            self.database.commit()


def seconds(step: Callable[[list[str]], None], bodies: list[str]) -> float:
    began = time.perf_counter()
    step(bodies)
    return time.perf_counter() - began


def main() -> None:
    bodies = texts()
    with tempfile.TemporaryDirectory() as name:
        ours, stock = Ours(Path(name)), Stock(Path(name))
        for side in (ours, stock):
            side.run(bodies[:20])
        pairs = []
        for number in range(ROUNDS):
            pairs.append((seconds(ours.run, bodies), seconds(stock.run, bodies)))
            sys.stderr.write(f"round {number + 1} of {ROUNDS}\n")
        ours.store.close()
    ratio = statistics.median(b / a for a, b in pairs)
    per_message = [
        statistics.median(side) / len(bodies) * 1000 for side in zip(*pairs, strict=True)
    ]
    result = {
        "what": "the path, 200 messages, against the stock assembly",
        "ours_ms_per_message": round(per_message[0], 2),
        "stock_ms_per_message": round(per_message[1], 2),
        "stock_over_ours": round(ratio, 2),
        "rounds": ROUNDS,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "path.json").write_text(json.dumps(result, indent=2) + "\n")
    for key, value in result.items():
        print(f"{key:22} {value}")


if __name__ == "__main__":
    main()
