"""Groups are told from text and channel, and one that falls behind is named."""

import pytest

from triage.classifiers.groups import LEAST, behind, by_group, groups_of, language, writer
from triage.domain import Channel, Share


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I need a refill of my pills, please", "English"),
        ("Necesito una cita para mi hija, por favor", "Spanish"),
        ("Hola, I need the results de mi hijo porque the school wants them", "mixed"),
        ("lisinopril 10", "English"),
        ("", "English"),
    ],
)
def test_languages(text: str, expected: str) -> None:
    assert language(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Out of office: I am back on Monday", "machine"),
        ("We represent your patient [NAME_1] in a claim", "business"),
        ("My daughter [NAME_1] has a rash", "family"),
        ("mi mamá necesita su receta", "family"),
        ("I have a rash", "patient"),
    ],
)
def test_writers(text: str, expected: str) -> None:
    assert writer(text) == expected


def test_a_message_has_three_groups() -> None:
    assert groups_of("I have a rash", Channel.PORTAL) == {
        "language: English",
        "channel: portal",
        "writer: patient",
    }


def test_a_group_far_behind_is_named_once_there_are_enough() -> None:
    groups = [{"a", "all"}] * LEAST + [{"b", "all"}] * (9 * LEAST) + [{"c", "all"}] * (LEAST - 1)
    right = [False] * 3 + [True] * (LEAST - 3) + [True] * (9 * LEAST) + [False] * (LEAST - 1)
    shares = by_group(groups, right)
    assert shares["a"] == Share(LEAST - 3, LEAST)
    overall = Share.among(right)
    assert behind(shares, overall) == ("a",)
    # Sabotage: without the least number the smallest group would decide.
    assert shares["c"].value == 0.0
