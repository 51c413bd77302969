"""Weighs rules and weak signs of the red-flag table: what each counts towards danger.

Rule of the room: the points are learned from training messages, the sums from messages the rules
were not written with; nothing counts against danger; what is found is a page of whole numbers that
a person can read, question and change.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triage.classifiers.dataset import Row
from triage.domain import Urgency
from triage.evaluation.readings import message_of
from triage.priority.redflags import TABLE, RedFlags
from triage.priority.scorecard import MOST_RULES, Scorecard

#: How strongly points are pulled towards 0, and the sum that raises a message beside a model.
STRENGTH, RAISES_AT = 0.1, 100
#: Share of the calm messages, everyday and hard ones, that rules may raise beside a model, and
#: share of all calm ones where no model answers.
BESIDE = {"everyday": 0.03, "hard": 0.075}
ALONE = 0.12
#: Rows whose writers the rules have never seen tell more about them than those they were made of.
UNSEEN_WEIGHT = 3.0
PAGE = TABLE / "weighed.yaml"

Numbers = NDArray[np.float64]


def weigh(rows: Sequence[Row], unseen: Sequence[Row], setting: Sequence[Row]) -> Scorecard:
    """Fit the points on `rows` and `unseen` ones, and choose the sums on `setting`."""
    rules = RedFlags()
    names = ["", *(rule.name for rule in rules.rules), *rules.weighable]
    taught = _matrix(rules, [*rows, *unseen], names)
    weight = np.array([1.0] * len(rows) + [UNSEEN_WEIGHT] * len(unseen))
    points = _fitted(taught, _urgent([*rows, *unseen]), weight)
    sums = _matrix(rules, setting, names) @ points
    scale = RAISES_AT / max(_sum_at(sums, setting, BESIDE), 1e-9)
    whole = {name: round(float(one * scale)) for name, one in zip(names, points, strict=True)}
    return _card(rules, whole, setting)


def _card(rules: RedFlags, points: dict[str, int], setting: Sequence[Row]) -> Scorecard:
    """Return the points by rule and list, and the sum at which the rules raise when alone."""
    own = {rule.name for rule in rules.rules}
    # The first column is half the number of rules, so half of it is what each rule counts.
    card = Scorecard(
        raises_at=RAISES_AT,
        any_rule=points[""] // 2,
        rules={name: one for name, one in points.items() if one and name in own},
        signs={name: one for name, one in points.items() if one and name and name not in own},
    )
    calm = [card.total(*rules.evidence(message_of(row))) for row in setting if _calm(row)]
    alone = int(np.quantile(calm, 1 - ALONE)) + 1
    least = max(card.signs.values(), default=0) + 1
    return Scorecard(**{**asdict(card), "alone_at": min(max(alone, least), RAISES_AT)})


def _matrix(rules: RedFlags, rows: Sequence[Row], names: Sequence[str]) -> Numbers:
    """Return [rows, names]: which rules and signs are there; first, half the number of rules."""
    place = {name: at for at, name in enumerate(names)}
    found = np.zeros((len(rows), len(names)))
    for at, row in enumerate(rows):
        fired, signs = rules.evidence(message_of(row))
        found[at, [place[name] for name in (*fired, *signs)]] = 1.0
        found[at, 0] = min(len(fired), MOST_RULES) / 2
    return found


def _fitted(found: Numbers, urgent: NDArray[np.bool_], weight: Numbers) -> Numbers:
    """Return points at or above 0 by logistic regression; what would count against is left out."""
    from sklearn.linear_model import LogisticRegression

    kept = np.ones(found.shape[1], dtype=bool)
    points = np.zeros(found.shape[1])
    while kept.any():
        fit = LogisticRegression(C=STRENGTH, max_iter=3000)
        fit.fit(found[:, kept], urgent, sample_weight=weight)
        points = np.zeros(found.shape[1])
        points[kept] = fit.coef_[0]
        if (points >= 0).all():
            break
        kept &= points > 0
    return points


def _sum_at(sums: Numbers, rows: Sequence[Row], shares: dict[str, float]) -> float:
    """Return the lowest sum that at most these shares of the calm everyday and hard rows reach."""
    each = [
        np.quantile([one for one, row in zip(sums, rows, strict=True) if _is(row, kind)], 1 - share)
        for kind, share in shares.items()
    ]
    return float(max(each)) * 1.0001


def _is(row: Row, kind: str) -> bool:
    return _calm(row) and ("hard" in row.tags) == (kind == "hard")


def _calm(row: Row) -> bool:
    return row.urgency is Urgency.ROUTINE


def _urgent(rows: Sequence[Row]) -> NDArray[np.bool_]:
    return np.array([not _calm(row) for row in rows])


def write(card: Scorecard, page: Path = PAGE) -> None:
    """Put the scorecard into the page in place of the old one; the words above it stay."""
    import yaml

    head, _, _ = page.read_text("utf-8").partition("score:")
    heaviest = {
        key: dict(sorted(value.items(), key=lambda item: (-item[1], item[0])))
        if isinstance(value, dict)
        else value
        for key, value in asdict(card).items()
    }
    text = yaml.safe_dump({"score": heaviest}, sort_keys=False, allow_unicode=True, width=100)
    page.write_text(f"{head}{text}\n# end of page\n", "utf-8")
