"""How findings follow from what was done, and in which order; without a store."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from triage.desk.marking import mark
from triage.domain import (
    Aspect,
    AuditEvent,
    Done,
    Exercise,
    Finding,
    Lesson,
    Result,
    Route,
    Sorting,
    Urgency,
)

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
URGENT = Sorting(Route.URGENT_CLINICAL, frozenset({Route.RESCHEDULE}), Urgency.TODAY)
Step = tuple[int, str, Mapping[str, str]]


def done(sorting: Sorting, *steps: Step, outcome: str | None = None, **more: int) -> Done:
    """Return what was done with one exercise: (minute, action, detail) each."""
    events = tuple(
        AuditEvent(at, "c1", NINE + timedelta(minutes=at), "u", action, ("x",), detail)
        for at, action, detail in steps
    )
    return Done("x", sorting, "", outcome, more.get("replies", 0), (), events)


def read(at: int) -> Step:
    return (at, "case.read", {})


def closed(at: int, outcome: str) -> Step:
    return (at, "case.closed", {"outcome": outcome})


def findings(exercises: tuple[Exercise, ...], what: str, **did: Done) -> dict[Aspect, Finding]:
    sheet = mark(Lesson(exercises, "u"), did, name="Ana", at=NINE)
    (line,) = (line for line in sheet.lines if line.exercise.id == what)
    return {found.aspect: found for found in line.findings}


@pytest.mark.parametrize(
    ("what", "opened", "routine", "acted", "result"),
    [
        ("armchair", 5, 9, 6, Result.RIGHT),
        # What nobody could know before it was opened is held against nobody.
        ("armchair", 5, 3, 6, Result.RIGHT),
        ("armchair", 5, 6, 9, Result.MISSED),
        ("chest", 5, 3, 6, Result.MISSED),
        ("chest", 5, 9, 6, Result.RIGHT),
    ],
)
def test_urgent_first(
    exercises: tuple[Exercise, ...],
    what: str,
    opened: int,
    routine: int,
    acted: int,
    result: Result,
) -> None:
    grave = done(URGENT, read(opened), closed(acted, "phoned"), outcome="phoned")
    calm = done(Sorting(Route.REFILL), read(1), closed(routine, "phoned"), outcome="phoned")
    found = findings(exercises, what, **{what: grave, "refill": calm})
    assert found[Aspect.URGENT].result is result


def test_an_urgent_message_that_nobody_saw(exercises: tuple[Exercise, ...]) -> None:
    calm = Sorting(Route.RESCHEDULE)
    left = done(calm, read(1), closed(2, "answered"), outcome="answered", replies=1)
    found = findings(exercises, "armchair", armchair=left)
    assert found[Aspect.SORTING].words.startswith("Its urgency was not seen")
    assert found[Aspect.URGENT].words == "Nobody was reached about an urgent message."
    assert found[Aspect.OUTCOME].result is Result.MISSED
    still = findings(exercises, "armchair", armchair=done(calm, read(1)))
    assert {one.result for one in still.values()} == {Result.OPEN}


def test_saying_who_was_reached_is_enough_while_it_stays_open(
    exercises: tuple[Exercise, ...],
) -> None:
    acted = done(URGENT, read(1), (2, "urgent.acted", {"how": "phoned"}))
    found = findings(exercises, "chest", chest=acted)
    assert found[Aspect.URGENT].result is Result.RIGHT
    assert found[Aspect.OUTCOME].result is Result.OPEN


def test_more_urgent_than_expected_is_no_mistake(exercises: tuple[Exercise, ...]) -> None:
    careful = done(URGENT, read(1), closed(2, "phoned"), outcome="phoned")
    found = findings(exercises, "move", move=careful)
    assert {one.result for one in found.values()} == {Result.RIGHT}


@pytest.mark.parametrize(
    ("stopped", "result"),
    [("WrongPatient", Result.MISSED), ("UnconfirmedFact", None), ("OutOfScope", None)],
)
def test_another_patient_s_name_is_a_trap_wherever_it_is_typed(
    exercises: tuple[Exercise, ...], stopped: str, result: Result | None
) -> None:
    tried = done(Sorting(Route.REFILL), read(1), (2, "approval.stopped", {"why": stopped}))
    found = findings(exercises, "refill", refill=tried).get(Aspect.TRAP)
    assert (found and found.result) is result


def test_closed_as_answered_without_a_reply(exercises: tuple[Exercise, ...]) -> None:
    empty = done(Sorting(Route.REFILL), read(1), closed(2, "answered"), outcome="answered")
    found = findings(exercises, "refill", refill=empty)
    assert "no reply was approved" in found[Aspect.OUTCOME].words
    also = done(Sorting(Route.REFILL), read(1), closed(2, "phoned"), outcome="phoned")
    both = findings(exercises, "two-things-es", **{"two-things-es": also})
    assert both[Aspect.SORTING].words.startswith("It asks for more than one thing")
