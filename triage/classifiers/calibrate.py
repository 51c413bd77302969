"""Chooses the policy's numbers on the dev messages, which nobody trained on.

Rule of the room: missing an urgent message costs more than a false alarm, and a wrong route
costs more than asking a person.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from triage.classifiers.dataset import Row
from triage.classifiers.verdict import Policy, evidence, judge
from triage.domain import Route, Urgency
from triage.encoder import RouterScores

#: At most this share of the calm messages may be called urgent for the sake of recall.
MOST_FALSE_ALARMS = 0.10
#: At most this share of the messages that are not handed to a person may be wrong.
MOST_ERRORS = 0.05
#: At least this share of the further requests that are named must be real.
LEAST_REAL_REQUESTS = 0.6

_GRID = tuple(round(step / 100, 2) for step in range(5, 100))


def calibrate(scores: Sequence[RouterScores], rows: Sequence[Row]) -> Policy:
    """Return the policy that suits these rows; `scores` are theirs, same order."""
    scale, shift = _urgent_odds(scores, rows)
    policy = Policy(temperature=_temperature(scores, rows), urgent_scale=scale, urgent_shift=shift)
    policy = replace(policy, urgent_at=_urgent_at(scores, rows, policy))
    policy = replace(policy, emergency_at=_emergency_at(scores, rows, policy))
    policy = replace(policy, also_at=_also_at(scores, rows, policy))
    return replace(policy, abstain_below=_abstain_below(scores, rows, policy))


def _temperature(scores: Sequence[RouterScores], rows: Sequence[Row]) -> float:
    """Return what makes the calm routes' probabilities most honest (least log loss)."""
    calm = [
        (
            np.array([value for key, value in each.logits.items() if key != Route.URGENT_CLINICAL]),
            [route for route in Route if route is not Route.URGENT_CLINICAL].index(row.route),
        )
        for each, row in zip(scores, rows, strict=True)
        if row.route is not Route.URGENT_CLINICAL
    ]

    def loss(temperature: float) -> float:
        total = 0.0
        for logits, goal in calm:
            cooled = logits / temperature
            total += float(np.logaddexp.reduce(cooled) - cooled[goal])
        return total

    return min((step / 20 for step in range(6, 81)), key=loss)


def _urgent_odds(scores: Sequence[RouterScores], rows: Sequence[Row]) -> tuple[float, float]:
    """Fit scale and shift of the evidence of urgency (Platt's scaling, lightly held back)."""
    from sklearn.linear_model import LogisticRegression

    urgent = [row.urgency > Urgency.ROUTINE for row in rows]
    if len(set(urgent)) < 2:
        return 1.0, 0.0
    fit = LogisticRegression(C=1.0).fit([[evidence(each)] for each in scores], urgent)
    return max(float(fit.coef_[0][0]), 0.05), float(fit.intercept_[0])


def _urgent_at(scores: Sequence[RouterScores], rows: Sequence[Row], policy: Policy) -> float:
    """Return the threshold of the best recall that the allowed false alarms can buy."""

    def worth(threshold: float) -> tuple[float, float]:
        trial = replace(policy, urgent_at=threshold)
        called = [judge(each, trial).route is Route.URGENT_CLINICAL for each in scores]
        urgent = [row.urgency > Urgency.ROUTINE for row in rows]
        pairs = list(zip(called, urgent, strict=True))
        recall = sum(c and u for c, u in pairs) / max(sum(urgent), 1)
        alarms = sum(c and not u for c, u in pairs) / max(len(rows) - sum(urgent), 1)
        return (recall, -alarms) if alarms <= MOST_FALSE_ALARMS else (-alarms, 0.0)

    return _middle_of_best(worth)


def _emergency_at(scores: Sequence[RouterScores], rows: Sequence[Row], policy: Policy) -> float:
    """Return the share at which "today" becomes "emergency"; at most one half, since doubt is."""

    def worth(threshold: float) -> float:
        trial = replace(policy, emergency_at=threshold, urgent_at=0.0)
        return sum(
            judge(each, trial).urgency is row.urgency
            for each, row in zip(scores, rows, strict=True)
            if row.urgency > Urgency.ROUTINE
        )

    return min(_middle_of_best(worth), 0.5)


def _also_at(scores: Sequence[RouterScores], rows: Sequence[Row], policy: Policy) -> float:
    """Return the threshold that names the most further requests while most named are real."""

    def worth(threshold: float) -> float:
        trial = replace(policy, also_at=threshold)
        found = [judge(each, trial).also for each in scores]
        named = sum(len(each) for each in found)
        asked = sum(len(row.also) for row in rows)
        pairs = list(zip(found, rows, strict=True))
        hits = sum(len(each & row.also) for each, row in pairs)
        # A request that is named second although it comes first is still a real one.
        real = sum(len(each & {row.route, *row.also}) for each, row in pairs)
        return hits / max(asked, 1) if real >= LEAST_REAL_REQUESTS * named else -1.0

    return _middle_of_best(worth)


def _abstain_below(scores: Sequence[RouterScores], rows: Sequence[Row], policy: Policy) -> float:
    """Return the lowest threshold above which at most MOST_ERRORS of the verdicts are wrong.

    One error more than was seen is counted, as conformal risk control does (Angelopoulos and
    others, 2022), because the threshold is chosen on the messages it is judged by.
    """
    verdicts = [judge(each, policy) for each in scores]
    judged = [
        (verdict.confidence, verdict.route is row.route)
        for verdict, row in zip(verdicts, rows, strict=True)
    ]
    for threshold in _GRID:
        kept = [right for confidence, right in judged if confidence >= threshold]
        wrong = len(kept) - sum(kept)
        if (wrong + 1) / (len(kept) + 1) <= MOST_ERRORS:
            return threshold
    return _GRID[-1]


def _middle_of_best(worth: Callable[[float], object]) -> float:
    """Return the middle of the first run of thresholds with the highest worth.

    The edges of such a run fit the dev messages by chance; its middle is the least surprising.
    """
    values = [worth(threshold) for threshold in _GRID]
    highest = max(values)  # type: ignore[type-var]  # worth gives numbers or tuples of numbers.
    first = values.index(highest)
    last = first
    while last + 1 < len(values) and values[last + 1] == highest:
        last += 1
    return _GRID[(first + last) // 2]
