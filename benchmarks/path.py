"""The path, from landing to the queue, beside the assembly a user would write."""

import sqlite3
import tempfile
from pathlib import Path

from benchmarks.rounds import ROUNDS, keep, per_message, ratio, rounds
from benchmarks.stock import StockClassifier, StockRedactor
from triage.classifiers.dataset import SHIPPED, read_rows
from triage.domain import Clinic
from triage.encoder.registry import Registry
from triage.pipeline import Rooms, file, land
from triage.store import Keys, Store, migrate, open_store
from triage.testing import MemoryInbox, mail
from triage.wiring import PartsSettings, load_parts

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
    """Redact, classify, one row a message."""

    def __init__(self, folder: Path, sample: str) -> None:
        self.redactor, self.classifier = StockRedactor(sample), StockClassifier()
        self.database = sqlite3.connect(folder / "stock.db")
        self.database.execute("CREATE TABLE messages (body TEXT, route TEXT, found INTEGER)")

    def run(self, bodies: list[str]) -> None:
        for body in bodies:
            row = (body, self.classifier.route(body), len(self.redactor.find(body)))
            self.database.execute("INSERT INTO messages VALUES (?, ?, ?)", row)
            self.database.commit()


def measure() -> None:
    bodies = texts()
    with tempfile.TemporaryDirectory() as name:
        ours, stock = Ours(Path(name)), Stock(Path(name), bodies[0])
        for side in (ours, stock):
            side.run(bodies[:20])
        taken = rounds(
            {"ours": lambda: ours.run(bodies), "stock": lambda: stock.run(bodies)}, what="path"
        )
        ours.store.close()
    result = {
        "what": "the path, 200 messages, against the stock assembly",
        "ours_ms_per_message": per_message([each["ours"] for each in taken], len(bodies)),
        "stock_ms_per_message": per_message([each["stock"] for each in taken], len(bodies)),
        "stock_over_ours": ratio(taken, "stock", "ours"),
        "rounds": ROUNDS,
    }
    keep("path", result)
