"""The numbers are counted as they say."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from triage.classifiers.dataset import Row
from triage.domain import Channel, Route, Share, Urgency
from triage.evaluation import Prediction, evaluate_routes
from triage.evaluation.baselines import frozen, keywords, tfidf
from triage.evaluation.pictures import reliability_plot
from triage.evaluation.routes import calibration_error, compare, reliability, verdicts
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
    assert report.routed == Share(3, 4)
    assert report.wrong_among_routed == Share(2, 3)
    assert report.hard is not None
    assert report.everyday is not None
    assert report.hard.right == Share(1, 1)
    assert report.everyday.right == Share(0, 3)
    assert report.everyday.false_alarms == Share(1, 2)
    # Half of the urgent are found and half of the calm alarm: 1 % urgent gives 1 in 100 alerts.
    assert report.urgent_in_100_alerts(0.01) == pytest.approx(1.0)
    assert report.f1 == {Route.URGENT_CLINICAL: pytest.approx(0.5), Route.REFILL: 0.0}
    assert report.macro_f1 == pytest.approx(0.25)
    flat = report.flat("report_")
    assert flat["report_urgent_recall"] == 0.5
    assert flat["report_hard_macro_f1"] == 1.0


def test_predictions_must_be_those_of_the_rows() -> None:
    with pytest.raises(ValueError, match="shorter"):
        evaluate_routes([row(Route.REFILL)], [])


@pytest.mark.parametrize("learn", [tfidf, frozen])
def test_a_baseline_learns_words(learn: Callable[..., list[Prediction]]) -> None:
    train = [row(Route.REFILL, body="refill my pills")] * 3
    train += [row(Route.BILLING_DISPUTE, body="this bill is wrong")] * 3
    (said,) = learn(train, [row(Route.REFILL, body="my pills")])
    assert said.route is Route.REFILL
    assert 0.5 < said.confidence <= 1.0


def test_keywords_take_the_first_that_fits() -> None:
    (urgent, bill, rest) = keywords(
        [
            row(Route.GENERAL, body="The bill came and I have CHEST PAIN"),
            row(Route.GENERAL, body="that bill"),
            row(Route.GENERAL, body="hello"),
        ]
    )
    assert urgent.route is Route.URGENT_CLINICAL
    assert Route.BILLING_DISPUTE in urgent.also
    assert bill.route is Route.BILLING_DISPUTE
    assert rest.route is Route.GENERAL


def test_confidence_is_held_against_what_was_right() -> None:
    curve = reliability([0.95, 0.95, 0.15, 1.0], [True, False, False, True])
    assert curve == [(0.15, Share(0, 1)), (pytest.approx(2.9 / 3), Share(2, 3))]
    assert calibration_error([1.0, 1.0], [True, True]) == 0.0
    assert calibration_error([0.95, 0.95], [True, False]) == pytest.approx(0.45)
    assert calibration_error([], []) == 0.0


def test_the_picture_shows_every_curve() -> None:
    curve = reliability([0.95, 0.2], [True, False])
    picture = reliability_plot({"everyday": curve, "hard": curve})
    root = ElementTree.fromstring(picture)
    words = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"everyday", "hard", "confidence"} <= set(words)
    assert picture.count("<circle") == 2 * (len(curve) + 1)


def test_targets_are_named_as_reached_or_not() -> None:
    text = verdicts({"urgent_recall": 0.99, "everyday_false_alarms": 0.07})
    assert text.count("| yes") == 1
    assert text.count("| no") == 1


def test_reports_stand_side_by_side() -> None:
    report = evaluate_routes([row(Route.REFILL)], [Prediction(Route.REFILL)])
    text = compare({"model": report, "baseline": report})
    assert "| model" in text
    assert "urgent messages found" in text
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n|---|---|\n| x | 1 |"
