"""What a supervisor may promise of the serving router, what it costs, and what else there is.

Rule of the room: a price is counted on messages the model never learned from; what they cannot
keep is refused with the strictest that they can.
"""

import math
from collections.abc import Sequence

from triage.classifiers import promises
from triage.classifiers.promises import Point, Promise
from triage.classifiers.verdict import Policy
from triage.desk.views import AlertPrice, Offer, Price, PromiseView
from triage.encoder.registry import ModelInfo
from triage.errors import BadSettings, CannotPromise, MissingModel

#: Choices whose prices stand side by side.
MISSED = (1 / 200, 1 / 100, 1 / 50, 1 / 20)
WRONG = (0.02, 0.031, 0.05, 0.10)

#: The smallest difference between two shares of wrong ones that a person chooses between.
STEP = 0.001

Pair = tuple[float, float]


def view(model: ModelInfo, promised: Pair | None, asked: Pair | None = None) -> PromiseView:
    """Return what is promised of a model; with `asked`, the price of that too, nothing stored."""
    points = points_of(model)
    near = nearest(points, *(asked or promised or (promises.MISSED, promises.WRONG)))
    kept = nearest(points, *promised, step=None) if promised else None
    missed, wrong = near or (promises.MISSED, promises.WRONG)
    return PromiseView(
        model=model.name,
        tested=len(points),
        urgent=_urgent(points),
        promised=promised,
        kept=kept,
        now=_now(model, points, kept),
        asked=offer(points, *asked) if asked else None,
        nearest=near,
        strictest=_strictest(points, missed) if near else None,
        by_missed=tuple(offer(points, each, wrong) for each in MISSED) if points else (),
        by_wrong=tuple(offer(points, missed, each) for each in WRONG) if points else (),
    )


def points_of(model: ModelInfo) -> tuple[Point, ...]:
    """Return the messages a model was tested on, none where it came without."""
    return promises.points_of(model.folder)


def offer(points: Sequence[Point], missed: float, wrong: float) -> Offer:
    """Return one promise with its price, or with the reason why it cannot be kept.

    Raise CannotPromise for what is no share at all.
    """
    if not (0 < missed < 1 and 0 < wrong < 1):
        raise CannotPromise("Choose shares between none and all of the messages.")
    obstacle = _obstacle(points, missed, wrong)
    if obstacle:
        return Offer(missed, wrong, None, obstacle)
    return Offer(missed, wrong, price(_kept(points, missed, wrong)))


def nearest(
    points: Sequence[Point], missed: float, wrong: float, *, step: float | None = STEP
) -> Pair | None:
    """Return the promise nearest to this one that can be kept, None when none can.

    A share that had to grow is rounded up to a whole `step`, so that a person can ask for it.
    """
    try:
        best = promises.at_best(points, missed=missed, wrong=wrong)
    except BadSettings:
        return None
    grown = best.wrong if step is None or best.wrong == wrong else _up(best.wrong, step)
    return best.missed, grown


def in_words(points: Sequence[Point], missed: float, wrong: float) -> str:
    """Return the nearest that can be kept as a sentence."""
    near = nearest(points, missed, wrong)
    if near is None:
        return "Nothing can be promised with it."
    return (
        f"The strictest near it is at most 1 in {one_in(near[0])} missed and "
        f"{100 * near[1]:.1f} % wrong."
    )


def one_in(share: float) -> int:
    """Return the N of "1 in N", never more than the share says."""
    return math.floor(1 / share + 1e-9)


def price(promise: Promise) -> Price:
    """Return the counts of a promise as pages show them."""
    _, missed_below = promise.misses.interval(0.90)
    return Price(
        misses=promise.misses,
        missed_below=missed_below,
        errors=promise.errors,
        left=promise.left,
        left_everyday=promise.left_everyday,
        alerts=tuple(
            AlertPrice(share, alerts, promise.urgent_in_100_alerts[share])
            for share, alerts in promise.alerts_per_100.items()
        ),
    )


def _kept(points: Sequence[Point], missed: float, wrong: float) -> promises.Promise:
    """Return the promise as it is served, so that price and service cannot differ."""
    asked = promises.promise(points, missed=missed, wrong=wrong)
    return promises.cautious(points, asked)


def _now(model: ModelInfo, points: Sequence[Point], kept: Pair | None) -> Price | None:
    """Return the price paid now, by what is kept or by the model's own thresholds."""
    if not points:
        return None
    if kept:
        return price(_kept(points, *kept))
    try:
        policy = Policy.read(model.policy)
    except MissingModel:
        return None
    own = promises.priced(points, 1.0, 1.0, policy.urgent_at, policy.abstain_below)
    return price(own)


def _obstacle(points: Sequence[Point], missed: float, wrong: float) -> str:
    """Return why a promise cannot be kept, empty when it can."""
    if not points:
        return "The model that serves came without the messages it was tested on."
    least_missed, least_wrong = promises.strictest(points, missed=missed)
    if missed < least_missed:
        needed = math.ceil(1 / missed - 1e-9) - 1
        return (
            f"At most 1 in {one_in(missed)} missed needs {needed} tested urgent messages; "
            f"there are {_urgent(points)}."
        )
    if least_wrong >= 1:
        return f"Fewer than {promises.LEAST_ROUTED} of the tested messages would be sorted."
    if wrong < least_wrong:
        return (
            f"With at most 1 in {one_in(missed)} missed, no less than "
            f"{100 * _up(least_wrong, STEP):.1f} % wrong can be promised."
        )
    return ""


def _strictest(points: Sequence[Point], missed: float) -> Pair:
    least_missed, least_wrong = promises.strictest(points, missed=missed)
    return least_missed, _up(least_wrong, STEP)


def _up(share: float, step: float) -> float:
    return round(math.ceil(share / step - 1e-9) * step, 6)


def _urgent(points: Sequence[Point]) -> int:
    return sum(point.urgent for point in points)
