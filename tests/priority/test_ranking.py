"""Safety-bar 26: the classifier may raise an urgency, and nothing presses it below the rules."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sizes import many
from triage.domain import (
    Channel,
    Classification,
    Flag,
    Lane,
    Mark,
    Message,
    Priority,
    Protected,
    Route,
    Urgency,
)
from triage.priority import rank
from triage.priority.signs import contradictions

NOTHING = Protected("")


def message(*, topic: str = "", marks: frozenset[Mark] = frozenset()) -> Message:
    body = Protected("words")
    return Message(
        "raw-1", Channel.PORTAL, NOTHING, NOTHING, NOTHING, body, topic=topic, marks=marks
    )


def flag(urgency: Urgency = Urgency.EMERGENCY) -> Flag:
    return Flag("breathing", urgency, Protected("secret words"), "trouble breathing")


def classified(
    route: Route = Route.REFILL,
    *,
    urgency: Urgency = Urgency.ROUTINE,
    confidence: float = 0.9,
    abstained: bool = False,
    also: frozenset[Route] = frozenset(),
) -> Classification:
    return Classification(route, also, urgency, confidence, abstained, "m1", because=("[NAME_1]",))


ANY_FLOAT = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 2.0])
CLASSIFIED = st.builds(
    classified,
    st.sampled_from(Route),
    urgency=st.sampled_from(Urgency),
    confidence=ANY_FLOAT,
    abstained=st.booleans(),
    also=st.frozensets(st.sampled_from(Route)),
)
FLAGS = st.lists(st.builds(flag, st.sampled_from([Urgency.TODAY, Urgency.EMERGENCY])), max_size=6)
MARKS = st.frozensets(st.sampled_from(Mark), max_size=4)
FLOORS = {Urgency.EMERGENCY: 90, Urgency.TODAY: 70, Urgency.ROUTINE: 0}


# tests/faults/test_model_only_raises.py tries 10,000 pairs every time.
@settings(max_examples=many(500, long=10_000), deadline=None)
@given(FLAGS, st.none() | CLASSIFIED, MARKS, st.booleans())
def test_never_below_the_rule(
    flags: list[Flag], classification: Classification | None, marks: frozenset[Mark], failed: bool
) -> None:
    by_rule = max((one.urgency for one in flags), default=Urgency.ROUTINE)
    priority = rank(message(marks=marks), flags, classification, rules_failed=failed)
    assert priority.urgency >= by_rule
    assert FLOORS[priority.urgency] <= priority.score <= 100
    assert priority.route not in priority.also
    if priority.urgency is not Urgency.ROUTINE:
        assert (priority.lane, priority.route) == (Lane.URGENT, Route.URGENT_CLINICAL)
    elif failed or Mark.NOT_READ in marks:
        assert priority.lane is Lane.UNREADABLE
        assert 60 <= priority.score < 70
    else:
        assert 0 < priority.score < 70
    assert not any("secret words" in line for line in priority.because)


def test_oracle_a_ranking_that_believes_the_model_falls_below_the_rule() -> None:
    def sabotaged(flags: list[Flag], classification: Classification) -> Urgency:
        return classification.urgency if classification.confidence > 0.5 else flags[0].urgency

    assert sabotaged([flag()], classified()) < Urgency.EMERGENCY
    assert rank(message(), [flag()], classified()).urgency is Urgency.EMERGENCY


def test_a_raised_message_keeps_what_else_it_asks() -> None:
    model = classified(Route.REFILL, also=frozenset({Route.BILLING_DISPUTE}))
    priority = rank(message(), [flag()], model)
    assert priority.route is Route.URGENT_CLINICAL
    assert priority.also == {Route.REFILL, Route.BILLING_DISPUTE}
    assert priority.because[0] == "Red flag: trouble breathing."


def test_the_model_alone_may_raise() -> None:
    priority = rank(message(), [], classified(urgency=Urgency.TODAY))
    assert (priority.urgency, priority.lane) == (Urgency.TODAY, Lane.URGENT)
    route_only = rank(message(), [], classified(Route.URGENT_CLINICAL))
    assert route_only.urgency is Urgency.TODAY


def test_an_empty_guess_adds_no_route() -> None:
    model = classified(Route.GENERAL, confidence=0.0, abstained=True)
    assert rank(message(), [flag()], model).also == frozenset()
    assert rank(message(), [flag()], None).also == frozenset()


@pytest.mark.parametrize(
    ("priority", "lane"),
    [
        (rank(message(), [], classified(), rules_failed=True), Lane.UNREADABLE),
        (rank(message(marks=frozenset({Mark.NOT_READ})), [], classified()), Lane.UNREADABLE),
        (rank(message(marks=frozenset({Mark.PARTLY_READ})), [], classified()), Lane.UNREADABLE),
        (rank(message(marks=frozenset({Mark.WITHHELD})), [], classified()), Lane.UNREADABLE),
        (rank(message(), [], None), Lane.UNSORTED),
        (rank(message(), [], classified(abstained=True)), Lane.UNSORTED),
        (rank(message(), [], classified()), Lane.SORTED),
    ],
)
def test_lanes(priority: Priority, lane: Lane) -> None:
    assert priority.lane is lane


def test_the_order_of_the_queue() -> None:
    unread = frozenset({Mark.NOT_READ})
    ordered = [
        rank(message(), [flag()], classified()),
        rank(message(), [flag(Urgency.TODAY)], classified()),
        rank(message(), [], classified(), rules_failed=True),
        rank(message(marks=unread), [], classified()),
        rank(message(), [], None),
        rank(message(), [], classified(abstained=True)),
        rank(message(), [], classified(Route.CLINICAL_QUESTION)),
        rank(message(), [], classified(Route.GENERAL)),
        rank(message(), [], classified(Route.NOT_FOR_US, confidence=0.4)),
        rank(message(), [], classified(Route.NOT_FOR_US, confidence=0.99)),
    ]
    scores = [priority.score for priority in ordered]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert scores[-1] > 0


def test_a_contradicting_topic_is_named() -> None:
    priority = rank(message(topic="refill"), [flag()], classified())
    assert any("topic" in line and "refill" in line for line in priority.because)
    for topic, urgency, said in (
        ("refill", Urgency.EMERGENCY, True),
        ("urgent symptom", Urgency.EMERGENCY, False),
        ("refill", Urgency.ROUTINE, False),
    ):
        assert bool(contradictions(message(topic=topic), None, urgency)) is said


def test_failed_rules_are_said_aloud() -> None:
    because = rank(message(), [], None, rules_failed=True).because
    assert "The red-flag rules could not run: unclassified, read now." in because
