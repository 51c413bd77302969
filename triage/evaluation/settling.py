"""After the training: thresholds that keep what is promised, groups left to people, the gate.

Rule of the room: everything here is chosen on the calibration messages; the rules stand beside the
model, since what a rule finds the model need not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from triage.classifiers import dataset
from triage.classifiers.dataset import Row
from triage.classifiers.promises import POINTS, Point, Promise, at_best, cautious, write_points
from triage.classifiers.scorer import Scorer
from triage.classifiers.training import read_policy
from triage.classifiers.verdict import Policy, Verdict, judge
from triage.domain import Flag, Route, Urgency
from triage.encoder import RouterScores, folder
from triage.errors import BadSettings
from triage.evaluation.gate import Gate, fallen_behind, walk
from triage.evaluation.readings import Shown, show
from triage.priority import DOUBT, TOGETHER

#: Groups are held until none is left that falls behind, in at most so many rounds.
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """What was chosen for one model."""

    #: None when the calibration messages allow no promise; everything is then left to people.
    promise: Promise | None
    gate: Gate


def settle(model: Path, *, root: Path = dataset.DATA) -> Settled:
    """Choose thresholds and held groups on the calibration messages and walk through the gate.

    Writes calibration.json, and policy, held groups and the gate's verdict into config.json. Raise
    MissingModel or BadRow.
    """
    from triage.priority import RedFlags

    rows = dataset.read_material(root).calibration
    folder.remember(model, held=[], rules=RedFlags().digest)
    known = show(model, rows)
    chosen, shown = _round(model, known)
    for _ in range(MOST_ROUNDS):
        # What falls behind depends a little on the thresholds, and they on what is held.
        before = folder.read(model, kind="router").config["held"]
        held = sorted({*before, *fallen_behind(shown)})
        if held == before:
            break
        folder.remember(model, held=held)
        chosen, shown = _round(model, known)
    gate = walk(model, shown)
    folder.remember(model, gate=_verdict(gate) | ({} if chosen else {"passed": False}))
    return Settled(chosen, gate)


def _round(model: Path, known: Shown) -> tuple[Promise | None, Shown]:
    """Set the thresholds for the groups held now; return them and what the model then says."""
    points, policy = points_of(model, known), read_policy(model)
    folder.write_json(model / POINTS, write_points(points))
    chosen = None
    try:
        chosen = cautious(points, at_best(points))
        policy = chosen.policy(policy)
    except BadSettings:
        policy = replace(policy, abstain_below=1.0)
    folder.remember(model, policy=policy.as_dict())
    return chosen, show(model, known.rows, flags=known.flags)


def points_of(model: Path, known: Shown) -> list[Point]:
    """Return the calibration messages as a promise needs them."""
    from triage.classifiers.training import labelled

    policy, held = read_policy(model), set(folder.read(model, kind="router").config.get("held", ()))
    scores = Scorer(model).predict([labelled(row).text for row in known.rows])
    return [
        _point(row, score, policy, flags, held=bool(held & groups))
        for row, score, flags, groups in zip(
            known.rows, scores, known.flags, known.groups, strict=True
        )
    ]


def _point(
    row: Row, score: RouterScores, policy: Policy, flags: Sequence[Flag], *, held: bool
) -> Point:
    verdict = judge(score, policy)
    calm = _best_calm(verdict)
    urgent = verdict.scores[Route.URGENT_CLINICAL]
    # As `priority.rank` has it: a weak flag raises where the model has its doubts, and a rule
    # that was only noticed keeps the message from being routed.
    raised = any(not flag.weak or urgent >= DOUBT for flag in flags)
    noticed = any(flag.rule != TOGETHER for flag in flags) and not raised
    return Point(
        urgent=row.urgency > Urgency.ROUTINE,
        flagged=raised,
        p_urgent=urgent,
        p_calm=verdict.scores[calm],
        calm_right=calm is row.route,
        everyday="hard" not in row.tags,
        held=held or noticed,
    )


def _best_calm(verdict: Verdict) -> Route:
    calm = [route for route in verdict.scores if route is not Route.URGENT_CLINICAL]
    return max(calm, key=lambda route: verdict.scores[route])


def _verdict(gate: Gate) -> dict[str, object]:
    every = gate.all_copies
    return {
        "passed": gate.passed,
        "urgent_to_routine": round(every.fallen.value, 4),
        "other_route": round(every.changed.value, 4),
        "routed_another_way": round(every.astray.value, 4),
    }
