"""The clinic's own people: always hidden by their full name, by a part only with reason."""

import pytest

from tests.redaction.redacting import Patterns, message
from triage.domain import NO_BACKGROUND, Background, IdentifierType, KnownPeople, Protected
from triage.redaction.known import dictionary, known_people
from triage.redaction.leaks import LeakMeter
from triage.redaction.spans import resolve

KEY = b"k" * 32
Type = IdentifierType


def people(*facts: tuple[Type, str]) -> KnownPeople:
    return KnownPeople.of([(kind, Protected(text)) for kind, text in facts], key=KEY)


ROSTER = people(
    (Type.NAME, "Maria del Carmen Ibarrola-Sáenz"),
    (Type.NAME, "Will Young"),
    (Type.NAME, "Li Na Xu"),
    (Type.NAME, "Siobhán O'Driscoll"),
    (Type.PHONE, "(503) 555-0121"),
    (Type.MRN, "WC-204417"),
    (Type.EMAIL, "will.young@example.com"),
    (Type.ADDRESS, "418 Alder Court, Fairhaven, OR 97398"),
)
KNOWN = Background(known=ROSTER)


def found(text: str, background: Background = KNOWN) -> list[str]:
    finds = resolve(known_people(text, background), text)
    return [text[find.start : find.end] for find in finds]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("the chart of ibarrola please", ["ibarrola"]),
        ("it is will young writing", ["will young"]),
        ("YOUNG, WILL / second copy", ["YOUNG, WILL"]),
        ("tell willyoung at once", ["willyoung"]),
        ("saenzibarrola is her user name", ["saenzibarrola"]),
        ("Odriscoll's knee", ["Odriscoll"]),
        ("O’Driscoll called", ["O’Driscoll"]),
        ("call 503.555.0121 or just 555-0121", ["503.555.0121", "555-0121"]),
        ("chart wc 204417, once 204417", ["wc 204417", "204417"]),
        ("write WILL.YOUNG@EXAMPLE.COM", ["WILL.YOUNG@EXAMPLE.COM"]),
        ("we still live at 418 alder", ["418 alder"]),
    ],
)
def test_what_the_roster_knows_is_found_however_it_is_written(text: str, hidden: list[str]) -> None:
    assert found(text) == hidden


@pytest.mark.parametrize("slip", ["ibarola", "ibarrolla", "ibarrpla", "ibarroal", "Ibarrola"])
def test_one_slip_of_the_pen_is_forgiven_from_six_letters_on(slip: str) -> None:
    assert found(f"the knee of {slip} hurts") == [slip]


@pytest.mark.parametrize("text", ["ibaroal hurts", "the iberian ham", "saez hurts", "Yuong hurts"])
def test_two_slips_or_a_short_name_are_not(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text", ["will you call? she is young.", "Will the young doctor call?", "my na is 140", "i xu"]
)
def test_a_part_that_is_a_word_or_short_stays_without_a_cue(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Dear Will, the cast is off", "Will"),
        ("thanks will", "will"),
        ("ask Mr. Young", "Young"),
        ("the pills are here\n\nwill", "will"),
        ("this is Xu again", "Xu"),
    ],
)
def test_a_cue_makes_a_common_part_a_name(text: str, hidden: str) -> None:
    assert found(text) == [hidden]


def test_the_writers_own_patient_needs_no_other_cue() -> None:
    mine = Background(ROSTER, people((Type.NAME, "Will Young")))
    assert found("Yesterday Will fell", mine) == ["Will"]
    assert found("Yesterday Will fell") == []
    assert found("he will fall", mine) == []


def test_nobody_is_found_without_a_roster() -> None:
    assert known_people("Will Young, MRN WC-204417", NO_BACKGROUND) == []


def test_the_digests_do_not_hold_a_word_and_differ_by_key() -> None:
    other = KnownPeople.of([(Type.NAME, Protected("Will Young"))], key=b"o" * 32)
    mine = people((Type.NAME, "Will Young"))
    assert not set(other.digests) & set(mine.digests)
    assert "young" not in repr(mine).lower()


def test_the_dictionary_holds_words_and_hardly_a_name() -> None:
    assert {"will", "young", "grace", "penny", "price"} <= dictionary()
    assert not {"maria", "lopez", "nguyen", "ahmed", "svetlana"} & dictionary()


def test_a_known_name_that_no_pattern_finds_is_hidden_and_without_the_roster_would_not_be() -> None:
    """The oracle stands beside it: the same message without a background leaks, and is counted."""
    redactor, meter = Patterns(), LeakMeter()
    letter = message("the knee of ibarrola is worse")
    (hidden,) = redactor.redact([letter], [KNOWN])
    (open_,) = redactor.redact([letter])
    assert hidden.body == "the knee of [NAME_1] is worse"
    assert meter(hidden, KNOWN) == {}
    assert open_.body == "the knee of ibarrola is worse"
    assert meter(open_, KNOWN) == {Type.NAME: 1}
