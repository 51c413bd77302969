"""Weighs the signs of the red-flag table: which of them, together, come to danger.

Rule of the room: it learns from training messages only, gives no list a negative weight, and what
it finds is a short page of whole numbers that a person can read, question and change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triage.classifiers.dataset import Row
from triage.domain import Urgency
from triage.evaluation.readings import message_of
from triage.priority.redflags import TABLE, RedFlags

#: The strength of the pull towards few lists, and the highest points a list may have.
STRENGTH, MOST_POINTS = 0.3, 10
#: At most this share of the calm training messages may come to enough by weight alone.
ALARMS = 0.02
PAGE = TABLE / "weighed.yaml"


@dataclass(frozen=True, slots=True)
class Weights:
    """What each list counts, and the sum that raises a message."""

    points: Mapping[str, int]
    raises_at: int


def weigh(rows: Sequence[Row], *, alarms: float = ALARMS) -> Weights:
    """Fit the points on training rows by logistic regression that prefers few lists."""
    from sklearn.linear_model import LogisticRegression

    rules = RedFlags()
    names = rules.weighable
    found = [rules.signs(message_of(row)) for row in rows]
    signs = np.array([[name in each for name in names] for each in found], dtype=np.float32)
    urgent = np.array([row.urgency > Urgency.ROUTINE for row in rows])
    fit = LogisticRegression(
        C=STRENGTH, l1_ratio=1.0, solver="liblinear", class_weight="balanced", random_state=7
    ).fit(signs, urgent)
    strong = np.maximum(fit.coef_[0], 0.0)
    points = np.rint(strong / strong.max() * MOST_POINTS).astype(int)
    chosen = {name: int(one) for name, one in zip(names, points, strict=True) if one > 0}
    weights = dict(sorted(chosen.items(), key=lambda item: (-item[1], item[0])))
    calm = sorted(
        rules.weight(message_of(row), weights) for row in rows if row.urgency is Urgency.ROUTINE
    )
    # The lowest sum that all but the allowed share of the calm messages stay below.
    raises_at = calm[int(len(calm) * (1 - alarms))] + 1
    return Weights(weights, max(raises_at, MOST_POINTS + 1))


def write(weights: Weights, page: Path = PAGE) -> None:
    """Put the weights into the page in place of the old ones; its words stay."""
    import yaml

    read = yaml.safe_load(page.read_text("utf-8"))
    head, _, _ = page.read_text("utf-8").partition("rules:")
    (rule,) = read["rules"]
    rule |= {"raises_at": weights.raises_at, "points": dict(weights.points)}
    text = yaml.safe_dump(read, sort_keys=False, allow_unicode=True, width=100)
    page.write_text(f"{head}{text}\n# end of page\n", "utf-8")
