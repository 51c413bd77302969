"""From scores to a verdict: urgent means both route and urgency, doubt is left to people."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.classifiers.calibrate import calibrate
from triage.classifiers.dataset import Row
from triage.classifiers.verdict import Policy, evidence, judge
from triage.domain import Channel, Route, Urgency
from triage.encoder import RouterScores
from triage.errors import MissingModel


def scores(
    best: Route, *, sure: float = 4.0, urgent: float = 0.05, emergency: float = 0.0, **asks: float
) -> RouterScores:
    logits = {route.value: 0.0 for route in Route}
    logits[best.value] = sure
    asked = {route.value: asks.get(route.value, 0.0) for route in Route}
    return RouterScores(logits, asked, (1 - urgent, urgent - emergency, emergency), ())


def row(route: Route, urgency: Urgency = Urgency.ROUTINE, *also: Route) -> Row:
    return Row("r", Channel.EMAIL, "", "", route, frozenset(also), urgency, ())


def test_a_calm_message_keeps_its_route() -> None:
    verdict = judge(scores(Route.REFILL, results=0.9, refill=0.9), Policy())
    assert verdict.route is Route.REFILL
    assert verdict.also == {Route.RESULTS}
    assert verdict.urgency is Urgency.ROUTINE


def test_an_urgent_message_is_routed_as_such_and_its_errand_is_not_forgotten() -> None:
    said = scores(Route.URGENT_CLINICAL, urgent=0.95, emergency=0.8, refill=0.7)
    verdict = judge(said, Policy())
    assert verdict.route is Route.URGENT_CLINICAL
    assert verdict.urgency is Urgency.EMERGENCY
    assert verdict.also == {Route.REFILL}


probabilities = st.floats(0.0, 1.0)
said = st.builds(
    lambda logits, asks, today, emergency: RouterScores(
        dict(zip(map(str, Route), logits, strict=True)),
        dict(zip(map(str, Route), asks, strict=True)),
        (1 - today, today - min(today, emergency), min(today, emergency)),
        (),
    ),
    st.lists(st.floats(-50, 50), min_size=11, max_size=11),
    st.lists(probabilities, min_size=11, max_size=11),
    probabilities,
    probabilities,
)
policies = st.builds(
    Policy,
    temperature=st.floats(0.1, 5),
    urgent_scale=st.floats(0.05, 5),
    urgent_shift=st.floats(-5, 5),
    urgent_at=probabilities,
    emergency_at=probabilities,
    also_at=probabilities,
    abstain_below=probabilities,
)


@given(said, policies)
def test_whatever_the_scores_the_verdict_is_sane(one: RouterScores, policy: Policy) -> None:
    verdict = judge(one, policy)
    assert (verdict.urgency > Urgency.ROUTINE) == (verdict.route is Route.URGENT_CLINICAL)
    assert verdict.route not in verdict.also
    assert Route.URGENT_CLINICAL not in verdict.also
    assert 0.0 <= verdict.confidence <= 1.0
    assert math.isclose(sum(verdict.scores.values()), 1.0, abs_tol=1e-6)
    assert verdict.abstained == (verdict.confidence < policy.abstain_below)


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        [],
        {**Policy().as_dict(), "temperature": 0},
        {**Policy().as_dict(), "urgent_at": "high"},
        {**Policy().as_dict(), "urgent_at": float("nan")},
        {**Policy().as_dict(), "more": 1},
    ],
)
def test_a_policy_that_is_not_whole_is_refused(content: object) -> None:
    with pytest.raises(MissingModel):
        Policy.read(content)


def test_a_policy_survives_writing_and_reading() -> None:
    assert Policy.read(Policy().as_dict()) == Policy()


def test_calibration_prefers_recall_of_the_urgent_within_bounds() -> None:
    calm = [(scores(Route.REFILL, urgent=0.01), row(Route.REFILL))] * 30
    odd = [(scores(Route.REFILL, urgent=0.4), row(Route.REFILL))] * 2
    weak = [
        (
            scores(Route.URGENT_CLINICAL, sure=2.0, urgent=0.4, emergency=0.1),
            row(Route.URGENT_CLINICAL, Urgency.TODAY),
        )
    ] * 3
    clear = [
        (
            scores(Route.URGENT_CLINICAL, urgent=0.99, emergency=0.9),
            row(Route.URGENT_CLINICAL, Urgency.EMERGENCY),
        )
    ] * 10
    pairs = calm + odd + weak + clear
    policy = calibrate([each for each, _ in pairs], [label for _, label in pairs])
    verdicts = [judge(each, policy) for each, _ in pairs]
    assert all(verdict.urgency > Urgency.ROUTINE for verdict in verdicts[-13:])
    assert all(verdict.urgency is Urgency.EMERGENCY for verdict in verdicts[-10:])
    assert not any(verdict.urgency for verdict in verdicts[:30])


def test_calibration_leaves_doubt_to_people() -> None:
    right = [(scores(Route.REFILL, sure=8.0), row(Route.REFILL))] * 60
    wrong = [(scores(Route.RESULTS, sure=1.0), row(Route.GENERAL))] * 12
    urgent = [
        (scores(Route.URGENT_CLINICAL, urgent=0.99), row(Route.URGENT_CLINICAL, Urgency.TODAY))
    ] * 20
    pairs = right + wrong + urgent
    policy = calibrate([each for each, _ in pairs], [label for _, label in pairs])
    kept = [
        judge(each, policy).route is label.route
        for each, label in pairs
        if not judge(each, policy).abstained
    ]
    assert 1 - sum(kept) / len(kept) <= 0.05


def test_evidence_grows_with_both_witnesses() -> None:
    base = evidence(scores(Route.REFILL, urgent=0.1))
    assert evidence(scores(Route.REFILL, urgent=0.6)) > base
    assert evidence(scores(Route.URGENT_CLINICAL, urgent=0.1)) > base
