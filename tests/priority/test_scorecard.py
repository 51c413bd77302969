"""What rules and weak signs come to together, and when that calls a person."""

from dataclasses import replace
from pathlib import Path

import pytest

from triage.domain import (
    Channel,
    Classification,
    Flag,
    Lane,
    Mark,
    Priority,
    Redacted,
    Route,
    Urgency,
)
from triage.errors import BadRules
from triage.parsing import plain
from triage.priority import DOUBT, TOGETHER, RedFlags, rank
from triage.priority.ranking import loud
from triage.priority.redflags import TABLE
from triage.priority.scorecard import MOST_RULES, Scorecard, read
from triage.priority.table import CONTEXT, load
from triage.testing import message

PAGE = """
facts: {{}}
signs:
  tired: tired, weary
  pale: pale, white as a sheet
  thirsty: thirsty
  falls: fell
context: {context}
rules:
- name: fall
  urgency: emergency
  because: somebody fell
  source: nobody
  when: [<falls>]
  fires: [he fell]
  silent: [the leaves turn]
score:
  raises_at: 10
  alone_at: 5
  any_rule: 4
  rules: {{fall: {fall}}}
  signs: {{tired: 2, pale: 3, thirsty: 4}}
"""


def rules(tmp_path: Path, fall: int = 1) -> RedFlags:
    context = dict.fromkeys(CONTEXT, "zzz") | {"negates_list": "no, without"}
    path = tmp_path / "rules.yaml"
    path.write_text(PAGE.format(context=context, fall=fall), "utf-8")
    return RedFlags(path)


def flags(redflags: RedFlags, body: str) -> tuple[Flag, ...]:
    return redflags.flags(plain(id="x", channel=Channel.EMAIL, subject="", body=body))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("she is tired. So tired, so weary", []),
        ("she is pale and thirsty", [(TOGETHER, True)]),
        ("tired and pale", [(TOGETHER, True)]),
        ("no pale skin, but thirsty", []),
        ("he fell", [("fall", True)]),
        ("he fell, he is pale", [("fall", True)]),
        ("he fell, he is pale and tired", [("fall", False)]),
        ("", []),
    ],
)
def test_rules_and_signs_add_up_and_each_counts_once(
    tmp_path: Path, text: str, found: list[tuple[str, bool]]
) -> None:
    assert [(flag.rule, flag.weak) for flag in flags(rules(tmp_path), text)] == found


def test_a_rule_that_counts_enough_raises_by_itself(tmp_path: Path) -> None:
    assert [flag.weak for flag in flags(rules(tmp_path, fall=6), "he fell")] == [False]


def test_the_signs_that_came_together_are_quoted(tmp_path: Path) -> None:
    (flag,) = flags(rules(tmp_path), "tired and pale")
    assert flag.quote.reveal() == "tired and pale"
    assert flag.urgency is Urgency.TODAY


def test_many_rules_add_the_common_points_only_so_often() -> None:
    card = Scorecard(raises_at=99, any_rule=10, rules={"a": 5})
    some = [f"r{n}" for n in range(9)]
    assert card.total(some, ()) == 10 * MOST_RULES
    assert card.total(["a", "a"], ["unknown"]) == 15


@pytest.mark.parametrize(
    "content",
    [
        {"raises_at": 10, "any_rule": -1, "signs": {"a": 9}},
        {"raises_at": 10, "any_rule": 4, "signs": {"a": -1, "b": 9}},
        {"raises_at": 10, "alone_at": 12, "any_rule": 4, "signs": {"a": 9}},
        {"raises_at": 10, "alone_at": 5, "any_rule": 4, "signs": {"a": 5}},
        {"raises_at": 99, "alone_at": 5, "any_rule": 4, "signs": {"a": 4}},
        {"raises_at": 10, "alone_at": 5, "any_rule": 4.5, "signs": {"a": 4}},
        {"raises": 10},
        {"signs": []},
        [],
    ],
)
def test_a_score_that_could_miss_a_danger_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(BadRules):
        read(content)


@pytest.mark.parametrize("change", ["fall: 1, nobody: 2", "fall: 1}, signs_: {"])
def test_a_score_names_only_what_the_table_has(tmp_path: Path, change: str) -> None:
    rules(tmp_path)
    whole = (tmp_path / "rules.yaml").read_text("utf-8")
    (tmp_path / "rules.yaml").write_text(whole.replace("fall: 1", change), "utf-8")
    with pytest.raises(BadRules):
        RedFlags(tmp_path / "rules.yaml")


def test_the_score_that_ships_lets_no_weak_sign_raise_alone_and_listens_harder_alone() -> None:
    card = load(TABLE).score
    assert max(card.signs.values()) < card.alone_at < card.raises_at
    assert card.any_rule > 0


# --- in the queue -------------------------------------------------------------------------------

STRONG = Flag("chest", Urgency.EMERGENCY, message("chest pain").body, "chest pain")
WEAK = Flag("chest", Urgency.EMERGENCY, message("chest pain").body, "chest pain", weak=True)
SIGNS = Flag(TOGETHER, Urgency.TODAY, message("pale, tired").body, "several signs", weak=True)


def said(urgent: float, route: Route = Route.REFILL) -> Classification:
    scores = {Route.URGENT_CLINICAL: urgent, route: 1 - urgent}
    return Classification(route, frozenset(), Urgency.ROUTINE, 1 - urgent, False, "m", scores)


def placed(*flags: Flag, answer: Classification | None, **changes: object) -> Priority:
    return rank(replace(message("x"), **changes), flags, answer)  # type: ignore[arg-type]  # The changes are the fields' own.


@pytest.mark.parametrize("flag", [WEAK, SIGNS])
@pytest.mark.parametrize(
    "answer",
    [None, said(DOUBT), said(0.4), said(float("nan"))],
    ids=["no model", "doubt", "more doubt", "no number"],
)
def test_a_weak_flag_raises_unless_a_model_all_but_rules_danger_out(
    flag: Flag, answer: Classification | None
) -> None:
    priority = placed(flag, answer=answer)
    assert priority.urgency is flag.urgency
    assert priority.lane is Lane.URGENT


def test_a_model_that_gives_no_share_of_danger_does_not_rule_it_out() -> None:
    answer = Classification(Route.REFILL, frozenset(), Urgency.ROUTINE, 1.0, False, "m")
    assert placed(WEAK, answer=answer).urgency is Urgency.EMERGENCY


@pytest.mark.parametrize("mark", [Mark.NOT_READ, Mark.PARTLY_READ, Mark.WITHHELD])
def test_a_model_that_read_only_a_part_does_not_rule_danger_out(mark: Mark) -> None:
    calm = said(0.0)
    assert placed(WEAK, answer=calm).urgency is Urgency.ROUTINE
    assert placed(WEAK, answer=calm, marks=frozenset({mark})).urgency is Urgency.EMERGENCY


def test_a_rule_a_model_speaks_against_still_keeps_the_message_from_being_sorted() -> None:
    calm = said(0.001)
    noticed, plain_one = placed(WEAK, answer=calm), placed(answer=calm)
    assert (noticed.lane, plain_one.lane) == (Lane.UNSORTED, Lane.SORTED)
    assert noticed.score > plain_one.score
    assert "A weak sign: chest pain." in noticed.because
    assert noticed.flags == ()


def test_no_flag_is_weak_where_the_models_saw_less_than_the_rules() -> None:
    seen, withheld = Redacted("", "x"), Redacted("", "", withheld=frozenset({"body"}))
    assert [flag.weak for flag in loud([WEAK, STRONG], seen)] == [True, False]
    assert [flag.weak for flag in loud([WEAK, STRONG], withheld)] == [False, False]


def test_a_strong_flag_raises_whatever_a_model_says() -> None:
    assert placed(STRONG, answer=said(0.0)).urgency is Urgency.EMERGENCY
    assert placed(STRONG, WEAK, answer=said(0.0)).flags == (STRONG,)
