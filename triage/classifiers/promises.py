"""What a supervisor may be promised of a router, and what it costs: conformal risk control.

Rule of the room: a promise rests on messages that nobody trained or tuned on, counts one failure
more than was seen, and is refused where too few messages were labelled to keep it.

The confidences were fitted, and groups that fall behind left out, on the same calibration messages;
for urgency that changes nothing (the fit keeps the order), for routing it flatters a little.

Source: Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk Control" (2022). The promise
holds on average over messages like the calibration ones; the exact interval stands beside it.
For missed urgent messages that is a theorem. For routed ones, whose number moves with the
threshold, it is not; tests/classifiers/test_promises.py holds it by simulation.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from triage.classifiers.verdict import Policy
from triage.domain import Share
from triage.errors import BadSettings, MissingModel

#: What the shipped settings promise: one urgent message in 50 missed, 3.1 % of routed wrong. One
#: in 100 can be promised; its price, in false alarms, is the supervisor's to pay.
MISSED, WRONG = 0.02, 0.031
#: Share of calm messages that the shipped settings may raise for the sake of missing fewer still.
CAUTION = 0.02
#: Shares of urgent messages for which a price is told: those seen in practices, and a bad week's.
PREVALENCES = (0.003, 0.01, 0.035)
#: Fewer messages than this say nothing about routing.
LEAST_ROUTED = 20
#: Beside a model: the calibration messages as numbers.
POINTS = "calibration.json"
#: Thresholds lie on a grid of this many steps, as config.json and calibration.json keep them.
_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Point:
    """One calibration message: what it was and what rules and model thought; no text."""

    urgent: bool
    #: The red-flag rules raise it.
    flagged: bool
    #: Calibrated probability that it is urgent, and of its best calm route.
    p_urgent: float
    p_calm: float
    #: That best calm route is the right one.
    calm_right: bool
    everyday: bool = True
    #: It is not routed automatically: its group is not, or a weak sign of danger was noticed.
    held: bool = False

    def missed(self, urgent_at: float) -> bool:
        """Whether it is urgent and nobody would be called."""
        return self.urgent and not self.alerted(urgent_at)

    def alerted(self, urgent_at: float) -> bool:
        """Whether it is put before a person at once."""
        return self.flagged or self.p_urgent >= urgent_at

    def routed(self, urgent_at: float, routed_at: float) -> bool:
        """Whether it goes its way without a person sorting it; rules and model must agree."""
        called = self.p_urgent >= urgent_at
        if self.held or (self.flagged and not called):
            return False
        return self.confidence(urgent_at) >= routed_at

    def confidence(self, urgent_at: float) -> float:
        """The share of the route that would be shown."""
        return self.p_urgent if self.p_urgent >= urgent_at else self.p_calm

    def wrong(self, urgent_at: float) -> bool:
        """Whether that route is wrong."""
        called = self.p_urgent >= urgent_at
        return not self.urgent if called else self.urgent or not self.calm_right


@dataclass(frozen=True, slots=True)
class Promise:
    """The thresholds that keep what a supervisor asked for, and their price."""

    missed: float
    wrong: float
    urgent_at: float
    routed_at: float
    #: Urgent calibration messages missed, and routed ones that were wrong.
    misses: Share
    errors: Share
    #: Calm calibration messages that raise an alert, and everyday ones left to people.
    false_alarms: Share
    left: Share
    left_everyday: Share
    #: Share of urgent messages -> alerts in 100 messages, and urgent ones in 100 alerts.
    alerts_per_100: Mapping[float, float]
    urgent_in_100_alerts: Mapping[float, float]

    def policy(self, policy: Policy) -> Policy:
        """Return the policy with these thresholds."""
        return replace(policy, urgent_at=self.urgent_at, abstain_below=self.routed_at)


def strictest(points: Sequence[Point], *, missed: float = MISSED) -> tuple[float, float]:
    """Return the smallest shares (missed, wrong) that these messages allow to promise.

    How few may be routed wrongly depends on how few may be missed: that is `missed`, or the
    smallest share if it is larger. A share of 1 says that nothing can be promised.
    """
    least = 1 / (sum(point.urgent for point in points) + 1)
    ladder = _ladder(points, _urgent_at(points, max(least, missed)))
    return least, min((_counted(errors) for _, errors in ladder), default=1.0)


def promise(points: Sequence[Point], *, missed: float = MISSED, wrong: float = WRONG) -> Promise:
    """Return what keeps "at most `missed` of the urgent, at most `wrong` of the routed".

    Raise BadSettings when the calibration messages are too few, with the strictest they allow.
    """
    least_missed, least_wrong = strictest(points, missed=missed)
    if not least_missed <= missed < 1:
        raise BadSettings(
            f"with these calibration messages no less than {least_missed:.2%} of the urgent ones "
            "can be promised to be missed"
        )
    if not least_wrong <= wrong < 1:
        raise BadSettings(
            f"with these calibration messages no less than {least_wrong:.2%} of the routed ones "
            "can be promised to be wrong"
        )
    urgent_at = _urgent_at(points, missed)
    return priced(points, missed, wrong, urgent_at, _routed_at(points, urgent_at, wrong))


def at_best(points: Sequence[Point], *, missed: float = MISSED, wrong: float = WRONG) -> Promise:
    """Return the promise asked for, or the strictest one that can be kept.

    Raise BadSettings when none can: there is no urgent message, or hardly any that is routed.
    """
    least_missed, least_wrong = strictest(points, missed=missed)
    return promise(points, missed=max(missed, least_missed), wrong=max(wrong, least_wrong))


def cautious(points: Sequence[Point], kept: Promise) -> Promise:
    """Return a promise whose threshold of urgency is lower still, where that costs next to nothing.

    The model may raise up to CAUTION of the calm messages that no rule raised; fewer urgent ones
    are missed than were promised.
    """
    calm = [point for point in points if not point.urgent]
    allowed = int(CAUTION * len(calm))
    quiet = sorted((point.p_urgent for point in calm if not point.flagged), reverse=True)
    # Just above the score of the first calm message that would be one too many.
    lowest = _down(quiet[allowed]) + 1 / _STEPS if allowed < len(quiet) else 0.0
    urgent_at = min(kept.urgent_at, lowest)
    routed_at = _routed_at(points, urgent_at, kept.wrong)
    return priced(points, kept.missed, kept.wrong, urgent_at, routed_at)


def priced(
    points: Sequence[Point], missed: float, wrong: float, urgent_at: float, routed_at: float
) -> Promise:
    """Count what these thresholds do to the messages, whatever is promised with them."""
    calm = [point for point in points if not point.urgent]
    alarms = Share.among([point.alerted(urgent_at) for point in calm])
    misses = Share.among([point.missed(urgent_at) for point in points if point.urgent])
    left = [(point, not point.routed(urgent_at, routed_at)) for point in points]
    found = 1.0 - misses.value if misses.of else 0.0
    alerts = {
        share: 100 * (share * found + (1 - share) * (alarms.value if alarms.of else 0.0))
        for share in PREVALENCES
    }
    return Promise(
        missed=missed,
        wrong=wrong,
        urgent_at=urgent_at,
        routed_at=routed_at,
        misses=misses,
        errors=_routed(points, urgent_at, routed_at),
        false_alarms=alarms,
        left=Share.among([is_left for _, is_left in left]),
        left_everyday=Share.among([is_left for point, is_left in left if point.everyday]),
        alerts_per_100={share: round(value, 2) for share, value in alerts.items()},
        urgent_in_100_alerts={
            share: round(100 * 100 * share * found / value, 1) if value else 0.0
            for share, value in alerts.items()
        },
    )


def _counted(failures: Share) -> float:
    """Return the share of failures with one more than was seen: the message that comes next."""
    return (failures.hits + 1) / (failures.of + 1)


def _urgent_at(points: Sequence[Point], missed: float) -> float:
    """Return the highest threshold at which one miss more than was seen is still allowed."""
    urgent = [point for point in points if point.urgent]
    # What a rule finds is never missed, so only the others fall below a threshold.
    silent = sorted(point.p_urgent for point in urgent if not point.flagged)
    best = 0.0
    for threshold in sorted({_down(point.p_urgent) for point in urgent}):
        if _counted(Share(bisect_left(silent, threshold), len(urgent))) > missed:
            break
        best = threshold
    return best


def _down(number: float) -> float:
    """Return the highest step of the grid that is not above the number.

    Cut, never rounded, so that a message does not fall below its own score.
    """
    step = round(number * _STEPS)
    return step / _STEPS if step / _STEPS <= number else (step - 1) / _STEPS


def _routed(points: Sequence[Point], urgent_at: float, routed_at: float) -> Share:
    """Return how many of the routed messages are wrong."""
    return Share.among(
        [point.wrong(urgent_at) for point in points if point.routed(urgent_at, routed_at)]
    )


def _ladder(points: Sequence[Point], urgent_at: float) -> list[tuple[float, Share]]:
    """Return thresholds from the highest down, each with how many routed at it are wrong.

    Those at which too few messages are routed to say anything are left out.
    """
    routed = sorted(
        (
            (_down(point.confidence(urgent_at)), point.wrong(urgent_at))
            for point in points
            if point.routed(urgent_at, 0.0)
        ),
        reverse=True,
    )
    rungs: dict[float, Share] = {}
    hits = 0
    for count, (threshold, is_wrong) in enumerate(routed, 1):
        hits += is_wrong
        # Messages of one score go together, so the last of them counts.
        rungs[threshold] = Share(hits, count)
    return [rung for rung in rungs.items() if rung[1].of >= LEAST_ROUTED]


def _routed_at(points: Sequence[Point], urgent_at: float, wrong: float) -> float:
    """Return the lowest threshold down to which, once it is kept, the promise stays kept.

    A lower one may keep it again by chance; to pick that one would be to pick the luck.
    """
    best = 1.0
    for threshold, errors in _ladder(points, urgent_at):
        if _counted(errors) <= wrong:
            best = threshold
        elif best < 1.0:
            break
    return best


def write_points(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the points as calibration.json keeps them; every promise stays what it was."""
    return [
        {key: _down(value) if isinstance(value, float) else value for key, value in each.items()}
        for each in map(asdict, points)
    ]


def points_of(model: Path) -> tuple[Point, ...]:
    """Return the points of a model's folder, none where it came without; raise MissingModel."""
    try:
        content = json.loads((model / POINTS).read_text("utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError):
        raise MissingModel(f"{model.name} ({POINTS} cannot be read)") from None
    return read_points(content)


def read_points(content: object) -> tuple[Point, ...]:
    """Read them again; raise MissingModel when one is not right."""
    try:
        points = tuple(Point(**each) for each in content)  # type: ignore[attr-defined]  # Whatever it is, the errors are caught.
        if not points or not all(map(_is_right, points)):
            raise ValueError
    except (TypeError, ValueError):
        raise MissingModel("calibration.json is not whole") from None
    return points


def _is_right(point: Point) -> bool:
    facts = (point.urgent, point.flagged, point.calm_right, point.everyday, point.held)
    shares = (point.p_urgent, point.p_calm)
    return all(isinstance(fact, bool) for fact in facts) and all(
        isinstance(share, int | float) and 0 <= share <= 1 for share in shares
    )
