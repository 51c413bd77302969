"""The path, from landing to the queue, beside the assembly a user would write."""

import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.messages import mixed, registry
from benchmarks.rounds import ROUNDS, column, few, keep, per_message, ratio, rounds
from benchmarks.stock import StockClassifier, StockRedactor
from triage.domain import Clinic
from triage.loading import load_parts
from triage.patience import Patience
from triage.pipeline import Rooms, file, land
from triage.settings import PartsSettings
from triage.store import Keys, Store, migrate, open_store
from triage.testing import MemoryInbox, mail

MESSAGES = 1000
WANTED = {"stock_over_ours": ">= 3", "percent_of_cpu_in_encoder": ">= 60"}


class Clock:
    """CPU seconds of this process, and of these the ones spent inside ONNX Runtime."""

    def __init__(self) -> None:
        self.inside = 0.0
        self.used: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time every session's runs; each stays on the thread that asked."""
        import onnxruntime

        run = onnxruntime.InferenceSession.run

        def timed(session: Any, *arguments: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return run(session, *arguments, **options)
            finally:
                with self._lock:
                    self.inside += time.thread_time() - began

        onnxruntime.InferenceSession.run = timed
        try:
            yield
        finally:
            onnxruntime.InferenceSession.run = run

    def measure(self, step: Callable[[], object]) -> None:
        whole, inside = time.process_time(), self.inside
        with self.watching():
            step()
        self.used.append((time.process_time() - whole, self.inside - inside))


def percent_inside(used: Sequence[tuple[float, float]]) -> float:
    """Return the median share, in percent, of (all seconds, seconds inside)."""
    return round(100 * statistics.median(inside / whole for whole, inside in used), 1)


class Ours:
    """Land, parse, redact, classify, prioritise, draft, commit; encrypted, audited."""

    def __init__(self, folder: Path) -> None:
        keys = Keys.make(folder / "keys")
        url = f"sqlite:///{folder / 'triage.db'}"
        migrate(url, keys)
        self.store: Store = open_store(url, keys)
        self.store.people.add_clinic(Clinic("c1", "Bench"))
        rooms = load_parts(PartsSettings(), registry(), {}).rooms
        # On a busy machine a model given up on would make the path look quick.
        self.rooms: Rooms = replace(
            rooms, redactor_patience=Patience(3600.0), classifier_patience=Patience(3600.0)
        )
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
        assert not self.rooms.health.failing, "a part that failed costs nothing"


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
    bodies = [row.body for row in mixed(few(MESSAGES))]
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        ours, stock = Ours(Path(name)), Stock(Path(name), bodies[0])
        for side in (ours, stock):
            side.run(bodies[:20])
        sides = {
            "ours": lambda: clock.measure(lambda: ours.run(bodies)),
            "stock": lambda: stock.run(bodies),
        }
        taken = rounds(sides, what="path")
        ours.store.close()
    result = {
        "what": "the path, mixed messages, against the stock assembly",
        "messages": len(bodies),
        "ours_ms_per_message": per_message(column(taken, "ours"), len(bodies)),
        "stock_ms_per_message": per_message(column(taken, "stock"), len(bodies)),
        "stock_over_ours": ratio(taken, "stock", "ours"),
        "ours_cpu_ms_per_message": per_message([whole for whole, _ in clock.used], len(bodies)),
        "percent_of_cpu_in_encoder": percent_inside(clock.used),
        "rounds": ROUNDS,
    }
    keep("path", result, wanted=WANTED)
