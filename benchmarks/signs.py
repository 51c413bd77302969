"""How often each sign that moves nothing stands on a labelled message, routine or urgent.

Rules and the router that serves rank each message as the path does, on text redacted as it is
labelled. No portal topic is in the sets: only the subject can contradict a text here.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import few, keep
from triage.classifiers.dataset import Row, read_rows
from triage.domain import Mark, Urgency
from triage.evaluation.readings import message_of, show
from triage.priority import rank
from triage.priority.signs import signs

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "router-3"
SETS = (
    "data/samples/messages",
    *("data/messages/dev", "data/messages/report", "data/messages/train-b"),
    *("data/routes/fresh", "data/routes/report"),
)
MOVING_NOTHING = (Mark.ANGRY, Mark.THREATENS, Mark.PLEADS, Mark.CONTRADICTION)


def marked(rows: list[Row]) -> Iterator[tuple[Row, frozenset[Mark]]]:
    """Yield each row with the signs that its case would show."""
    shown = show(MODEL, rows)
    for row, flags, said in zip(rows, shown.flags, shown.said, strict=True):
        message = message_of(row)
        yield row, signs(message, said, rank(message, flags, said))


def measure() -> None:
    """Count the signs of every set and keep the figures."""
    rows = [row for name in SETS for row in read_rows(ROOT / f"{name}.jsonl")]
    kinds: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row, marks in marked(rows[: few(len(rows))]):
        kind = "routine" if row.urgency is Urgency.ROUTINE else "urgent"
        kinds[kind] += 1
        found.update(f"{mark.value}, {kind}" for mark in marks & set(MOVING_NOTHING))
    counted = {f"{mark.value}, {kind}" for mark in MOVING_NOTHING for kind in kinds}
    result = {**kinds, **{name: found[name] for name in sorted(counted)}}
    keep("signs", result)
