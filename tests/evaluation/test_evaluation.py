"""The numbers are counted as they say."""

import pytest

from triage.classifiers.dataset import Row
from triage.domain import Channel, Route, Share, Urgency
from triage.evaluation import Prediction, evaluate_routes
from triage.evaluation.routes import compare, tfidf_baseline
from triage.evaluation.tables import table


def row(
    route: Route,
    urgency: Urgency = Urgency.ROUTINE,
    *also: Route,
    body: str = "",
    tag: str = "everyday",
) -> Row:
    tags = frozenset({tag})
    return Row("r", Channel.EMAIL, "", body, route, frozenset(also), urgency, (), tags=tags)


def test_routes_are_counted() -> None:
    rows = [
        row(Route.URGENT_CLINICAL, Urgency.EMERGENCY, Route.REFILL, tag="hard"),
        row(Route.URGENT_CLINICAL, Urgency.TODAY),
        row(Route.REFILL),
        row(Route.REFILL, Urgency.ROUTINE, Route.RESULTS),
    ]
    said = [
        Prediction(Route.URGENT_CLINICAL, frozenset({Route.REFILL}), Urgency.EMERGENCY),
        Prediction(Route.REFILL),
        Prediction(Route.URGENT_CLINICAL, frozenset(), Urgency.TODAY),
        Prediction(Route.RESULTS, frozenset({Route.REFILL}), abstained=True),
    ]
    report = evaluate_routes(rows, said)
    assert report.right == Share(1, 4)
    assert report.urgent_found == Share(1, 2)
    assert report.emergency_found == Share(1, 1)
    assert report.false_alarms == Share(1, 2)
    assert report.alarms_right == Share(1, 2)
    assert report.alerts_per_100 == 50.0
    # The second message's further request is found although route and request are swapped.
    assert report.requests_found == Share(2, 2)
    assert report.requests_right == Share(2, 2)
    assert report.abstained == Share(1, 4)
    assert report.wrong_among_routed == Share(2, 3)
    assert report.hard_right == Share(1, 1)
    assert report.everyday_right == Share(0, 3)
    assert report.f1 == {Route.URGENT_CLINICAL: pytest.approx(0.5), Route.REFILL: 0.0}
    assert report.macro_f1 == pytest.approx(0.25)
    assert report.flat("report")["report_urgent_recall"] == 0.5


def test_predictions_must_be_those_of_the_rows() -> None:
    with pytest.raises(ValueError, match="shorter"):
        evaluate_routes([row(Route.REFILL)], [])


def test_the_baseline_learns_words() -> None:
    train = [row(Route.REFILL, body="refill my pills")] * 3
    train += [row(Route.BILLING_DISPUTE, body="this bill is wrong")] * 3
    (said,) = tfidf_baseline(train, [row(Route.REFILL, body="my pills")])
    assert said.route is Route.REFILL


def test_reports_stand_side_by_side() -> None:
    report = evaluate_routes([row(Route.REFILL)], [Prediction(Route.REFILL)])
    text = compare({"model": report, "baseline": report})
    assert "| model" in text
    assert "urgent messages found" in text
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n|---|---|\n| x | 1 |"
