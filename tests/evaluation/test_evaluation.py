"""The numbers are counted as they say."""

import pytest

from triage.classifiers.dataset import Identifier, Row
from triage.domain import Channel, IdentifierType, Route, Span, Urgency
from triage.evaluation import Prediction, Share, evaluate_redaction, evaluate_routes
from triage.evaluation.routes import compare, tfidf_baseline
from triage.evaluation.shares import table


def row(
    route: Route,
    urgency: Urgency = Urgency.ROUTINE,
    *also: Route,
    body: str = "",
    phi: tuple[Identifier, ...] = (),
    tag: str = "everyday",
) -> Row:
    tags = frozenset({tag})
    return Row("r", Channel.EMAIL, "", body, route, frozenset(also), urgency, phi, tags=tags)


def test_exact_intervals_are_those_of_the_tables() -> None:
    # Clopper and Pearson: nothing missed in 299 leaves at most 1 % missed, one-sided 95 %.
    assert Share(299, 299).interval(0.90)[0] == pytest.approx(0.99, abs=0.0005)
    assert Share(5, 10).interval() == pytest.approx((0.187, 0.813), abs=0.001)
    assert Share(0, 10).interval()[0] == 0.0
    assert Share(0, 0).interval() == (0.0, 1.0)
    assert str(Share(0, 0)) == "none to count"
    assert str(Share(5, 10)) == "5/10 = 50.0% (18.7% to 81.3%)"


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


BODY = "Call Ann Lee at 555-0100 on May 3."
PHI = (
    Identifier("body", 5, 12, IdentifierType.NAME),
    Identifier("body", 16, 24, IdentifierType.PHONE),
    Identifier("body", 28, 33, IdentifierType.DATE),
)


def span(start: int, end: int, kind: IdentifierType) -> Span:
    return Span("body", start, end, kind, "test", 1.0)


def test_half_a_name_is_not_hidden() -> None:
    rows = [row(Route.REFILL, body=BODY, phi=PHI)]
    found = [span(5, 8, IdentifierType.NAME), span(16, 24, IdentifierType.NAME)]
    report = evaluate_redaction(rows, [found])
    assert report.recall[IdentifierType.NAME] == Share(0, 1)
    assert report.recall[IdentifierType.PHONE] == Share(1, 1)
    assert report.recall[IdentifierType.DATE] == Share(0, 1)
    assert report.direct == Share(1, 2)
    assert report.typed == Share(0, 1)
    assert report.clean_messages == Share(0, 1)
    assert report.other_words_hidden == Share(0, 3)


def test_two_spans_may_hide_one_name_together_and_other_words_are_counted() -> None:
    rows = [row(Route.REFILL, body=BODY, phi=PHI)]
    found = [
        span(0, 8, IdentifierType.NAME),
        span(9, 12, IdentifierType.NAME),
        span(16, 24, IdentifierType.PHONE),
        span(28, 34, IdentifierType.DATE),
    ]
    report = evaluate_redaction(rows, [found])
    assert report.direct == Share(2, 2)
    assert report.typed == Share(3, 3)
    assert report.clean_messages == Share(1, 1)
    assert report.other_words_hidden == Share(1, 3)
    assert "PHONE" in report.text()
    assert report.flat("report")["report_direct_recall"] == 1.0
