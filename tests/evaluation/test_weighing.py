"""Rules and signs are weighed on labelled messages, and the page stays one a person can read."""

import shutil
from pathlib import Path

import pytest

from triage.classifiers.dataset import Row
from triage.domain import Channel, Route, Urgency
from triage.evaluation import weighing
from triage.evaluation.readings import message_of
from triage.evaluation.weighing import weigh, write
from triage.priority import RedFlags
from triage.priority.redflags import TABLE
from triage.priority.scorecard import Scorecard
from triage.priority.table import load


def row(number: int, body: str, *, urgent: bool, hard: bool = False) -> Row:
    route = Route.URGENT_CLINICAL if urgent else Route.GENERAL
    urgency = Urgency.TODAY if urgent else Urgency.ROUTINE
    tags = frozenset({"hard" if hard else "everyday"})
    return Row(str(number), Channel.EMAIL, "", body, route, frozenset(), urgency, (), tags=tags)


DANGER = "I feel clammy and a cold sweat came, my chest hurts"
CALM = ["please send the form", "my chest hurts, said the bill lol", "is the clammy soup gone"]


def test_what_the_urgent_say_weighs_and_nothing_weighs_against() -> None:
    rows = [row(at, DANGER, urgent=True) for at in range(20)]
    rows += [row(at + 20, CALM[at % 3], urgent=False) for at in range(60)]
    setting = [row(at, CALM[at % 3], urgent=False, hard=at % 2 == 1) for at in range(30)]
    card = weigh(rows, rows[:30], setting)
    assert card.signs["cold_sweat"] > 0
    assert min(card.rules.values(), default=0) >= 0
    rules = RedFlags()
    assert card.total(*rules.evidence(message_of(rows[0]))) >= card.raises_at
    assert card.total(*rules.evidence(message_of(setting[0]))) < card.alone_at


def test_the_page_is_rewritten_and_still_a_table(tmp_path: Path) -> None:
    table = Path(shutil.copytree(TABLE, tmp_path / "redflags"))
    page = table / weighing.PAGE.name
    before = page.read_text("utf-8").partition("score:")[0]
    names = RedFlags().weighable[:3]
    card = Scorecard(9, 6, 3, {"heart_attack": 2}, dict.fromkeys(names, 4))
    write(card, page)
    assert page.read_text("utf-8").startswith(before)
    assert load(table).score == card


def test_signs_that_are_denied_do_not_count() -> None:
    rules = RedFlags()
    _, there = rules.evidence(message_of(row(1, "I have a cold sweat", urgent=True)))
    _, denied = rules.evidence(message_of(row(2, "I have no cold sweat", urgent=False)))
    assert there - denied


@pytest.mark.parametrize("text", ["", "hello"])
def test_a_message_without_signs_has_none(text: str) -> None:
    assert RedFlags().evidence(message_of(row(1, text, urgent=False))) == (frozenset(), frozenset())
