"""Chooses the policy's numbers on messages that nobody trained on.

Rule of the room: a probability is fitted so that it means what it says; where to draw the line is
the supervisor's to choose.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from triage.classifiers.dataset import Row
from triage.classifiers.verdict import Policy, evidence, judge, log_odds
from triage.domain import Route, Urgency
from triage.encoder import RouterScores

#: At least this share of the further requests that are named must be real.
LEAST_REAL_REQUESTS = 0.6
#: How much the requests' log-odds may add to the routes' logits.
_ASKED = (0.0, 0.25, 0.5, 1.0)

_GRID = tuple(round(step / 100, 2) for step in range(5, 100))


def calibrate(scores: Sequence[RouterScores], rows: Sequence[Row]) -> Policy:
    """Return the policy that suits these rows; `scores` are theirs, same order.

    `urgent_at` and `abstain_below` are left to what a supervisor wants promised (`promises.py`).
    """
    temperature, asked = _temperature(scores, rows)
    scale, shift = _urgent_odds(scores, rows)
    policy = Policy(temperature=temperature, asked=asked, urgent_scale=scale, urgent_shift=shift)
    policy = replace(policy, emergency_at=_emergency_at(scores, rows, policy))
    return replace(policy, also_at=_also_at(scores, rows, policy))


def _temperature(scores: Sequence[RouterScores], rows: Sequence[Row]) -> tuple[float, float]:
    """Return what makes the calm routes' probabilities most honest (least log loss).

    That is a temperature and the part of the requests' log-odds in them.
    """
    routes = [route for route in Route if route is not Route.URGENT_CLINICAL]
    calm = [
        (each, row.route) for each, row in zip(scores, rows, strict=True) if row.route in routes
    ]
    if not calm:
        return 1.0, 0.0
    logits = np.array([[each.logits[route] for route in routes] for each, _ in calm])
    asks = np.array([[log_odds(each.asks[route]) for route in routes] for each, _ in calm])
    goal = np.array([routes.index(route) for _, route in calm])

    def loss(choice: tuple[float, float]) -> float:
        temperature, asked = choice
        cooled = (logits + asked * asks) / temperature
        whole = np.logaddexp.reduce(cooled, axis=1)
        return float((whole - cooled[np.arange(len(goal)), goal]).sum())

    return min(((step / 20, asked) for step in range(6, 121) for asked in _ASKED), key=loss)


def _urgent_odds(scores: Sequence[RouterScores], rows: Sequence[Row]) -> tuple[float, float]:
    """Fit scale and shift of the evidence of urgency (Platt's scaling, lightly held back)."""
    from sklearn.linear_model import LogisticRegression

    urgent = [row.urgency > Urgency.ROUTINE for row in rows]
    if len(set(urgent)) < 2:
        return 1.0, 0.0
    fit = LogisticRegression(C=1.0).fit([[evidence(each)] for each in scores], urgent)
    return max(float(fit.coef_[0][0]), 0.05), float(fit.intercept_[0])


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
