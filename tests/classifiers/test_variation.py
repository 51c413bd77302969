"""Variations change how a message is written, never what it asks for."""

import random
import re

import pytest

from triage.classifiers import variation
from triage.classifiers.wording import JOINED_WORDS, joined, vary_all
from triage.domain import Route
from triage.encoder import LabelledText

TEXT = "My pills\nHello, my husband [NAME_1] needs his refill because you are closed. Thanks!"


@pytest.fixture
def chance() -> random.Random:
    return random.Random(3)


@pytest.mark.parametrize("name", variation.PERTURBATIONS)
def test_placeholders_stay_whole_or_become_a_name(name: str, chance: random.Random) -> None:
    for _ in range(30):
        changed = variation.PERTURBATIONS[name](TEXT, chance)
        whole = "[NAME_1]" in changed or any(one in changed for one in variation.NAMES)
        assert whole, changed


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("lower case", "hello, my husband [NAME_1] needs"),
        ("slang", "u r"),
        ("genders", "wife [NAME_1] needs her refill"),
    ],
)
def test_each_does_what_it_says(name: str, part: str, chance: random.Random) -> None:
    shown = {variation.PERTURBATIONS[name](TEXT, chance) for _ in range(30)}
    assert any(part in each for each in shown)


def test_white_space_alone_changes(chance: random.Random) -> None:
    changed = variation.spaces(TEXT, chance)
    assert changed != TEXT
    assert changed.split() == TEXT.split()


def test_typos_touch_few_words(chance: random.Random) -> None:
    text = "nothing worrying happens between breakfast and supper " * 20
    pairs = zip(text.split(), variation.typos(text, chance).split(), strict=True)
    share = sum(one != other for one, other in pairs) / len(text.split())
    assert 0.02 < share < 0.12


def test_one_name_stands_for_one_person(chance: random.Random) -> None:
    changed = variation.names("[NAME_1] and [NAME_2], then [NAME_1] again", chance)
    first, again = re.fullmatch(r"(.+) and .+, then (.+) again", changed).groups()  # type: ignore[union-attr]  # It matches, or the test fails.
    assert first == again


def test_a_pregnant_woman_stays_one(chance: random.Random) -> None:
    text = "my wife is pregnant and she bleeds"
    assert variation.genders(text, chance) == text


URGENT = LabelledText("a\nchest pain", "urgent_clinical", urgency=2)
REFILL = LabelledText("b\nrefill please", "refill", frozenset({"results"}))
LONG = LabelledText("c\n" + TEXT, "refill")


@pytest.mark.parametrize("pair", [(URGENT, REFILL), (REFILL, URGENT)])
def test_a_danger_leads_a_joined_message(pair: tuple[LabelledText, LabelledText]) -> None:
    both = joined(*pair)
    assert (both.route, both.urgency) == ("urgent_clinical", 2)
    assert both.also == {"refill", "results"}
    assert "chest pain" in both.text
    assert "refill please" in both.text


def test_two_calm_requests_become_first_and_further() -> None:
    both = joined(REFILL, LabelledText("c\nmy bill", "billing_dispute"))
    assert both.route == "refill"
    assert both.also == {"results", "billing_dispute"}


@pytest.mark.parametrize(
    "other",
    [
        LabelledText("x\nbuy now", Route.NOT_FOR_US),
        LabelledText("x\n" + "word " * JOINED_WORDS, "refill"),
        REFILL,
    ],
)
def test_what_does_not_belong_together_stays_apart(other: LabelledText) -> None:
    assert joined(REFILL, other) == REFILL


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("her son wants his pills", "his daughter wants her pills"),
        ("Mi hijo he tenido fiebre y son las tres", "Mi hija he tenido fiebre y son las tres"),
    ],
)
def test_a_gender_changes_in_its_own_language(text: str, other: str, chance: random.Random) -> None:
    assert variation.genders(text, chance) == other


def test_slang_leaves_numbers_alone(chance: random.Random) -> None:
    text = "from 98 to 104 for 3 days"
    assert {variation.slang(text, chance) for _ in range(30)} == {text}


@pytest.mark.parametrize(
    "text",
    ["hello i have chest pain. help", "x\nhi my mom is not breathing right. what now", "hola\n"],
)
def test_a_danger_survives_being_shortened(text: str, chance: random.Random) -> None:
    urgent = LabelledText(text, "urgent_clinical", urgency=2)
    for _ in range(200):
        varied = vary_all([urgent], chance)[0].text.lower()
        assert len(varied.split()) >= len(text.split()) - 1


def test_a_joined_message_keeps_both_first_lines() -> None:
    both = joined(LabelledText("bleeding a lot", "urgent_clinical", urgency=2), REFILL)
    assert both.text.split("\n") == ["bleeding a lot", "b", "refill please"]


def test_an_epoch_has_every_text_once(chance: random.Random) -> None:
    texts = [URGENT, LONG] * 20
    varied = vary_all(texts, chance)
    assert len(varied) == len(texts)
    assert len({each.text for each in varied}) > 10
    assert all(each.urgency == 2 for each, was in zip(varied, texts, strict=True) if was is URGENT)
