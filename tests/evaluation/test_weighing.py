"""Signs are weighed on training messages, and the page stays one a person can read."""

import shutil
from pathlib import Path

import pytest

from triage.classifiers.dataset import Row
from triage.domain import Channel, Route, Urgency
from triage.evaluation import weighing
from triage.evaluation.weighing import Weights, weigh, write
from triage.priority import RedFlags
from triage.priority.redflags import TABLE
from triage.priority.table import load


def row(number: int, body: str, *, urgent: bool) -> Row:
    route = Route.URGENT_CLINICAL if urgent else Route.GENERAL
    urgency = Urgency.TODAY if urgent else Urgency.ROUTINE
    nothing: frozenset[Route] = frozenset()
    return Row(str(number), Channel.EMAIL, "", body, route, nothing, urgency, ())


def test_what_only_the_urgent_say_weighs_and_nothing_weighs_against() -> None:
    rows = [row(at, "I feel clammy and cold sweat came", urgent=True) for at in range(20)]
    rows += [row(at + 20, "please send the form", urgent=False) for at in range(60)]
    found = weigh(rows)
    assert max(found.points.values()) == weighing.MOST_POINTS
    assert min(found.points.values()) > 0
    # One list alone never raises.
    assert found.raises_at > weighing.MOST_POINTS


def test_the_page_is_rewritten_and_still_a_table(tmp_path: Path) -> None:
    table = Path(shutil.copytree(TABLE, tmp_path / "redflags"))
    page = table / weighing.PAGE.name
    before = page.read_text("utf-8").partition("rules:")[0]
    names = RedFlags().weighable[:2]
    write(Weights(dict.fromkeys(names, 4), 6), page)
    assert page.read_text("utf-8").startswith(before)
    (rule,) = [one for one in load(table).rules if one.points]
    assert (dict(rule.points), rule.raises_at) == (dict.fromkeys(names, 4), 6)


def test_the_page_that_ships_keeps_to_its_own_bounds() -> None:
    (rule,) = [one for one in load(TABLE).rules if one.points]
    assert 0 < min(rule.points.values()) <= max(rule.points.values()) <= weighing.MOST_POINTS
    assert rule.raises_at > weighing.MOST_POINTS
    assert len(rule.fires) >= 6
    assert len(rule.silent) >= 6


def test_signs_that_are_denied_do_not_count() -> None:
    from triage.evaluation.readings import message_of

    rules = RedFlags()
    there = rules.signs(message_of(row(1, "I have a cold sweat", urgent=True)))
    denied = rules.signs(message_of(row(2, "I have no cold sweat", urgent=False)))
    assert there - denied


@pytest.mark.parametrize("text", ["", "hello"])
def test_a_message_without_signs_has_none(text: str) -> None:
    from triage.evaluation.readings import message_of

    assert not RedFlags().signs(message_of(row(1, text, urgent=False)))
